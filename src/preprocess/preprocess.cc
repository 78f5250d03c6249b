#include "preprocess/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "media/resize.h"
#include "preprocess/frame_sampling.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

PixelSize size_of(const media::Image& image) {
  return {image.width, image.height};
}

int64_t cell_of(const ImageProcessorSpec& spec) {
  return spec.patch_size * spec.merge_size;
}

// The area bound of a whole video when each frame is capped as well.
int64_t capped_max_pixels(int64_t frames, const VideoProcessorSpec& spec) {
  const int64_t frame_cap = spec.max_video_tokens * cell_of(spec.frame) * cell_of(spec.frame);
  const auto floor = static_cast<int64_t>(static_cast<double>(spec.frame.min_pixels) * 1.05);
  return std::max(std::min(frame_cap, spec.frame.max_pixels / frames), floor) * frames;
}

// The area bound of each frame where all frames share 90% of a context of max_video_tokens. Source: transformers,
// video_processing_qwen2_vl.py, resize().
int64_t shared_max_pixels(int64_t frames, const VideoProcessorSpec& spec) {
  const auto tokens = static_cast<double>(spec.max_video_tokens * cell_of(spec.frame) * cell_of(spec.frame));
  const int64_t share = static_cast<int64_t>(tokens * 0.9) * spec.frame.temporal_patch_size / frames;
  const auto floor = static_cast<int64_t>(static_cast<double>(spec.frame.min_pixels) * 1.05);
  return std::max(std::min(spec.frame.max_pixels, share), floor);
}

Status check_video(const media::VideoFrames& video) {
  if (video.frames.empty()) return invalid_argument("a video of at least one frame was expected, found none");
  const auto& fps = video.metadata.fps;
  if (fps && !(std::isfinite(*fps) && *fps > 0)) {
    return invalid_argument("a video's fps was expected to be above 0, found " + std::to_string(*fps));
  }
  return ok_status();
}

// Positions in video.frames of the frames to keep.
Result<std::vector<int64_t>> kept_frames(const media::VideoFrames& video, const VideoProcessorSpec& spec) {
  const auto at_hand = static_cast<int64_t>(video.frames.size());
  if (video.sampled || !spec.do_sample_frames) {
    std::vector<int64_t> all(at_hand);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  if (video.metadata.total_num_frames != at_hand) {
    return invalid_argument("a video's total_num_frames was expected to equal its " + std::to_string(at_hand) +
                            " frames where frames are to be sampled, found " +
                            std::to_string(video.metadata.total_num_frames) + "; pass do_sample_frames=false");
  }
  return sample_frames(video.metadata, spec);
}

// The frames at `indices` at one size. Frames that repeat are resized once; frames that keep their size are not copied.
struct ResizedFrames {
  std::vector<media::Image> storage;
  std::vector<const media::Image*> frames;
};

Result<ResizedFrames> resize_frames(const media::VideoFrames& video, const std::vector<int64_t>& indices,
                                    PixelSize size, const ImageProcessorSpec& spec, ThreadPool& pool) {
  ResizedFrames resized;
  resized.storage.reserve(indices.size());  // pointers to elements stay valid
  for (size_t i = 0; i < indices.size(); ++i) {
    const media::Image& frame = video.frames[indices[i]];
    if (i > 0 && indices[i] == indices[i - 1]) {
      resized.frames.push_back(resized.frames.back());
    } else if (size_of(frame) == size) {
      resized.frames.push_back(&frame);
    } else {
      AZ_ASSIGN_OR_RETURN(media::Image image,
                          media::resize(frame, size.width, size.height, spec.resample, spec.arithmetic, pool));
      resized.storage.push_back(std::move(image));
      resized.frames.push_back(&resized.storage.back());
    }
  }
  return resized;
}

Status check_same_size(const media::VideoFrames& video) {
  const PixelSize size = size_of(video.frames.front());
  for (const media::Image& frame : video.frames) {
    if (size_of(frame) == size) continue;
    return invalid_argument("video frames of one size were expected, found " + std::to_string(size.width) + " x " +
                            std::to_string(size.height) + " and " + std::to_string(frame.width) + " x " +
                            std::to_string(frame.height) + "; give all frames the same size");
  }
  return ok_status();
}

media::VideoMetadata metadata_of_kept(const media::VideoFrames& video, const VideoProcessorSpec& spec,
                                      const std::vector<int64_t>& kept) {
  media::VideoMetadata metadata = video.metadata;
  if (video.sampled || !spec.do_sample_frames) {
    if (metadata.frames_indices.empty()) metadata.frames_indices = kept;
  } else {
    metadata.frames_indices = kept;
  }
  return metadata;
}

Result<DividedPicture> divide(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  switch (spec.scheme) {
    case PreprocessScheme::smart_resize: return divide_smart_resize(image, spec, pool);
    case PreprocessScheme::fixed: return divide_fixed(image, spec, pool);
    case PreprocessScheme::any_resolution: return divide_any_resolution(image, spec, pool);
    case PreprocessScheme::canvas: return divide_canvas(image, spec, pool);
    case PreprocessScheme::token_budget: return divide_token_budget(image, spec, pool);
    case PreprocessScheme::pan_and_scan: return divide_pan_and_scan(image, spec, pool);
    case PreprocessScheme::tiles: return divide_tiles(image, spec, pool);
    case PreprocessScheme::split: return divide_split(image, spec, pool);
    case PreprocessScheme::quarters: return divide_quarters(image, spec, pool);
  }
  return internal_error("no such preprocessing scheme");
}

// One tile, normalised; cut into patches where the processor does that.
Result<Patches> finish(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec, bool video,
                       ThreadPool& pool) {
  if (spec.tower_patches) return normalize(frames, spec, video, pool);
  return spec.array == PixelArray::padded_patches ? raster_patches(frames, spec, pool) : patchify(frames, spec, pool);
}

// Frames that go through a picture's scheme one by one, as one tile each.
Result<Patches> frames_one_by_one(const media::VideoFrames& video, const std::vector<int64_t>& kept,
                                  const ImageProcessorSpec& spec, ThreadPool& pool) {
  std::vector<media::Image> storage;
  storage.reserve(kept.size());  // pointers to elements stay valid
  std::vector<const media::Image*> frames;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i > 0 && kept[i] == kept[i - 1]) {
      frames.push_back(frames.back());
      continue;
    }
    AZ_ASSIGN_OR_RETURN(DividedPicture picture, divide(video.frames[static_cast<size_t>(kept[i])], spec, pool));
    storage.push_back(std::move(picture.tiles[0]));
    frames.push_back(&storage.back());
    AZ_RETURN_IF_ERROR(check_resized_pixels(static_cast<int64_t>(kept.size()), size_of(storage.back())));
  }
  return finish(frames, spec, true, pool);
}

