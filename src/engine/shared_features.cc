#include "engine/shared_features.h"

#include <algorithm>

namespace azimuth::engine {
namespace {

SharedMediaFeatures find_among(const ContentHash& key, const std::vector<ContentHash>& keys,
                               const std::vector<SharedMediaFeatures>& features) {
  const auto found = std::ranges::find(keys, key);
  return found == keys.end() ? nullptr : features[static_cast<size_t>(found - keys.begin())];
}

class Encoder {
 public:
  Encoder(const Engine::Impl& model, const KnownFeatures& known) : model_(model), known_(known) {}

  // Pictures, then videos. `key` may be nullptr.
  void add(const preprocess::MediaPixels& pixels, bool video, const ContentHash* key) {
    if (pixels.given != nullptr && key != nullptr) return add_given(pixels, video);
    Medium medium{&pixels, video, key, key == nullptr ? nullptr : find(*key, video), -1};
    if (medium.features == nullptr) medium.fresh = is_among_fresh(key);
    if (medium.features == nullptr && medium.fresh < 0) {
      medium.fresh = static_cast<int>(fresh_.size());
      fresh_.push_back({&pixels, video});
      fresh_keys_.push_back(key);
      out_.new_patches += pixels.patches();
    } else {
      out_.cached_patches += pixels.patches();
      ++(video ? out_.cached_videos : out_.cached_images);
    }
    media_.push_back(std::move(medium));
  }

  Result<EncodedMedia> run(const RunContext& context) {
    AZ_ASSIGN_OR_RETURN(std::vector<MediaFeatures> encoded, encode_media(model_, fresh_, context));
    std::vector<SharedMediaFeatures> shared;
    for (MediaFeatures& each : encoded) shared.push_back(std::make_shared<const MediaFeatures>(std::move(each)));
    for (size_t i = 0; i < shared.size(); ++i) {
      if (known_.cache != nullptr && fresh_keys_[i] != nullptr) known_.cache->keep(*fresh_keys_[i], shared[i]);
    }
    for (Medium& medium : media_) {
      if (medium.fresh >= 0) medium.features = shared[static_cast<size_t>(medium.fresh)];
      (medium.video ? out_.features.videos : out_.features.images).push_back(std::move(medium.features));
    }
    return std::move(out_);
  }

 private:
  // Nothing to compute and nothing to remember.
  void add_given(const preprocess::MediaPixels& pixels, bool video) {
    media_.push_back({&pixels, video, nullptr, pixels.given, -1});
  }

  struct Medium {
    const preprocess::MediaPixels* pixels;
    bool video;
    const ContentHash* key;
    SharedMediaFeatures features;
    int fresh;  // which of `fresh_` it is; -1: none
  };

  SharedMediaFeatures find(const ContentHash& key, bool video) const {
    if (known_.keys != nullptr) {
      SharedMediaFeatures own = video ? find_among(key, known_.keys->videos, known_.features->videos)
                                      : find_among(key, known_.keys->images, known_.features->images);
      if (own != nullptr) return own;
    }
    return known_.cache == nullptr ? nullptr : known_.cache->find(key);
  }

  int is_among_fresh(const ContentHash* key) const {
    if (key == nullptr || known_.cache == nullptr) return -1;
    const auto same = [key](const ContentHash* other) { return other != nullptr && *other == *key; };
    const auto found = std::ranges::find_if(fresh_keys_, same);
    return found == fresh_keys_.end() ? -1 : static_cast<int>(found - fresh_keys_.begin());
  }

  const Engine::Impl& model_;
  const KnownFeatures& known_;
  std::vector<Medium> media_;
  std::vector<MediaToEncode> fresh_;
  std::vector<const ContentHash*> fresh_keys_;
  EncodedMedia out_;
};

}  // namespace

Result<EncodedMedia> encode_shared(const Engine::Impl& model, const PreparedSample& sample, const MediaKeys& keys,
                                   const KnownFeatures& known, const RunContext& context) {
  Encoder encoder(model, known);
  const auto key = [](const std::vector<ContentHash>& all, size_t i) { return all.empty() ? nullptr : &all[i]; };
  for (size_t i = 0; i < sample.images.size(); ++i) encoder.add(sample.images[i], false, key(keys.images, i));
  for (size_t i = 0; i < sample.videos.size(); ++i) encoder.add(sample.videos[i].media, true, key(keys.videos, i));
  return encoder.run(context);
}

}  // namespace azimuth::engine
