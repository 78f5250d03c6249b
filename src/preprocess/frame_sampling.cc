#include "preprocess/frame_sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace azimuth::preprocess {
namespace {

constexpr double kAssumedFps = 24.0;  // of a clip of unknown speed, as Qwen3VLVideoProcessor assumes
constexpr double kSkippedSeconds = 1.0;
constexpr int64_t kMaxSampledFrames = int64_t{1} << 20;

using Indices = std::vector<int64_t>;

Status unknown_speed() {
  return invalid_argument(
      "a video of known speed was expected where frames are sampled by fps, found one whose fps is unknown; give its "
      "fps, "
      "or pass num_frames");
}

Status check_count(int64_t count, int64_t total) {
  if (count >= 1 && count <= std::min(total, kMaxSampledFrames)) return ok_status();
  return out_of_range("1 to " + std::to_string(std::min(total, kMaxSampledFrames)) +
                      " sampled frames were expected of a video of " + std::to_string(total) + " frames, found " +
                      std::to_string(count) + "; change num_frames or fps");
}

// How many frames `fps` asks for, not rounded: Python's total / clip * fps.
double frames_at_rate(const media::VideoMetadata& metadata, double clip_fps, double fps) {
  return static_cast<double>(metadata.total_num_frames) / clip_fps * fps;
}

int64_t truncated(double value) {
  return static_cast<int64_t>(std::clamp(value, -9e18, 9e18));
}

Indices all_frames(int64_t total) {
  Indices indices(static_cast<size_t>(total));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// numpy.linspace(first, last, count), before it is rounded.
std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count), first);
  if (count < 2) return values;
  const double step = (last - first) / static_cast<double>(count - 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) * step + first;
  values.back() = last;
  return values;
}

// torch.arange(first, last, step).int() on a CPU: f32, of which blocks of two vectors of 8 are computed from the first
// of each vector. Values beyond the last frame, which come from rounding, name no frame.
Indices truncated_steps(double first, int64_t total, double step) {
  constexpr size_t kLanes = 8;
  const auto count = static_cast<size_t>(std::ceil((static_cast<double>(total) - first) / step));
  const auto at = [&](size_t i) { return static_cast<float>(first + step * static_cast<double>(i)); };
  const size_t in_blocks = count / (2 * kLanes) * (2 * kLanes);
  Indices indices;
  for (size_t i = 0; i < count; ++i) {
    const size_t lane = i < in_blocks ? i % kLanes : 0;
    const float value = lane == 0 ? at(i) : static_cast<float>(at(i - lane) + static_cast<double>(lane) * step);
    if (value < static_cast<float>(total)) indices.push_back(static_cast<int64_t>(value));
  }
  return indices;
}

// Qwen3VLVideoProcessor
Result<Indices> even_rounded(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  const int64_t total = metadata.total_num_frames;
  int64_t count = std::min(std::max(total, spec.min_frames), spec.max_frames);
  if (spec.num_frames) {
    count = *spec.num_frames;
  } else if (spec.fps) {
    const int64_t wanted = truncated(frames_at_rate(metadata, metadata.fps.value_or(kAssumedFps), *spec.fps));
    count = std::min({std::max(wanted, spec.min_frames), spec.max_frames, total});
  }
  AZ_RETURN_IF_ERROR(check_count(count, kMaxSampledFrames));  // more than there are: some repeat
  Indices indices;
  for (const double value : linspace(0.0, static_cast<double>(total - 1), count)) {
    indices.push_back(static_cast<int64_t>(std::nearbyint(value)));
  }
  return indices;
}

// BaseVideoProcessor (video_utils.py, default_sample_indices_fn)
Result<Indices> even_floor(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  const int64_t total = metadata.total_num_frames;
  int64_t count = total;
  if (spec.num_frames) {
    count = *spec.num_frames;
  } else if (spec.fps) {
    if (!metadata.fps) return unknown_speed();
    count = std::max<int64_t>(1, truncated(frames_at_rate(metadata, *metadata.fps, *spec.fps)));
  }
  AZ_RETURN_IF_ERROR(check_count(count, total));
  Indices indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * total / count);
  return indices;
}

