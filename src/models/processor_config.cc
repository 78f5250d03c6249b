#include "models/processor_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxPatch = 1024;
constexpr int64_t kMaxMerge = 64;
constexpr int64_t kMaxTemporal = 64;
constexpr int64_t kMaxPixelCount = int64_t{1} << 40;
constexpr int64_t kMaxFrames = int64_t{1} << 20;
constexpr int64_t kMaxTokens = int64_t{1} << 30;
constexpr double kMaxFps = 1e6;
constexpr double kSmallestFactor = 1e-12;
constexpr double kLargestFactor = 1e12;

constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

// ---------------------------------------------------------------------------------------------------------------------
// Class defaults of transformers 5.23.0

ImageProcessorSpec qwen2_vl_image() {
  ImageProcessorSpec spec;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  return spec;
}

ImageProcessorSpec qwen2_vl_image_pil() {
  ImageProcessorSpec spec = qwen2_vl_image();
  spec.arithmetic = PixelArithmetic::pillow;
  return spec;
}

VideoProcessorSpec qwen2_vl_video() {
  VideoProcessorSpec spec;
  spec.frame = qwen2_vl_image();
  spec.frame.min_pixels = 128 * 28 * 28;
  spec.frame.max_pixels = 28 * 28 * 768;
  spec.budget = VideoBudget::per_frame;
  spec.sampling = FrameSampling::none;
  spec.do_sample_frames = false;
  spec.fps.reset();
  spec.max_video_tokens = 128000;
  return spec;
}

VideoProcessorSpec qwen3_vl_video() {
  VideoProcessorSpec spec;
  spec.frame.mean = kHalf;
  spec.frame.std = kHalf;
  spec.frame.patch_size = 16;
  spec.frame.min_pixels = 128 * 32 * 32;
  spec.frame.max_pixels = 32 * 32 * 768;
  return spec;
}

struct ImageClass {
  std::string_view name;
  ImageProcessorSpec (*defaults)();
};
struct VideoClass {
  std::string_view name;
  VideoProcessorSpec (*defaults)();
};

constexpr std::array kImageClasses = {
    ImageClass{"Qwen2VLImageProcessor", qwen2_vl_image},
    ImageClass{"Qwen2VLImageProcessorFast", qwen2_vl_image},
    ImageClass{"Qwen2VLImageProcessorPil", qwen2_vl_image_pil},
};
constexpr std::array kVideoClasses = {
    VideoClass{"Qwen2VLVideoProcessor", qwen2_vl_video},
    VideoClass{"Qwen3VLVideoProcessor", qwen3_vl_video},
};

struct ModelClasses {
  std::string_view model_type;
  std::string_view image;
  std::string_view video;
};

