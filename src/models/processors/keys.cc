#include "models/processors/keys.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace azimuth::models {
namespace {

constexpr double kMaxFps = 1e6;
constexpr double kSmallestFactor = 1e-12;
constexpr double kLargestFactor = 1e12;

constexpr std::array<std::string_view, 7> kImageKeys = {"do_resize",  "do_rescale", "do_normalize", "rescale_factor",
                                                        "image_mean", "image_std",  "resample"};
constexpr std::array<std::string_view, 3> kVideoKeys = {"do_sample_frames", "fps", "num_frames"};

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

// A "size" of shortest_edge and longest_edge replaces both; min_pixels and max_pixels override it.
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

}  // namespace

bool is_null(const JsonView& json, std::string_view key) {
  const auto found = json.value().find(key);
  return found != json.value().end() && found->is_null();
}

Status read_flag(const JsonView& json, std::string_view key, bool& flag) {
  if (is_null(json, key)) flag = false;
  AZ_ASSIGN_OR_RETURN(flag, json.boolean_or(key, flag));
  return ok_status();
}

Status read_count(const JsonView& json, std::string_view key, int64_t max, int64_t& count) {
  AZ_ASSIGN_OR_RETURN(count, json.integer_or(key, count, 1, max));
  return ok_status();
}

Status read_shared_image_keys(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_resize", spec.do_resize));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_rescale", spec.do_rescale));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_normalize", spec.do_normalize));
  AZ_ASSIGN_OR_RETURN(spec.rescale_factor,
                      json.number_or("rescale_factor", spec.rescale_factor, kSmallestFactor, kLargestFactor));
  AZ_RETURN_IF_ERROR(read_channels(json, "image_mean", spec.mean));
  AZ_RETURN_IF_ERROR(read_std(json, spec.std));
  return read_resample(json, spec.resample);
}

bool is_shared_image_key(std::string_view key) {
  return std::ranges::find(kImageKeys, key) != kImageKeys.end();
}

Status read_area_keys(const JsonView& json, bool knows_min_max, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_count(json, "patch_size", kMaxPatch, spec.patch_size));
  AZ_RETURN_IF_ERROR(read_count(json, "merge_size", kMaxMerge, spec.merge_size));
  AZ_RETURN_IF_ERROR(read_count(json, "temporal_patch_size", kMaxTemporal, spec.temporal_patch_size));
  return read_bounds(json, knows_min_max, spec);
}

Status read_shared_video_keys(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_sample_frames", spec.do_sample_frames));
  AZ_RETURN_IF_ERROR(read_fps(json, spec.fps));
  return read_num_frames(json, spec.num_frames);
}

bool is_shared_video_key(std::string_view key) {
  return std::ranges::find(kVideoKeys, key) != kVideoKeys.end();
}

}  // namespace azimuth::models
