#include "preprocess/patchify.h"

#include <algorithm>
#include <string>

namespace azimuth::preprocess {
namespace {

constexpr int64_t kChannels = 3;

// One channel of the table, with torchvision's fused arithmetic.
void fill_torchvision(const ImageProcessorSpec& spec, int channel, std::array<float, 256>& table) {
  const float inverse = spec.do_rescale ? static_cast<float>(1.0 / spec.rescale_factor) : 1.0f;
  const float mean = static_cast<float>(spec.mean[channel]) * inverse;
  const float std = static_cast<float>(spec.std[channel]) * inverse;
  const auto factor = static_cast<float>(spec.rescale_factor);
  for (int value = 0; value < 256; ++value) {
    auto x = static_cast<float>(value);
    if (spec.do_normalize) {
      x = (x - mean) / std;
    } else if (spec.do_rescale) {
      x = x * factor;
    }
    table[value] = x;
  }
}

// One channel of the table, with the separate steps of the Pillow processors.
void fill_pillow(const ImageProcessorSpec& spec, int channel, std::array<float, 256>& table) {
  const auto mean = static_cast<float>(spec.mean[channel]);
  const auto std = static_cast<float>(spec.std[channel]);
  for (int value = 0; value < 256; ++value) {
    auto x = static_cast<float>(value);
    if (spec.do_rescale) x = static_cast<float>(static_cast<double>(value) * spec.rescale_factor);
    if (spec.do_normalize) x = (x - mean) / std;
    table[value] = x;
  }
}

Status check_same_size(std::span<const media::Image* const> frames) {
  if (frames.empty()) return invalid_argument("at least one frame was expected, found none");
  const media::Image& first = *frames.front();
  for (const media::Image* frame : frames) {
    if (frame->width == first.width && frame->height == first.height) continue;
    return invalid_argument("frames of one size were expected, found " + std::to_string(first.width) + " x " +
                            std::to_string(first.height) + " and " + std::to_string(frame->width) + " x " +
                            std::to_string(frame->height) + "; give all frames the same size");
  }
  return ok_status();
}

Status check_frames(std::span<const media::Image* const> frames, int64_t cell) {
  AZ_RETURN_IF_ERROR(check_same_size(frames));
  const media::Image& first = *frames.front();
  if (first.width > 0 && first.height > 0 && first.width % cell == 0 && first.height % cell == 0) return ok_status();
  return invalid_argument("sides that are multiples of " + std::to_string(cell) +
                          " (patch_size * merge_size) were expected, found " + std::to_string(first.width) + " x " +
                          std::to_string(first.height) + "; leave do_resize on");
}

struct Place {
  int64_t y, x;  // of a patch, in patches
};

// Patch number `index` of a frame, in blocks of merge x merge.
Place place_in_frame(const Grid& grid, int64_t merge, int64_t index) {
  const int64_t block = index / (merge * merge);
  const int64_t blocks_per_row = grid.w / merge;
  return {block / blocks_per_row * merge + index / merge % merge, block % blocks_per_row * merge + index % merge};
}

// Writes patch `row` (in merge order) of grid frame t.
class PatchWriter {
 public:
  PatchWriter(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec, const Grid& grid)
      : frames_(frames),
        table_(normalization_table(spec)),
        grid_(grid),
        patch_(spec.patch_size),
        merge_(spec.merge_size),
        temporal_(spec.temporal_patch_size) {}

  // out: [channel, temporal, y, x]
  void write(int64_t row, float* out) const {
    const int64_t t = row / (grid_.h * grid_.w);
    const auto [y, x] = place_in_frame(grid_, merge_, row % (grid_.h * grid_.w));
    for (int64_t c = 0; c < kChannels; ++c) {
      const media::Image* previous = nullptr;
      for (int64_t f = 0; f < temporal_; ++f) {
        const media::Image* image = &frame(t * temporal_ + f);
        out = image == previous ? repeat_plane(out) : write_plane(*image, y, x, c, out);
        previous = image;
      }
    }
  }

 private:
  const media::Image& frame(int64_t index) const {
    return *frames_[std::min<int64_t>(index, static_cast<int64_t>(frames_.size()) - 1)];
  }

  float* repeat_plane(float* out) const { return std::copy_n(out - patch_ * patch_, patch_ * patch_, out); }

  float* write_plane(const media::Image& image, int64_t y, int64_t x, int64_t channel, float* out) const {
    for (int64_t py = 0; py < patch_; ++py) {
      const uint8_t* in = &image.rgb[kChannels * ((y * patch_ + py) * image.width + x * patch_) + channel];
      for (int64_t px = 0; px < patch_; ++px) *out++ = table_[channel][in[kChannels * px]];
    }
    return out;
  }

