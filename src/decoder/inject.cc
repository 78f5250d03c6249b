#include "decoder/inject.h"

#include <algorithm>
#include <string>

#include "decoder/outer_features.h"

namespace azimuth::decoder {
namespace {

std::string name_of(SpanKind kind, size_t index) {
  return (kind == SpanKind::video ? "video " : "image ") + std::to_string(index);
}

// Tokens that the prompt holds for each medium of one kind, against the features that arrived.
Status check_counts(const Prompt& prompt, SpanKind kind, std::span<const MediaFeatures* const> media) {
  std::vector<int64_t> tokens(media.size(), 0);
  for (const Span& span : prompt.spans) {
    if (span.kind != kind) continue;
    if (span.media < 0 || static_cast<size_t>(span.media) >= media.size()) {
      return invalid_argument("the prompt has a place for " + name_of(kind, static_cast<size_t>(span.media)) +
                              ", but features of " + std::to_string(media.size()) +
                              " were given; give features for each");
    }
    // Features outside of the sequence take no tokens of their own.
    tokens[static_cast<size_t>(span.media)] += span.delivery == Delivery::cross ? span.features : span.tokens();
  }
  for (size_t i = 0; i < media.size(); ++i) {
    const int64_t features = media[i]->features.empty() ? 0 : media[i]->features.shape()[0];
    if (features == tokens[i]) continue;
    return invalid_argument(name_of(kind, i) + " has " + std::to_string(features) + " features, but the prompt has " +
                            std::to_string(tokens[i]) + " tokens for it; the two counts must be equal");
  }
  return ok_status();
}

// Shapes of features that may come from outside: one row per cell for the features and for each DeepStack level, and as
// many levels for every medium of a request.
Status check_shapes(SpanKind kind, std::span<const MediaFeatures* const> media, int64_t hidden, size_t levels) {
  for (size_t i = 0; i < media.size(); ++i) {
    const Shape& found = media[i]->features.shape();
    const Shape expected({found.rank() > 0 ? found[0] : 0, hidden});
    AZ_RETURN_IF_ERROR(check_shape("features of " + name_of(kind, i), expected, found));
    if (media[i]->deepstack.size() != levels) {
      return invalid_argument(name_of(kind, i) + " expected " + std::to_string(levels) +
                              " DeepStack levels like the first medium, found " +
                              std::to_string(media[i]->deepstack.size()));
    }
    for (const Tensor& level : media[i]->deepstack) {
      AZ_RETURN_IF_ERROR(check_shape("a DeepStack level of " + name_of(kind, i), expected, level.shape()));
    }
  }
  return ok_status();
}

struct Place {
  int64_t token;
  const MediaFeatures* media;
  int64_t row;
};

// Which feature row each visual token gets, in token order.
std::vector<Place> places(const Prompt& prompt, std::span<const MediaFeatures* const> images,
                          std::span<const MediaFeatures* const> videos) {
  std::vector<int64_t> image_rows(images.size(), 0);
  std::vector<int64_t> video_rows(videos.size(), 0);
  std::vector<Place> out;
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text || span.delivery == Delivery::cross) continue;
    const bool video = span.kind == SpanKind::video;
    const auto index = static_cast<size_t>(span.media);
    int64_t& row = video ? video_rows[index] : image_rows[index];
    const MediaFeatures* const media = video ? videos[index] : images[index];
    for (int64_t token = span.begin; token < span.end; ++token) out.push_back({token, media, row++});
  }
  return out;
}

std::vector<LayerStream> deepstack_streams(const std::vector<Place>& visual, size_t layers, int64_t hidden) {
  size_t levels = 0;
  for (const Place& place : visual) levels = std::max(levels, place.media->deepstack.size());
  std::vector<LayerStream> streams;
  for (size_t level = 0; level < std::min(levels, layers); ++level) {
    LayerStream stream;
    stream.layer = static_cast<int>(level);
    stream.rows = Tensor({static_cast<int64_t>(visual.size()), hidden});
    for (size_t i = 0; i < visual.size(); ++i) {
      stream.tokens.push_back(visual[i].token);
      std::copy_n(visual[i].media->deepstack[level].row(visual[i].row), hidden,
                  stream.rows.row(static_cast<int64_t>(i)));
    }
    streams.push_back(std::move(stream));
  }
  return streams;
}

// Tokens that have rows of their own among images.
void write_media_tokens(const Decoder& decoder, const Prompt& prompt, Tensor& hidden) {
  const std::vector<int64_t>& ids = decoder.spec().media_token_ids;
  for (size_t token = 0; token < prompt.ids.size(); ++token) {
    const auto found = std::ranges::find(ids, int64_t{prompt.ids[token]});
    if (found == ids.end()) continue;
    std::copy_n(decoder.media_tokens().row(found - ids.begin()), hidden.row_elements(),
                hidden.row(static_cast<int64_t>(token)));
  }
}

std::vector<const MediaFeatures*> pointers_to(std::span<const MediaFeatures> media) {
  std::vector<const MediaFeatures*> out;
  for (const MediaFeatures& each : media) out.push_back(&each);
  return out;
}

}  // namespace

Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, std::span<const MediaFeatures> images,
                            std::span<const MediaFeatures> videos) {
  return inject(decoder, prompt, pointers_to(images), pointers_to(videos));
}

Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, std::span<const MediaFeatures* const> images,
                            std::span<const MediaFeatures* const> videos) {
  AZ_ASSIGN_OR_RETURN(Tensor rows, decoder.embed(prompt.ids));
  return inject(decoder, prompt, std::move(rows), images, videos);
}

Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, Tensor rows,
                            std::span<const MediaFeatures* const> images,
                            std::span<const MediaFeatures* const> videos) {
  AZ_RETURN_IF_ERROR(check_counts(prompt, SpanKind::image, images));
  AZ_RETURN_IF_ERROR(check_counts(prompt, SpanKind::video, videos));
  const int64_t hidden = decoder.spec().hidden;
  const size_t levels = !images.empty()   ? images[0]->deepstack.size()
                        : !videos.empty() ? videos[0]->deepstack.size()
                                          : 0;
  AZ_RETURN_IF_ERROR(check_shapes(SpanKind::image, images, hidden, levels));
  AZ_RETURN_IF_ERROR(check_shapes(SpanKind::video, videos, hidden, levels));
  DecoderInput input;
  input.ids = prompt.ids;
  input.regions = prompt.closed_regions;
  input.hidden = std::move(rows);
  if (!images.empty()) write_media_tokens(decoder, prompt, input.hidden);
  const std::vector<Place> visual = places(prompt, images, videos);
  for (const Place& place : visual) {
    std::copy_n(place.media->features.row(place.row), hidden, input.hidden.row(place.token));
  }
  input.features = outer_features(prompt, images, hidden);
  input.streams = deepstack_streams(visual, decoder.spec().layers.size(), hidden);
  return input;
}

}  // namespace azimuth::decoder
