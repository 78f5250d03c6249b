// What the stages in front of the decoder make of requests: the processor's arrays, and the features of the tower.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "azimuth/array.h"
#include "azimuth/prompt.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

struct NamedArray {
  std::string name;
  std::variant<FloatArray, IntArray, ByteArray> values;
};

// One row per sample, of its own length: nothing is padded.
struct NamedRows {
  std::string name;
  std::vector<std::vector<int32_t>> rows;
};

// What transformers' processor returns for the same samples, under its names.
struct ProcessorArrays {
  std::vector<std::string> prompts;  // the rendered templates, before placeholders are expanded
  std::vector<NamedRows> tokens;     // input_ids; token_type_ids, mm_token_type_ids where the family has them
  // pixel_values, pixel_values_videos [as the processor lays them out]; image_grid_thw, video_grid_thw [media, 3];
  // second_per_grid_ts [videos];
  // image_position_ids, video_position_ids; pixel_attention_mask; image_sizes [images, 2]; num_patches (tiles of each
  // picture); aspect_ratio_ids, aspect_ratio_mask: those that the family has. Absent where no sample has such media.
  std::vector<NamedArray> media;
};

// Pictures read, resized, cut; prompts rendered, expanded and tokenised. Touches no weights.
Result<ProcessorArrays> processor_arrays(const Engine& engine, std::span<const Request> samples);

struct EncodeOptions {
  bool last_hidden_state = false;             // EncodedMedium::last_hidden_state
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread, also from a signal handler
  std::function<void(double fraction)> progress;
};

// One picture or video behind the tower.
struct EncodedMedium {
  SpanKind kind = SpanKind::image;
  Grid patches;  // of each tile, before merging: a row of image_grid_thw
  Grid grid;     // after merging
  // The tower's last hidden state, one row for each patch (class tokens included where the tower has them), tile after
  // tile: [patches, tower hidden], as the reference's tower returns it; empty unless asked for.
  FloatArray last_hidden_state;
  FloatArray features;                // [rows, decoder hidden]: what injection puts in the place of placeholders
  std::vector<FloatArray> deepstack;  // per level [rows, decoder hidden], where the family has them
  std::vector<int64_t> arrays;        // rows of each array that the reference keeps apart (tiles); empty: one

  // The same features as an input of another request, which they enter in place of pixels.
  FeatureInput input;
};

// The features of the request's pictures, then of its videos. The request's text may be left out where media are named
// by Request::images, videos or media. Hooks act as in generate(): taps see pixels, the tower's layers and features,
// and on_write may replace features and DeepStack levels.
Result<std::vector<EncodedMedium>> encode_media(const Engine& engine, const Request& request,
                                                const EncodeOptions& options = {});

// Features as a file, by the end of its name: .safetensors holds "features", "deepstack.0" and so on,
// "last_hidden_state" where it was asked for, and the picture's geometry and model in its metadata; .npy the features
// alone. Errors: another name; data_loss where it cannot be written.
Status write_features(const Engine& engine, const EncodedMedium& medium, const std::string& path);
// Either kind of file, in f32, bf16, f16 or f64, from whatever wrote it; geometry that it does not say is left open.
// Errors: not_found, what is wrong with the file. Shapes and numbers are checked when features meet a request.
Result<FeatureInput> read_features(const std::string& path);

}  // namespace azimuth