// Qwen2VLVideoProcessor
Result<Indices> whole_patches(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  const int64_t total = metadata.total_num_frames;
  const int64_t patch = spec.frame.temporal_patch_size;
  int64_t count = total;
  if (spec.num_frames) {
    count = static_cast<int64_t>(std::nearbyint(static_cast<double>(*spec.num_frames) / static_cast<double>(patch))) *
            patch;
  } else if (spec.fps) {
    if (!metadata.fps) return unknown_speed();
    const int64_t most = std::min(std::min(spec.max_frames, total) / patch * patch, total);
    const double wanted = frames_at_rate(metadata, *metadata.fps, *spec.fps);
    const double bounded = std::min(std::max(wanted, static_cast<double>(spec.min_frames)), static_cast<double>(most));
    count = truncated(bounded / static_cast<double>(patch)) * patch;
  }
  AZ_RETURN_IF_ERROR(check_count(count, total));
  return truncated_steps(0.0, total, static_cast<double>(total) / static_cast<double>(count));
}

// InternVLVideoProcessor
Result<Indices> middles(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  const int64_t total = metadata.total_num_frames;
  if (!spec.num_frames && !spec.fps) {
    return invalid_argument("num_frames or fps was expected where frames are sampled, found neither; pass one of them");
  }
  if (!spec.num_frames && !metadata.fps) return unknown_speed();
  const int64_t count =
      spec.num_frames ? *spec.num_frames : truncated(frames_at_rate(metadata, *metadata.fps, *spec.fps));
  AZ_RETURN_IF_ERROR(check_count(count, total));
  const double step = static_cast<double>(total) / static_cast<double>(count);
  const double first = spec.initial_shift.value_or(step / 2.0);
  if (first < static_cast<double>(total)) return truncated_steps(first, total, step);
  return out_of_range("an initial_shift below the video's " + std::to_string(total) + " frames was expected, found " +
                      std::to_string(first));
}

// SmolVLMVideoProcessor
Result<Indices> without_ends(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  if (!metadata.fps) return unknown_speed();
  if (!spec.num_frames || !spec.fps) {
    return invalid_argument(
        "num_frames and fps were expected where frames are sampled, found only one of them; pass both, or name them in "
        "video_sampling");
  }
  const int64_t total = metadata.total_num_frames;
  const double clip_fps = *metadata.fps;
  const double duration = metadata.duration.value_or(static_cast<double>(total) / clip_fps);
  const int64_t estimated = truncated(std::nearbyint(*spec.fps * duration));
  const int64_t count = std::max<int64_t>(1, std::min(estimated, *spec.num_frames));
  AZ_RETURN_IF_ERROR(check_count(count, kMaxSampledFrames));
  int64_t first = 0;
  int64_t last = total - 1;
  if (duration - 2 * kSkippedSeconds > static_cast<double>(*spec.num_frames) * *spec.fps) {
    first = truncated(kSkippedSeconds * clip_fps);
    last = std::min(truncated(static_cast<double>(total) - kSkippedSeconds * clip_fps), total - 1);
    if (first >= last) {
      first = 0;
      last = total - 1;
    }
  }
  Indices indices;
  for (const double value : linspace(static_cast<double>(first), static_cast<double>(last), count)) {
    indices.push_back(static_cast<int64_t>(std::floor(value)));
  }
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

}  // namespace

Result<std::vector<int64_t>> sample_frames(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec) {
  if (metadata.total_num_frames < 1) {
    return invalid_argument("a video of at least one frame was expected, found " +
                            std::to_string(metadata.total_num_frames));
  }
  switch (spec.sampling) {
    case FrameSampling::even_rounded: return even_rounded(metadata, spec);
    case FrameSampling::even_floor: return even_floor(metadata, spec);
    case FrameSampling::whole_patches: return whole_patches(metadata, spec);
    case FrameSampling::middles: return middles(metadata, spec);
    case FrameSampling::without_ends: return without_ends(metadata, spec);
  }
  return internal_error("no such frame sampling");
}

Result<std::vector<int64_t>> choose_frames(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec,
                                           bool file) {
  if (spec.do_sample_frames || (file && spec.samples_files)) return sample_frames(metadata, spec);
  return all_frames(metadata.total_num_frames);
}

}  // namespace azimuth::preprocess
