#include "azimuth/features.h"

#include <algorithm>

#include "engine/array_of.h"
#include "engine/hooks.h"
#include "engine/prepare.h"
#include "engine/processor_output.h"
#include "engine/shared_features.h"

namespace azimuth {
namespace {

using engine::Medium;
using engine::PreparedSample;
using preprocess::MediaPixels;

// ---- the processor's arrays

IntArray int_array(std::vector<int64_t> shape, std::vector<int64_t> values) {
  return make_array(std::move(shape), std::move(values));
}

// [media, 3]
void add_grids(const char* name, const std::vector<const MediaPixels*>& media, std::vector<NamedArray>& out) {
  if (media.empty()) return;
  std::vector<int64_t> values;
  for (const MediaPixels* each : media) {
    const Grid& grid = each->tiles[0].grid;
    values.insert(values.end(), {grid.t, grid.h, grid.w});
  }
  out.push_back({name, int_array({static_cast<int64_t>(media.size()), 3}, std::move(values))});
}

// [pictures, patches, 2], or [videos, frames, patches, 2] of videos that are alike: [frames, patches, 2] of all.
void add_places(const char* name, const std::vector<const MediaPixels*>& media, std::vector<NamedArray>& out) {
  if (media.empty()) return;
  size_t most = 0;  // numbers of one frame
  int64_t frames = 0;
  for (const MediaPixels* each : media) {
    most = std::max(most, engine::patch_places(each->tiles[0]).size());
    frames += each->tiles[0].grid.t;
  }
  std::vector<int64_t> values;
  for (const MediaPixels* each : media) {
    std::vector<int64_t> places = engine::patch_places(each->tiles[0]);
    places.resize(most, -1);
    for (int64_t frame = 0; frame < each->tiles[0].grid.t; ++frame)
      values.insert(values.end(), places.begin(), places.end());
  }
  out.push_back({name, int_array({frames, static_cast<int64_t>(most / 2), 2}, std::move(values))});
}

// aspect_ratio_ids [samples, most pictures], aspect_ratio_mask [samples, most pictures, places]; as the processor pads
// them: id 0, and a first place that counts.
void add_canvases(const VisionSpec& vision, const std::vector<PreparedSample>& samples, std::vector<NamedArray>& out) {
  size_t most = 0;
  for (const PreparedSample& sample : samples) most = std::max(most, sample.images.size());
  if (most == 0) return;
  const auto places = static_cast<size_t>(vision.canvas->tiles);
  std::vector<int64_t> ids(samples.size() * most, 0);
  std::vector<int64_t> mask(samples.size() * most * places, 0);
  for (size_t s = 0; s < samples.size(); ++s) {
    for (size_t i = 0; i < most; ++i) {
      const size_t at = s * most + i;
      mask[at * places] = 1;
      if (i >= samples[s].images.size()) continue;
      ids[at] = engine::canvas_id(vision, samples[s].images[i]);
      std::ranges::copy(engine::canvas_mask(vision, samples[s].images[i]),
                        mask.begin() + static_cast<std::ptrdiff_t>(at * places));
    }
  }
  const auto count = static_cast<int64_t>(samples.size());
  const auto pictures = static_cast<int64_t>(most);
  out.push_back({"aspect_ratio_ids", int_array({count, pictures}, std::move(ids))});
  out.push_back({"aspect_ratio_mask", int_array({count, pictures, vision.canvas->tiles}, std::move(mask))});
}

// Seconds between the grid frames of each video, of families whose positions count them (Qwen2.5-VL).
void add_seconds(const Engine::Impl& model, const std::vector<PreparedSample>& samples, std::vector<NamedArray>& out) {
  if (model.spec.text.policy.find("tokens_per_second") == std::string::npos) return;
  std::vector<float> seconds;
  for (const PreparedSample& sample : samples) {
    int next = 0;
    for (const Span& span : sample.prompt.spans) {
      if (span.kind != SpanKind::video || span.media != next) continue;
      seconds.push_back(static_cast<float>(span.step_seconds));
      ++next;
    }
  }
  const auto count = static_cast<int64_t>(seconds.size());
  if (count > 0) out.push_back({"second_per_grid_ts", make_array({count}, std::move(seconds))});
}

// What tells pictures apart, and how they lie, in the order of the arrays of pixels.
void add_geometry(const Engine::Impl& model, const std::vector<PreparedSample>& samples, ProcessorArrays& out) {
  std::vector<const MediaPixels*> images;
  std::vector<const MediaPixels*> videos;
  for (const PreparedSample& sample : samples) {
    for (const MediaPixels& image : sample.images) images.push_back(&image);
    for (const auto& video : sample.videos) videos.push_back(&video.media);
  }
  const ImageProcessorSpec& spec = model.processors.image;
  const auto count = static_cast<int64_t>(images.size());
  if (spec.array == PixelArray::patch_rows) {
    add_grids("image_grid_thw", images, out.media);
    add_grids("video_grid_thw", videos, out.media);
    add_seconds(model, samples, out.media);
  }
  if (spec.array == PixelArray::padded_patches) {
    add_places("image_position_ids", images, out.media);
    add_places("video_position_ids", videos, out.media);
  }
  if (spec.scheme == PreprocessScheme::any_resolution && count > 0) {
    std::vector<int64_t> sizes;
    for (const MediaPixels* image : images) sizes.insert(sizes.end(), {image->source.height, image->source.width});
    out.media.push_back({"image_sizes", int_array({count, 2}, std::move(sizes))});
  }
  if (spec.scheme == PreprocessScheme::tiles && count > 0) {
    std::vector<int64_t> tiles;
    for (const MediaPixels* image : images) tiles.push_back(static_cast<int64_t>(image->tiles.size()));
    out.media.push_back({"num_patches", int_array({count}, std::move(tiles))});
  }
  if (model.spec.vision->canvas) add_canvases(*model.spec.vision, samples, out.media);
}

std::vector<int64_t> dimensions(const Shape& shape) {
  std::vector<int64_t> out;
  for (int axis = 0; axis < shape.rank(); ++axis) out.push_back(shape[axis]);
  return out;
}

Status add_pixels(const Engine::Impl& model, const std::vector<PreparedSample>& samples, ProcessorArrays& out) {
  AZ_ASSIGN_OR_RETURN(engine::PixelArrays arrays, engine::pixel_arrays(model, samples));
  for (engine::PixelArrays::Entry& entry : arrays.entries) {
    std::vector<int64_t> shape = dimensions(entry.values.shape());
    out.media.push_back({entry.name, engine::array_of(std::move(entry.values))});
    if (entry.mask.empty()) continue;
    shape.erase(shape.begin() + 2);
    out.media.push_back({"pixel_attention_mask", make_array(std::move(shape), std::move(entry.mask))});
  }
  return ok_status();
}

void add_tokens(const Engine::Impl& model, const std::vector<PreparedSample>& samples, ProcessorArrays& out) {
  NamedRows ids{"input_ids", {}};
  NamedRows kinds{"mm_token_type_ids", {}};
  NamedRows regions{"token_type_ids", {}};
  for (const PreparedSample& sample : samples) {
    out.prompts.push_back(sample.rendered);
    ids.rows.push_back(sample.prompt.ids);
    kinds.rows.push_back(engine::token_types(sample.prompt));
    regions.rows.push_back(engine::region_types(model.spec.prompt, sample.prompt));
  }
  out.tokens.push_back(std::move(ids));
  if (model.spec.vision) out.tokens.push_back(std::move(kinds));
  if (model.spec.prompt.closed_regions != ClosedRegions::none) out.tokens.push_back(std::move(regions));
}

// ---- features

// What stands beside the features of a medium, so that they can take its place in another request.
MediaGeometry geometry_of(const Engine::Impl& model, const MediaPixels& media) {
  MediaGeometry geometry;
  const bool canvas = model.spec.vision->canvas.has_value();
  if (media.tiles.size() == 1 && !canvas) geometry.grid = media.tiles[0].grid;
  geometry.image_size = {media.source.height, media.source.width};
  geometry.tile_rows = media.tile_rows;
  geometry.tile_columns = media.tile_columns;
  return geometry;
}

VideoInfo info_of(const preprocess::VideoPixels& video) {
  VideoInfo info;
  info.fps = video.metadata.fps;
  info.total_num_frames = video.metadata.total_num_frames;
  info.frames_indices = video.metadata.frames_indices;
  info.duration = video.metadata.duration;
  info.seconds_per_grid = video.seconds_per_grid;
  return info;
}

// A view of features that several hold.
FloatArray shared_array(const engine::SharedMediaFeatures& owner, const Tensor& tensor) {
  return {dimensions(tensor.shape()), std::shared_ptr<const float>(owner, tensor.data())};
}

EncodedMedium encoded(const Engine::Impl& model, const MediaPixels& media, SpanKind kind,
                      const engine::SharedMediaFeatures& features) {
  EncodedMedium out;
  out.kind = kind;
  out.patches = media.tiles[0].grid;
  out.grid = features->grid;
  out.features = shared_array(features, features->features);
  for (const Tensor& level : features->deepstack) out.deepstack.push_back(shared_array(features, level));
  out.arrays = features->arrays;
  out.input = {kind, out.features, out.deepstack, geometry_of(model, media)};
  return out;
}

// Keeps what the tower shows of its last layer, by medium.
class LastStates {
 public:
  explicit LastStates(size_t media) : rows_(media), widths_(media, 0) {}

