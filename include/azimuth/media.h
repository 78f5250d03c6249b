// Pictures and videos that the caller holds in memory, at any of three stages: decoded, as the arrays of the
// reference's processor, or as features. They enter a request through Request::media.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "azimuth/array.h"
#include "azimuth/prompt.h"

namespace azimuth {

// What is known of the clip that frames were taken from; the fields of transformers' VideoMetadata.
struct VideoInfo {
  std::optional<double> fps;            // of the clip, frames per second
  int64_t total_num_frames = 0;         // of the clip; 0: as many as there are frames
  std::vector<int64_t> frames_indices;  // which frames of the clip these are; empty: all of them, in order
  std::optional<double> duration;       // seconds
  // Seconds between grid frames where nothing else says so: an entry of `second_per_grid_ts` (Qwen2.5-VL).
  std::optional<double> seconds_per_grid;
};

// A decoded, upright picture.
struct PictureInput {
  ByteArray rgb;  // [height, width, 3]
};

// Decoded frames of a video.
struct FramesInput {
  ByteArray rgb;  // [frames, height, width, 3]
  VideoInfo info;
  bool sampled = false;  // the frames were chosen already; otherwise the processor chooses among them
};

// What stands beside an array of pixels or features and says what it shows: the entries of one picture or video in the
// arrays that the reference's processor returns. A family needs those that its processor makes, and takes no others.
struct MediaGeometry {
  std::optional<Grid> grid;  // a row of image_grid_thw or video_grid_thw: patches, before merging (Qwen)
  IntArray position_ids;     // rows of image_position_ids: x, y of every patch, -1 behind them (Gemma 4);
                             // [patches, 2], of a video [frames, patches, 2]
  ByteArray pixel_mask;      // rows of pixel_attention_mask: 1 where a tile has pixels (Idefics, SmolVLM);
                             // [tiles, height, width]
  // A row of image_sizes, of the picture as it was decoded (LLaVA-NeXT, LLaVA-OneVision).
  std::optional<std::array<int64_t, 2>> image_size;  // height, width
  std::optional<int64_t> aspect_ratio_id;            // of aspect_ratio_ids (mllama)
  // Rows and columns of the tiles that divide a picture, where only a prompt that is still to be written needs them: a
  // prompt that came as ids says them itself. 0: not known.
  int64_t tile_rows = 0;
  int64_t tile_columns = 0;
  VideoInfo video;
};

// Pixels as the processor left them: resized, divided, normalised.
struct PixelInput {
  SpanKind kind = SpanKind::image;  // image or video
  // The picture's part of the processor's pixel_values (pixel_values_videos), by PixelArray of the family:
  //   rows of patches   [patches, channels * temporal * patch * patch]      with grid
  //   padded patches    [patches, channels * patch * patch], of a video [frames, patches, ...]   with position_ids
  //   planes            [tiles, 3, height, width], or [3, height, width]; tiles of nothing but zeros are padding
  // Of families that pad the tiles of a whole sample (Idefics, SmolVLM), one medium may hold those of all its pictures.
  FloatArray values;
  MediaGeometry geometry;
};

// Features in place of pixels: what the projector would give the decoder. Nothing runs through the tower.
struct FeatureInput {
  SpanKind kind = SpanKind::image;
  FloatArray rows;                    // [tokens of the picture, decoder hidden]; cross-attended ones [rows, hidden]
  std::vector<FloatArray> deepstack;  // per level [tokens of the picture, decoder hidden], where the family has them
  // Where positions depend on the picture's shape, the same entries that its pixels would have.
  MediaGeometry geometry;
};

using MediaInput = std::variant<PictureInput, FramesInput, PixelInput, FeatureInput>;

}  // namespace azimuth
