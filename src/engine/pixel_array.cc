#include "engine/pixel_array.h"

#include <algorithm>
#include <array>

namespace azimuth::engine {
namespace {

using preprocess::MediaPixels;
using preprocess::Patches;
using preprocess::PixelSize;
using Samples = std::vector<std::vector<const MediaPixels*>>;

constexpr int64_t kChannels = 3;

Tensor patch_rows(const Samples& samples) {
  int64_t rows = 0;
  int64_t width = 0;
  const auto each = [&](const auto& visit) {
    for (const auto& sample : samples) {
      for (const MediaPixels* media : sample) {
        for (const Patches& tile : media->tiles) visit(tile.pixels);
      }
    }
  };
  each([&](const Tensor& pixels) {
    rows += pixels.shape()[0];
    width = pixels.row_elements();
  });
  Tensor out({rows, width});
  float* to = out.data();
  each([&](const Tensor& pixels) { to = std::copy_n(pixels.data(), pixels.elements(), to); });
  return out;
}

// One tile or frame: three planes of a size.
struct Planes {
  const float* data = nullptr;
  int64_t height = 0;
  int64_t width = 0;
};

std::vector<Planes> planes_of(const MediaPixels& media) {
  std::vector<Planes> planes;
  for (const Patches& tile : media.tiles) {
    const auto [width, height] = tile.resized;
    const int64_t elements = kChannels * height * width;
    for (int64_t frame = 0; frame < tile.pixels.elements() / elements; ++frame) {
      planes.push_back({tile.pixels.data() + frame * elements, height, width});
    }
  }
  return planes;
}

// [groups, most planes of a group, channel, most rows, most columns]; zeros behind
Tensor padded(const std::vector<std::vector<Planes>>& groups) {
  int64_t most = 0;
  int64_t height = 0;
  int64_t width = 0;
  for (const auto& group : groups) {
    most = std::max(most, static_cast<int64_t>(group.size()));
    for (const Planes& planes : group) {
      height = std::max(height, planes.height);
      width = std::max(width, planes.width);
    }
  }
  Tensor out({static_cast<int64_t>(groups.size()), most, kChannels, height, width});
  std::fill_n(out.data(), out.elements(), 0.0f);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = 0; i < groups[g].size(); ++i) {
      const Planes& planes = groups[g][i];
      float* to = out.data() + (static_cast<int64_t>(g) * most + static_cast<int64_t>(i)) * kChannels * height * width;
      for (int64_t line = 0; line < kChannels * planes.height; ++line) {
        const int64_t channel = line / planes.height;
        std::copy_n(planes.data + line * planes.width, planes.width,
                    to + (channel * height + line % planes.height) * width);
      }
    }
  }
  return out;
}

Tensor tiles(const Samples& samples) {
  std::vector<std::vector<Planes>> all(1);
  for (const auto& sample : samples) {
    for (const MediaPixels* media : sample) {
      const std::vector<Planes> planes = planes_of(*media);
      all[0].insert(all[0].end(), planes.begin(), planes.end());
    }
  }
  Tensor out = padded(all);
  const Shape shape = out.shape();
  out.reshape({shape[1], shape[2], shape[3], shape[4]});
  return out;
}

Tensor tiles_per_image(const Samples& samples) {
  std::vector<std::vector<Planes>> images;
  for (const auto& sample : samples) {
    for (const MediaPixels* media : sample) images.push_back(planes_of(*media));
  }
  return padded(images);
}

Tensor tiles_per_sample(const Samples& samples) {
  std::vector<std::vector<Planes>> groups;
  for (const auto& sample : samples) {
    groups.emplace_back();
    for (const MediaPixels* media : sample) {
      const std::vector<Planes> planes = planes_of(*media);
      groups.back().insert(groups.back().end(), planes.begin(), planes.end());
    }
  }
  return padded(groups);
}

Tensor canvases(const Samples& samples, int64_t places) {
  int64_t most = 0;
  PixelSize tile;
  for (const auto& sample : samples) {
    most = std::max(most, static_cast<int64_t>(sample.size()));
    if (!sample.empty()) tile = sample[0]->tiles[0].resized;
  }
  const int64_t elements = kChannels * tile.height * tile.width;
  const auto count = static_cast<int64_t>(samples.size());
  Tensor out = Tensor::zeros({count, most, places, kChannels, tile.height, tile.width});
  for (int64_t s = 0; s < count; ++s) {
    const auto& pictures = samples[static_cast<size_t>(s)];
    for (size_t i = 0; i < pictures.size(); ++i) {
      float* to = out.row(s) + static_cast<int64_t>(i) * places * elements;
      for (const Patches& each : pictures[i]->tiles) to = std::copy_n(each.pixels.data(), elements, to);
    }
  }
  return out;
}

// [pictures and frames, most patches, y * x * channel]; zeros behind
Tensor padded_patches(const Samples& samples) {
  int64_t frames = 0;
  int64_t most = 0;
  int64_t width = 0;
  for (const auto& sample : samples) {
    for (const MediaPixels* media : sample) {
      const Patches& patches = media->tiles[0];
      frames += patches.grid.t;
      most = std::max({most, patches.padded_rows, patches.grid.h * patches.grid.w});
      width = patches.pixels.row_elements();
    }
  }
  Tensor out = Tensor::zeros({frames, most, width});
  float* to = out.data();
  for (const auto& sample : samples) {
    for (const MediaPixels* media : sample) {
      const Patches& patches = media->tiles[0];
      const int64_t rows = patches.grid.h * patches.grid.w;
      for (int64_t frame = 0; frame < patches.grid.t; ++frame, to += most * width) {
        std::copy_n(patches.pixels.row(frame * rows), rows * width, to);
      }
    }
  }
  return out;
}

}  // namespace

Result<Tensor> pixel_array(const ImageProcessorSpec& spec, const Samples& samples) {
  const PixelArray layout = spec.array;
  for (const auto& sample : samples) {
    for (const MediaPixels* media : sample) {
      for (const Patches& tile : media->tiles) {
        const bool rows = layout == PixelArray::patch_rows || layout == PixelArray::padded_patches;
        if (tile.planes() != rows) continue;
        return internal_error("a processor's array and its layout do not belong together");
      }
    }
  }
  switch (layout) {
    case PixelArray::patch_rows: return patch_rows(samples);
    case PixelArray::tiles: return tiles(samples);
    case PixelArray::tiles_per_image: return tiles_per_image(samples);
    case PixelArray::tiles_per_sample: return tiles_per_sample(samples);
    case PixelArray::canvases: return canvases(samples, spec.max_tiles);
    case PixelArray::padded_patches: return padded_patches(samples);
  }
  return internal_error("no such layout of a processor's array");
}

std::vector<uint8_t> pixel_mask(const Samples& samples, const Shape& shape) {
  const int64_t tiles = shape[1];
  const int64_t height = shape[3];
  const int64_t width = shape[4];
  std::vector<uint8_t> mask(static_cast<size_t>(shape[0] * tiles * height * width), 0);
  for (size_t s = 0; s < samples.size(); ++s) {
    int64_t tile = static_cast<int64_t>(s) * tiles;
    for (const MediaPixels* media : samples[s]) {
      for (const Planes& planes : planes_of(*media)) {
        uint8_t* const first = mask.data() + tile++ * height * width;
        for (int64_t row = 0; row < planes.height; ++row) std::fill_n(first + row * width, planes.width, uint8_t{1});
      }
    }
  }
  return mask;
}

}  // namespace azimuth::engine