constexpr std::array kModelClasses = {
    ModelClasses{"qwen2_vl", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"},
    ModelClasses{"qwen2_5_vl", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"},
    ModelClasses{"qwen3_vl", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
    ModelClasses{"qwen3_vl_moe", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
    ModelClasses{"qwen3_5", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
    ModelClasses{"qwen3_5_moe", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
};

template <typename Classes>
auto find_class(const Classes& classes, std::string_view name) {
  const auto found = std::ranges::find(classes, name, [](const auto& known) { return known.name; });
  return found == classes.end() ? nullptr : &*found;
}

template <typename Classes>
Status unknown_class(const Classes& classes, std::string_view key, std::string_view name) {
  std::string known;
  for (const auto& entry : classes) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  return unsupported(std::string(key) + " expected one of " + known + ", found \"" + std::string(name.substr(0, 64)) +
                     "\"; this build cannot preprocess for it");
}

Result<ModelClasses> classes_of(std::string_view model_type) {
  const auto found = std::ranges::find(kModelClasses, model_type, &ModelClasses::model_type);
  if (found != kModelClasses.end()) return *found;
  return unsupported("no processor classes are known for model_type \"" + std::string(model_type.substr(0, 64)) +
                     "\"; name them in processor_config.json");
}

// ---------------------------------------------------------------------------------------------------------------------
// Keys, alike in files and in calls. An absent key changes nothing; nor does null, except for flags.

bool is_null(const JsonView& json, std::string_view key) {
  const auto found = json.value().find(key);
  return found != json.value().end() && found->is_null();
}

// null is Python's None, which counts as false.
Status read_flag(const JsonView& json, std::string_view key, bool& flag) {
  if (is_null(json, key)) flag = false;
  AZ_ASSIGN_OR_RETURN(flag, json.boolean_or(key, flag));
  return ok_status();
}

Status read_count(const JsonView& json, std::string_view key, int64_t max, int64_t& count) {
  AZ_ASSIGN_OR_RETURN(count, json.integer_or(key, count, 1, max));
  return ok_status();
}

// One number for all channels, or a list of one or of three.
Status read_channels(const JsonView& json, std::string_view key, std::array<double, 3>& channels) {
  constexpr double kLimit = 1e6;
  if (!json.has(key)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView value, json.at(key));
  if (value.value().is_number()) {
    AZ_ASSIGN_OR_RETURN(const double number, value.as_number(-kLimit, kLimit));
    channels.fill(number);
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<double> numbers, json.numbers(key, -kLimit, kLimit));
  if (numbers.size() != 1 && numbers.size() != 3) return value.expected("a number or a list of 1 or 3 numbers");
  for (size_t c = 0; c < 3; ++c) channels[c] = numbers[numbers.size() == 1 ? 0 : c];
  return ok_status();
}

Status read_std(const JsonView& json, std::array<double, 3>& std) {
  AZ_RETURN_IF_ERROR(read_channels(json, "image_std", std));
  // f32 is what pixels are divided in.
  const bool divides = std::ranges::none_of(std, [](double s) { return static_cast<float>(s) == 0.0f; });
  if (divides) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView value, json.at("image_std"));
  return value.expected("numbers other than 0");
}

// Pillow's numbers of filters.
Status read_resample(const JsonView& json, ResampleFilter& filter) {
  if (!json.has("resample")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView value, json.at("resample"));
  AZ_ASSIGN_OR_RETURN(const int64_t code, json.integer("resample", 0, 5));
  if (code == 1) {
    filter = ResampleFilter::lanczos;
  } else if (code == 2) {
    filter = ResampleFilter::bilinear;
  } else if (code == 3) {
    filter = ResampleFilter::bicubic;
  } else {
    return value.expected("1 (lanczos), 2 (bilinear) or 3 (bicubic)");
  }
  return ok_status();
}

// Area bounds: a "size" of shortest_edge and longest_edge replaces both; min_pixels and max_pixels override it.
Status read_bounds(const JsonView& json, bool knows_min_max, ImageProcessorSpec& spec) {
  bool has_min = false;
  bool has_max = false;
  if (knows_min_max) {
    has_min = json.has("min_pixels");
    has_max = json.has("max_pixels");
    AZ_RETURN_IF_ERROR(read_count(json, "min_pixels", kMaxPixelCount, spec.min_pixels));
    AZ_RETURN_IF_ERROR(read_count(json, "max_pixels", kMaxPixelCount, spec.max_pixels));
  }
  if (!json.has("size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object("size"));
  if ((!has_min && !size.has("shortest_edge")) || (!has_max && !size.has("longest_edge"))) {
    return size.expected("an object with shortest_edge and longest_edge (areas in pixels)");
  }
  if (!has_min) AZ_RETURN_IF_ERROR(read_count(size, "shortest_edge", kMaxPixelCount, spec.min_pixels));
  if (!has_max) AZ_RETURN_IF_ERROR(read_count(size, "longest_edge", kMaxPixelCount, spec.max_pixels));
  return ok_status();
}

Status read_image_keys(const JsonView& json, bool knows_min_max, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_resize", spec.do_resize));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_rescale", spec.do_rescale));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_normalize", spec.do_normalize));
  AZ_ASSIGN_OR_RETURN(spec.rescale_factor,
                      json.number_or("rescale_factor", spec.rescale_factor, kSmallestFactor, kLargestFactor));
  AZ_RETURN_IF_ERROR(read_channels(json, "image_mean", spec.mean));
  AZ_RETURN_IF_ERROR(read_std(json, spec.std));
  AZ_RETURN_IF_ERROR(read_resample(json, spec.resample));
  AZ_RETURN_IF_ERROR(read_count(json, "patch_size", kMaxPatch, spec.patch_size));
  AZ_RETURN_IF_ERROR(read_count(json, "merge_size", kMaxMerge, spec.merge_size));
  AZ_RETURN_IF_ERROR(read_count(json, "temporal_patch_size", kMaxTemporal, spec.temporal_patch_size));
  return read_bounds(json, knows_min_max, spec);
}

Status read_fps(const JsonView& json, std::optional<double>& fps) {
  if (!json.has("fps")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const double value, json.number("fps", 1e-6, kMaxFps));
  fps = value;
  return ok_status();
}

Status read_num_frames(const JsonView& json, std::optional<int64_t>& num_frames) {
  if (!json.has("num_frames")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const int64_t value, json.integer("num_frames", 1, kMaxFrames));
  num_frames = value;
  return ok_status();
}

bool knows_min_max(const VideoProcessorSpec& spec) {
  return spec.budget == VideoBudget::per_frame;
}

Status read_video_keys(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_image_keys(json, knows_min_max(spec), spec.frame));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_sample_frames", spec.do_sample_frames));
  AZ_RETURN_IF_ERROR(read_flag(json, "cap_pixels_per_frame", spec.cap_pixels_per_frame));
  AZ_RETURN_IF_ERROR(read_fps(json, spec.fps));
  return read_num_frames(json, spec.num_frames);
}

Status read_frame_limits(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_count(json, "min_frames", kMaxFrames, spec.min_frames));
  AZ_RETURN_IF_ERROR(read_count(json, "max_frames", kMaxFrames, spec.max_frames));
  return read_count(json, "max_video_tokens", kMaxTokens, spec.max_video_tokens);
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

struct NamedJson {
  nlohmann::json json = nlohmann::json::object();
  std::string name;
};

// The nested section of processor_config.json, or else the first of the older files that exists.
Result<NamedJson> find_section(
    const ProcessorFiles& files, std::string_view section,
    std::initializer_list<std::pair<const std::optional<std::string>*, std::string_view>> older) {
  if (files.processor_config) {
    AZ_ASSIGN_OR_RETURN(nlohmann::json json, parse_json(*files.processor_config, "processor_config.json"));
    AZ_RETURN_IF_ERROR(JsonView(json, "processor_config.json").check_object());
    if (const auto found = json.find(section); found != json.end()) {
      return NamedJson{std::move(*found), "processor_config.json: " + std::string(section)};
    }
  }
  for (const auto& [text, name] : older) {
    if (!*text) continue;
    AZ_ASSIGN_OR_RETURN(nlohmann::json json, parse_json(**text, name));
    return NamedJson{std::move(json), std::string(name)};
  }
  return NamedJson{nlohmann::json::object(), std::string(section)};
}

Result<NamedJson> image_section(const ProcessorFiles& files) {
  return find_section(files, "image_processor", {{&files.preprocessor_config, "preprocessor_config.json"}});
}

Result<NamedJson> video_section(const ProcessorFiles& files) {
  return find_section(files, "video_processor",
                      {{&files.video_preprocessor_config, "video_preprocessor_config.json"},
                       {&files.preprocessor_config, "preprocessor_config.json"}});
}

Result<ImageProcessorSpec> read_image_section(const JsonView& json, std::string_view model_type) {
  AZ_RETURN_IF_ERROR(json.check_object());
  std::string name;
  if (json.has("image_processor_type")) {
    AZ_ASSIGN_OR_RETURN(name, json.string("image_processor_type"));
  } else {
    AZ_ASSIGN_OR_RETURN(const ModelClasses classes, classes_of(model_type));
    name = classes.image;
  }
  const ImageClass* image_class = find_class(kImageClasses, name);
  if (!image_class) return unknown_class(kImageClasses, json.where() + ".image_processor_type", name);
  ImageProcessorSpec spec = image_class->defaults();
  AZ_RETURN_IF_ERROR(read_image_keys(json, true, spec));
  return spec;
}

// The class named by the file; else the counterpart of its image class, if there is one; else the model's.
Result<const VideoClass*> find_video_class(const JsonView& json, std::string_view model_type) {
  if (json.has("video_processor_type")) {
    AZ_ASSIGN_OR_RETURN(const std::string name, json.string("video_processor_type"));
    if (const VideoClass* found = find_class(kVideoClasses, name)) return found;
    return unknown_class(kVideoClasses, json.where() + ".video_processor_type", name);
  }
  AZ_ASSIGN_OR_RETURN(std::string image_name, json.string_or("image_processor_type", ""));
  if (const size_t at = image_name.find("ImageProcessor"); at != std::string::npos) {
    image_name.replace(at, std::string_view("Image").size(), "Video");
    if (const VideoClass* found = find_class(kVideoClasses, image_name)) return found;
  }
  AZ_ASSIGN_OR_RETURN(const ModelClasses classes, classes_of(model_type));
  return find_class(kVideoClasses, classes.video);
}

Result<VideoProcessorSpec> read_video_section(const JsonView& json, std::string_view model_type) {
  AZ_RETURN_IF_ERROR(json.check_object());
  AZ_ASSIGN_OR_RETURN(const VideoClass* video_class, find_video_class(json, model_type));
  VideoProcessorSpec spec = video_class->defaults();
  AZ_RETURN_IF_ERROR(read_video_keys(json, spec));
  AZ_RETURN_IF_ERROR(read_frame_limits(json, spec));
  if (is_null(json, "fps")) spec.fps.reset();  // keep frames by min_frames and max_frames alone
  return spec;
}

// ---------------------------------------------------------------------------------------------------------------------
// Calls

constexpr std::array<std::string_view, 13> kImageKeys = {
    "do_resize",  "do_rescale", "do_normalize", "rescale_factor",      "image_mean", "image_std", "resample",
    "patch_size", "merge_size", "size",         "temporal_patch_size", "min_pixels", "max_pixels"};
constexpr std::array<std::string_view, 7> kVideoKeys = {
    "do_sample_frames", "cap_pixels_per_frame", "fps", "num_frames", "min_frames", "max_frames", "max_video_tokens"};
// Known to transformers' processors and without influence on what is computed here.
constexpr std::array<std::string_view, 17> kInertKeys = {"do_convert_rgb",
                                                         "return_tensors",
                                                         "return_metadata",
                                                         "video_metadata",
                                                         "data_format",
                                                         "input_data_format",
                                                         "device",
                                                         "padding",
                                                         "padding_side",
                                                         "truncation",
                                                         "add_special_tokens",
                                                         "disable_grouping",
                                                         "text_kwargs",
                                                         "audio_kwargs",
                                                         "default_to_square",
                                                         "common_kwargs",
                                                         "return_mm_token_type_ids"};

bool contains(const auto& keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

// What an object of keyword arguments sets in one modality.
Status apply_to_image(const JsonView& kwargs, ImageProcessorSpec& spec) {
  return read_image_keys(kwargs, true, spec);
}

Status apply_to_video(const JsonView& kwargs, VideoProcessorSpec& spec) {
  if (kwargs.has("fps") && kwargs.has("num_frames")) return kwargs.expected("at most one of fps and num_frames");
  if (kwargs.has("fps")) spec.num_frames.reset();
  VideoProcessorSpec limits = spec;
  AZ_RETURN_IF_ERROR(read_frame_limits(kwargs, limits));  // checked only: a call cannot change them
  return read_video_keys(kwargs, spec);
}

bool image_knows(std::string_view key) {
  return contains(kImageKeys, key) || contains(kInertKeys, key);
}

bool video_knows(const VideoProcessorSpec& spec, std::string_view key) {
  if (key == "min_pixels" || key == "max_pixels") return knows_min_max(spec);
  return contains(kImageKeys, key) || contains(kVideoKeys, key) || contains(kInertKeys, key);
}

// Appends the keys of `kwargs` that `knows` does not know.
template <typename Knows>
void add_unknown(const JsonView& kwargs, std::string_view prefix, Knows knows, std::vector<std::string>& unknown) {
  for (const std::string& key : kwargs.keys()) {
    if (!knows(key)) unknown.push_back(std::string(prefix) + key);
  }
}

Status refuse_twice(const JsonView& flat, const JsonView& nested) {
  for (const std::string& key : nested.keys()) {
    if (flat.value().contains(key)) return nested.expected("no key that is also given outside of it (" + key + ")");
  }
  return ok_status();
}

}  // namespace

Result<ProcessorSpecs> read_processor_specs(const ProcessorFiles& files, std::string_view model_type) {
  ProcessorSpecs specs;
  AZ_ASSIGN_OR_RETURN(const NamedJson image, image_section(files));
  AZ_ASSIGN_OR_RETURN(specs.image, read_image_section(JsonView(image.json, image.name), model_type));
  AZ_ASSIGN_OR_RETURN(const NamedJson video, video_section(files));
  AZ_ASSIGN_OR_RETURN(specs.video, read_video_section(JsonView(video.json, video.name), model_type));
  return specs;
}

Result<std::vector<std::string>> apply_processor_kwargs(ProcessorSpecs& specs, const nlohmann::json& kwargs) {
  std::vector<std::string> unknown;
  if (kwargs.is_null()) return unknown;
  const JsonView flat(kwargs, "processor_kwargs");
  AZ_RETURN_IF_ERROR(flat.check_object());
  ProcessorSpecs changed = specs;
  AZ_RETURN_IF_ERROR(apply_to_image(flat, changed.image));
  AZ_RETURN_IF_ERROR(apply_to_video(flat, changed.video));
  const bool asks_for_frames = flat.has("fps") || flat.has("num_frames");
  if (asks_for_frames && !flat.has("do_sample_frames")) changed.video.do_sample_frames = true;

  const auto flat_knows = [&](std::string_view key) {
    return image_knows(key) || video_knows(specs.video, key) || key == "images_kwargs" || key == "videos_kwargs";
  };
  add_unknown(flat, "", flat_knows, unknown);
  if (flat.has("images_kwargs")) {
    AZ_ASSIGN_OR_RETURN(const JsonView nested, flat.object("images_kwargs"));
    AZ_RETURN_IF_ERROR(refuse_twice(flat, nested));
    AZ_RETURN_IF_ERROR(apply_to_image(nested, changed.image));
    add_unknown(nested, "images_kwargs.", image_knows, unknown);
  }
  if (flat.has("videos_kwargs")) {
    AZ_ASSIGN_OR_RETURN(const JsonView nested, flat.object("videos_kwargs"));
    AZ_RETURN_IF_ERROR(refuse_twice(flat, nested));
    AZ_RETURN_IF_ERROR(apply_to_video(nested, changed.video));
    const auto knows = [&](std::string_view key) { return video_knows(specs.video, key); };
    add_unknown(nested, "videos_kwargs.", knows, unknown);
  }
  specs = changed;
  return unknown;
}

}  // namespace azimuth::models