  void see(const TapPoint& point, const TensorView& tensor) {
    if (point.stage != Stage::tower_output || point.media < 0) return;
    const auto medium = static_cast<size_t>(point.media);
    widths_[medium] = tensor.shape[1];
    const float* first = tensor.as<float>();
    rows_[medium].insert(rows_[medium].end(), first, first + tensor.shape.elements());
  }

  FloatArray take(size_t medium) {
    if (widths_[medium] == 0) return {};
    const auto rows = static_cast<int64_t>(rows_[medium].size()) / widths_[medium];
    return make_array({rows, widths_[medium]}, std::move(rows_[medium]));
  }

 private:
  std::vector<std::vector<float>> rows_;
  std::vector<int64_t> widths_;
};

// All media through the tower, which shows its last states.
Result<std::vector<engine::SharedMediaFeatures>> encode_shown(const Engine::Impl& model, const PreparedSample& sample,
                                                              RunContext context, LastStates& states) {
  const Tap tap = [&states, of_hooks = context.tap](const TapPoint& point, const TensorView& tensor) {
    states.see(point, tensor);
    if (of_hooks != nullptr) (*of_hooks)(point, tensor);
  };
  context.tap = &tap;
  std::vector<engine::MediaToEncode> media;
  for (const MediaPixels& image : sample.images) media.push_back({&image, false});
  for (const auto& video : sample.videos) media.push_back({&video.media, true});
  AZ_ASSIGN_OR_RETURN(std::vector<MediaFeatures> features, engine::encode_media(model, media, context));
  std::vector<engine::SharedMediaFeatures> shared;
  for (MediaFeatures& each : features) shared.push_back(std::make_shared<const MediaFeatures>(std::move(each)));
  return shared;
}

// All media, of which the engine may know some, unless hooks want to see them or change what comes behind.
Result<std::vector<engine::SharedMediaFeatures>> encode_known(const Engine::Impl& model, const PreparedSample& sample,
                                                              const Hooks& hooks, const RunContext& context) {
  engine::MediaKeys keys;
  engine::KnownFeatures known;
  if (!hooks.changes_states()) {
    keys = engine::media_keys(sample, *model.pool);
    if (!hooks.watches() && model.options.feature_cache_bytes > 0) known.cache = model.features.get();
  }
  AZ_RETURN_IF_ERROR(context.checkpoint(0.0));
  AZ_ASSIGN_OR_RETURN(engine::EncodedMedia media, engine::encode_shared(model, sample, keys, known, context));
  std::vector<engine::SharedMediaFeatures> all = std::move(media.features.images);
  all.insert(all.end(), media.features.videos.begin(), media.features.videos.end());
  return all;
}

}  // namespace

Result<ProcessorArrays> processor_arrays(const Engine& engine, std::span<const Request> samples) {
  const Engine::Impl& model = engine.impl();
  std::vector<PreparedSample> prepared;
  for (size_t i = 0; i < samples.size(); ++i) {
    Result<PreparedSample> sample = engine::prepare_prompt(model, samples[i]);
    if (!sample.ok() && samples.size() > 1) return sample.status().with_context("sample " + std::to_string(i));
    AZ_RETURN_IF_ERROR(sample.status());
    prepared.push_back(std::move(*sample));
  }
  ProcessorArrays out;
  add_tokens(model, prepared, out);
  if (!model.spec.vision) return out;
  AZ_RETURN_IF_ERROR(add_pixels(model, prepared, out));
  add_geometry(model, prepared, out);
  return out;
}

Result<std::vector<EncodedMedium>> encode_media(const Engine& engine, const Request& request,
                                                const EncodeOptions& options) {
  const Engine::Impl& model = engine.impl();
  if (!model.tower) {
    return model.spec.vision
               ? invalid_argument("encode_media expected an engine with weights, found one loaded without")
               : unsupported("this model takes text only and has no tower; take a vision-language model");
  }
  const CancelScope scope(options.cancel);
  AZ_ASSIGN_OR_RETURN(const PreparedSample sample, engine::prepare_media(model, request));
  if (CancelScope::requested()) return cancelled("stopped on request");
  const size_t images = sample.images.size();
  LastStates states(images + sample.videos.size());
  RunContext context{*model.pool, nullptr, options.cancel, options.progress};
  const engine::HookTaps taps(request.hooks);
  taps.attach(context);
  AZ_ASSIGN_OR_RETURN(const std::vector<engine::SharedMediaFeatures> features,
                      options.last_hidden_state ? encode_shown(model, sample, context, states)
                                                : encode_known(model, sample, request.hooks, context));
  std::vector<EncodedMedium> out;
  for (size_t i = 0; i < features.size(); ++i) {
    if (i < images) {
      out.push_back(encoded(model, sample.images[i], SpanKind::image, features[i]));
    } else {
      out.push_back(encoded(model, sample.videos[i - images].media, SpanKind::video, features[i]));
      out.back().input.geometry.video = info_of(sample.videos[i - images]);
    }
    if (options.last_hidden_state) out.back().last_hidden_state = states.take(i);
  }
  return out;
}

}  // namespace azimuth