Result<Patches> frames_of_one_size(const media::VideoFrames& video, const std::vector<int64_t>& kept,
                                   const VideoProcessorSpec& spec, ThreadPool& pool) {
  const auto count = static_cast<int64_t>(kept.size());
  PixelSize size = size_of(video.frames.front());
  if (!video.resized) {
    AZ_ASSIGN_OR_RETURN(size, frame_size(count, size, spec));
  }
  AZ_RETURN_IF_ERROR(check_resized_pixels(count, size));
  AZ_ASSIGN_OR_RETURN(const ResizedFrames resized, resize_frames(video, kept, size, spec.frame, pool));
  return finish(resized.frames, spec.frame, true, pool);
}

}  // namespace

Status check_resized_pixels(int64_t frames, PixelSize size) {
  const double pixels =
      static_cast<double>(frames) * static_cast<double>(size.width) * static_cast<double>(size.height);
  if (pixels <= static_cast<double>(kMaxResizedPixels)) return ok_status();
  return resource_exhausted("at most " + std::to_string(kMaxResizedPixels) +
                            " pixels after resizing were expected, found " + std::to_string(frames) + " frames of " +
                            std::to_string(size.width) + " x " + std::to_string(size.height) +
                            "; lower max_pixels or take fewer frames");
}

Result<media::Image> resized(const media::Image& image, PixelSize size, const ImageProcessorSpec& spec,
                             ThreadPool& pool) {
  if (size == size_of(image)) return image;
  return media::resize(image, size.width, size.height, spec.resample, spec.arithmetic, pool);
}

Result<MediaPixels> preprocess_image(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  AZ_ASSIGN_OR_RETURN(const DividedPicture picture, divide(image, spec, pool));
  MediaPixels pixels;
  pixels.source = size_of(image);
  pixels.tile_rows = picture.tile_rows;
  pixels.tile_columns = picture.tile_columns;
  pixels.global_tile = picture.global_tile;
  for (const media::Image& tile : picture.tiles) {
    AZ_ASSIGN_OR_RETURN(Patches patches, finish(std::array{&tile}, spec, false, pool));
    pixels.tiles.push_back(std::move(patches));
  }
  return pixels;
}

Result<PixelSize> frame_size(int64_t frames, PixelSize source, const VideoProcessorSpec& spec) {
  const ImageProcessorSpec& frame = spec.frame;
  if (!frame.do_resize) return source;
  if (spec.budget == VideoBudget::per_frame) {
    const int64_t max_pixels = spec.cap_pixels_per_frame ? shared_max_pixels(frames, spec) : frame.max_pixels;
    return smart_resize(source, cell_of(frame), {frame.min_pixels, max_pixels});
  }
  const int64_t max_pixels = spec.cap_pixels_per_frame ? capped_max_pixels(frames, spec) : frame.max_pixels;
  return smart_resize_video(frames, source, frame.temporal_patch_size, cell_of(frame), {frame.min_pixels, max_pixels});
}

PixelSize source_size(const media::VideoFrames& video) {
  if (!video.resized) return size_of(video.frames.front());
  return {video.metadata.width.value_or(0), video.metadata.height.value_or(0)};
}

Result<VideoPixels> preprocess_video(const media::VideoFrames& video, const VideoProcessorSpec& spec,
                                     ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_video(video));
  AZ_RETURN_IF_ERROR(check_same_size(video));
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> kept, kept_frames(video, spec));
  Result<Patches> patches = spec.frame.scheme == PreprocessScheme::smart_resize
                                ? frames_of_one_size(video, kept, spec, pool)
                                : frames_one_by_one(video, kept, spec.frame, pool);
  AZ_RETURN_IF_ERROR(patches.status());
  VideoPixels out;
  out.media.source = source_size(video);
  out.media.tiles.push_back(std::move(*patches));
  out.metadata = metadata_of_kept(video, spec, kept);
  return out;
}

}  // namespace azimuth::preprocess
