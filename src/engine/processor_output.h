// What transformers' processors return for prepared samples, piece by piece: for traces, and for callers that want the
// arrays themselves.
#pragma once

#include <optional>
#include <vector>

#include "engine/model.h"
#include "engine/prepare.h"

namespace azimuth::engine {

// One image or video of a sample.
struct Medium {
  bool video = false;
  size_t index = 0;
  bool operator==(const Medium&) const = default;

  const preprocess::MediaPixels& pixels(const PreparedSample& sample) const {
    return video ? sample.videos[index].media : sample.images[index];
  }
};
// Images, then videos; in the order of the prompt where the processor keeps both in one array.
std::vector<Medium> media_of(const Engine::Impl& model, const PreparedSample& sample);

// 0 for text, 1 for image, 2 for video tokens: what transformers' processors call mm_token_type_ids.
std::vector<int32_t> token_types(const Prompt& prompt);
// What tells the reference which tokens see each other in both directions, where some do (token_type_ids).
std::vector<int32_t> region_types(const PromptSpec& spec, const Prompt& prompt);

// (x, y) of every row of PixelArray::padded_patches, -1 behind the patches: of one picture or frame, [rows, 2].
std::vector<int64_t> patch_places(const preprocess::Patches& patches);

// Of a picture on a canvas.
int64_t canvas_id(const VisionSpec& vision, const preprocess::MediaPixels& image);
std::vector<int64_t> canvas_mask(const VisionSpec& vision, const preprocess::MediaPixels& image);  // [places]

// The arrays of pixels of all samples together, under the names that the processor gives them.
struct PixelArrays {
  struct Entry {
    const char* name = "";
    Tensor values;
    std::vector<uint8_t> mask;  // [samples, tiles, height, width], where the processor returns one
  };
  std::vector<Entry> entries;  // none without media
};
Result<PixelArrays> pixel_arrays(const Engine::Impl& model, const std::vector<PreparedSample>& samples);

}  // namespace azimuth::engine
