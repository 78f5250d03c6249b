// The media of one request on their way to the tower: read from files or taken from memory, cut into patches, and what
// the prompt has to know about each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "azimuth/hooks.h"
#include "azimuth/media.h"
#include "engine/held_media.h"
#include "engine/model.h"
#include "media/image.h"
#include "preprocess/preprocess.h"
#include "prompt/build_prompt.h"
#include "prompt/messages.h"

namespace azimuth::engine {

class MediaLoader {
 public:
  struct Options {
    std::string directory;  // of relative paths
    Compat compat = Compat::azimuth;
    const std::vector<MediaInput>* held = nullptr;  // what memory:N names
    bool complete_prompt = false;                   // the prompt came as ids: nothing is written for media any more
  };

  MediaLoader(const Engine::Impl& model, const models::ProcessorSpecs& processors, Options options);

  // Called first, with everything that will be loaded: some processors divide a picture only where it is the only one.
  void expect(const std::vector<prompt::MediaReference>& references);
  Status load(const prompt::MediaReference& reference);
  // Once everything is loaded: what the decoder will get of each, which may depend on how many there are.
  Status arrange();

  // Pictures, then videos.
  std::vector<MediaHandle> handles() const;

  std::vector<preprocess::MediaPixels> images;
  std::vector<preprocess::VideoPixels> videos;
  prompt::MediaInputs inputs;

 private:
  // The medium in memory that `source` names; nullptr where it names a file.
  Result<const MediaInput*> held(const std::string& source) const;
  HeldFormat format_of(const ImageProcessorSpec& processor) const;
  Result<media::Image> picture(const std::string& source) const;
  Status load_image(const std::string& source);
  Status load_panorama(const prompt::MediaReference& reference);
  Status load_video(const prompt::MediaReference& reference);
  Status load_held_video(const std::string& source, const MediaInput& input);
  Status add_view(const media::Image& image, int view, int views);
  void add_image(preprocess::MediaPixels pixels, int view, int views);
  Status add_frames(const media::VideoFrames& video);
  void add_video(preprocess::VideoPixels pixels);

  const Engine::Impl& model_;
  const models::ProcessorSpecs& processors_;
  Options options_;
  media::DecodeOptions decoding_;
  bool several_pictures_ = false;  // in the request
  std::vector<MediaHandle> image_handles_;
  std::vector<MediaHandle> video_handles_;
};

}  // namespace azimuth::engine