  std::span<const media::Image* const> frames_;
  NormalizationTable table_;
  Grid grid_;
  int64_t patch_;
  int64_t merge_;
  int64_t temporal_;
};

}  // namespace

NormalizationTable normalization_table(const ImageProcessorSpec& spec) {
  NormalizationTable table;
  for (int c = 0; c < kChannels; ++c) {
    if (spec.arithmetic == PixelArithmetic::pillow) {
      fill_pillow(spec, c, table[c]);
    } else {
      fill_torchvision(spec, c, table[c]);
    }
  }
  return table;
}

Result<Patches> patchify(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec,
                         ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_frames(frames, spec.patch_size * spec.merge_size));
  const auto frame_count = static_cast<int64_t>(frames.size());
  Patches patches;
  patches.resized = {frames.front()->width, frames.front()->height};
  patches.grid = {(frame_count + spec.temporal_patch_size - 1) / spec.temporal_patch_size,
                  patches.resized.height / spec.patch_size, patches.resized.width / spec.patch_size};
  patches.pixels =
      Tensor({patches.grid.cells(), kChannels * spec.temporal_patch_size * spec.patch_size * spec.patch_size});
  const PatchWriter writer(frames, spec, patches.grid);
  constexpr int64_t kPatchesPerTask = 32;
  pool.for_each(patches.grid.cells(), kPatchesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) writer.write(row, patches.pixels.row(row));
  });
  return patches;
}

Result<Patches> raster_patches(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec,
                               ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_frames(frames, spec.patch_size * spec.merge_size));
  const int64_t side = spec.patch_size;
  Patches patches;
  patches.resized = {frames.front()->width, frames.front()->height};
  patches.grid = {static_cast<int64_t>(frames.size()), patches.resized.height / side, patches.resized.width / side};
  patches.padded_rows = spec.max_tokens * spec.merge_size * spec.merge_size;
  patches.pixels = Tensor({patches.grid.cells(), side * side * kChannels});
  const NormalizationTable table = normalization_table(spec);
  const int64_t per_frame = patches.grid.h * patches.grid.w;
  constexpr int64_t kPatchesPerTask = 32;
  pool.for_each(patches.grid.cells(), kPatchesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const media::Image& image = *frames[static_cast<size_t>(row / per_frame)];
      const int64_t y = row % per_frame / patches.grid.w * side;
      const int64_t x = row % patches.grid.w * side;
      float* out = patches.pixels.row(row);
      for (int64_t py = 0; py < side; ++py) {
        const uint8_t* in = &image.rgb[static_cast<size_t>(kChannels * ((y + py) * image.width + x))];
        for (int64_t i = 0; i < kChannels * side; ++i) *out++ = table[static_cast<size_t>(i % kChannels)][in[i]];
      }
    }
  });
  return patches;
}

Result<Patches> normalize(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec, bool stack,
                          ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_same_size(frames));
  const auto count = static_cast<int64_t>(frames.size());
  Patches patches;
  patches.resized = {frames.front()->width, frames.front()->height};
  const auto [width, height] = patches.resized;
  patches.grid = {count, height / spec.patch_size, width / spec.patch_size};
  patches.pixels = stack || count > 1 ? Tensor({count, kChannels, height, width}) : Tensor({kChannels, height, width});
  const NormalizationTable table = normalization_table(spec);
  pool.for_each(count * kChannels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const auto& values = table[static_cast<size_t>(plane % kChannels)];
      const uint8_t* in = frames[static_cast<size_t>(plane / kChannels)]->rgb.data() + plane % kChannels;
      float* out = patches.pixels.data() + plane * height * width;
      for (int64_t i = 0; i < height * width; ++i) out[i] = values[in[kChannels * i]];
    }
  });
  return patches;
}

Tensor patch_rows(const Patches& planes, int64_t patch, int64_t merge, ThreadPool& pool) {
  const Grid& grid = planes.grid;
  const auto [width, height] = planes.resized;
  const int64_t per_frame = grid.h * grid.w;
  Tensor rows({grid.cells(), kChannels * patch * patch});
  constexpr int64_t kPatchesPerTask = 64;
  pool.for_each(grid.cells(), kPatchesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto [y, x] = place_in_frame(grid, merge, row % per_frame);
      float* out = rows.row(row);
      for (int64_t plane = 0; plane < kChannels; ++plane) {
        const float* in = planes.pixels.data() + (row / per_frame * kChannels + plane) * height * width;
        for (int64_t py = 0; py < patch; ++py) {
          out = std::copy_n(in + (y * patch + py) * width + x * patch, patch, out);
        }
      }
    }
  });
  return rows;
}

}  // namespace azimuth::preprocess
