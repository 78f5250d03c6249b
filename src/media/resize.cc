#include "media/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

namespace azimuth::media {
namespace {

constexpr int kChannels = 3;
constexpr int64_t kMaxPixels = int64_t{1} << 28;
constexpr int64_t kMaxSide = int64_t{1} << 24;

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic with a = -0.5; the order of operations is the one of both libraries.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct Filter {
  double (*weight)(double);
  double support;  // half width in source pixels when enlarging
};

Filter filter_of(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::bilinear: return {bilinear, 1.0};
    case ResampleFilter::bicubic: return {bicubic, 2.0};
    case ResampleFilter::lanczos: return {lanczos, 3.0};
  }
  return {bilinear, 1.0};
}

// Rounds half away from zero, by truncation as both libraries do.
int round_weight(double weight, int precision) {
  const double scaled = weight * static_cast<double>(1 << precision);
  return static_cast<int>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

// The most bits after the point with which the largest weight still fits int16.
int torchvision_precision(double largest) {
  int precision = 0;
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < (1 << 15)) ++precision;
  return precision;
}

constexpr int kPillowPrecision = 22;

uint8_t clip_pillow(int sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPillowPrecision, 0, 255));
}

struct PillowTaps {
  FilterTaps exact;
  std::vector<int32_t> weights;  // [out_size, max_taps]
};

PillowTaps pillow_taps(int64_t in_size, int64_t out_size, ResampleFilter filter) {
  PillowTaps taps{filter_taps(in_size, out_size, filter), {}};
  taps.weights.reserve(taps.exact.weights.size());
  for (double weight : taps.exact.weights) taps.weights.push_back(round_weight(weight, kPillowPrecision));
  return taps;
}

Image empty_image(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * kChannels)};
}

constexpr int64_t kRowsPerTask = 16;

Image pillow_rows(const Image& in, int64_t width, ResampleFilter filter, ThreadPool& pool) {
  const PillowTaps taps = pillow_taps(in.width, width, filter);
  Image out = empty_image(width, in.height);
  pool.for_each(in.height, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const uint8_t* row = &in.rgb[kChannels * y * in.width];
      uint8_t* to = &out.rgb[kChannels * y * width];
      for (int64_t x = 0; x < width; ++x, to += kChannels) {
        std::array<int, kChannels> sums;
        sums.fill(1 << (kPillowPrecision - 1));
        const uint8_t* from = row + kChannels * taps.exact.first[x];
        const int32_t* weights = &taps.weights[x * taps.exact.max_taps];
        for (int32_t t = 0; t < taps.exact.count[x]; ++t, from += kChannels) {
          for (int c = 0; c < kChannels; ++c) sums[c] += from[c] * weights[t];
        }
        for (int c = 0; c < kChannels; ++c) to[c] = clip_pillow(sums[c]);
      }
    }
  });
  return out;
}

Image pillow_columns(const Image& in, int64_t height, ResampleFilter filter, ThreadPool& pool) {
  const PillowTaps taps = pillow_taps(in.height, height, filter);
  Image out = empty_image(in.width, height);
  const int64_t row_bytes = kChannels * in.width;
  pool.for_each(height, kRowsPerTask, [&](int64_t begin, int64_t end) {
    std::vector<int> sums(row_bytes);
    for (int64_t y = begin; y < end; ++y) {
      std::ranges::fill(sums, 1 << (kPillowPrecision - 1));
      for (int32_t t = 0; t < taps.exact.count[y]; ++t) {
        const int32_t weight = taps.weights[y * taps.exact.max_taps + t];
        const uint8_t* from = &in.rgb[(taps.exact.first[y] + t) * row_bytes];
        for (int64_t i = 0; i < row_bytes; ++i) sums[i] += from[i] * weight;
      }
      uint8_t* to = &out.rgb[y * row_bytes];
      for (int64_t i = 0; i < row_bytes; ++i) to[i] = clip_pillow(sums[i]);
    }
  });
  return out;
}

// Pillow 13 takes the direction first that leaves less work; the order shows in the last bit.
bool pillow_columns_first(const Image& image, int64_t width, int64_t height) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

Image resize_pillow(const Image& image, int64_t width, int64_t height, ResampleFilter filter, ThreadPool& pool) {
  if (width == image.width) return pillow_columns(image, height, filter, pool);
  if (height == image.height) return pillow_rows(image, width, filter, pool);
  if (pillow_columns_first(image, width, height)) {
    return pillow_rows(pillow_columns(image, height, filter, pool), width, filter, pool);
  }
  return pillow_columns(pillow_rows(image, width, filter, pool), height, filter, pool);
}

Image torchvision_rows(const Image& in, int64_t width, ResampleFilter filter, ThreadPool& pool) {
  Image out = empty_image(width, in.height);
  kernels::resample_rows(in.rgb.data(), in.height, in.width, kChannels, torchvision_taps(in.width, width, filter),
                         out.rgb.data(), pool);
  return out;
}

Image torchvision_columns(const Image& in, int64_t height, ResampleFilter filter, ThreadPool& pool) {
  Image out = empty_image(in.width, height);
  kernels::resample_columns(in.rgb.data(), in.height, kChannels * in.width, torchvision_taps(in.height, height, filter),
                            out.rgb.data(), pool);
  return out;
}

Image resize_torchvision(const Image& image, int64_t width, int64_t height, ResampleFilter filter, ThreadPool& pool) {
  if (width == image.width) return torchvision_columns(image, height, filter, pool);
  if (height == image.height) return torchvision_rows(image, width, filter, pool);
  return torchvision_columns(torchvision_rows(image, width, filter, pool), height, filter, pool);
}

Status check_target(int64_t width, int64_t height) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width <= 0 || height <= 0) return invalid_argument("a size with pixels was expected to resize to, found " + size);
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels) {
    return resource_exhausted("a size of at most " + std::to_string(kMaxPixels) +
                              " pixels was expected to resize to, found " + size + "; lower max_pixels");
  }
  return ok_status();
}

}  // namespace

FilterTaps filter_taps(int64_t in_size, int64_t out_size, ResampleFilter filter) {
  const Filter chosen = filter_of(filter);
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double stretch = std::max(scale, 1.0);
  const double support = chosen.support * stretch;
  const double inverse = 1.0 / stretch;

  FilterTaps taps;
  taps.out_size = out_size;
  taps.max_taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.first.reserve(out_size);
  taps.count.reserve(out_size);
  taps.weights.assign(static_cast<size_t>(out_size) * taps.max_taps, 0.0);
  for (int64_t i = 0; i < out_size; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in_size);
    const int64_t count = std::clamp<int64_t>(last - first, 0, taps.max_taps);
    double* weights = &taps.weights[i * taps.max_taps];
    double total = 0.0;
    for (int64_t t = 0; t < count; ++t) {
      weights[t] = chosen.weight((static_cast<double>(t + first) - center + 0.5) * inverse);
      total += weights[t];
    }
    for (int64_t t = 0; t < count && total != 0.0; ++t) weights[t] /= total;
    taps.first.push_back(static_cast<int32_t>(first));
    taps.count.push_back(static_cast<int32_t>(count));
  }
  return taps;
}

kernels::ResampleTaps torchvision_taps(int64_t in_size, int64_t out_size, ResampleFilter filter) {
  FilterTaps exact = filter_taps(in_size, out_size, filter);
  kernels::ResampleTaps taps;
  taps.out_size = out_size;
  taps.max_taps = exact.max_taps;
  double largest = 0.0;
  for (double weight : exact.weights) largest = std::max(largest, weight);
  taps.precision = torchvision_precision(largest);
  taps.weights.reserve(exact.weights.size());
  for (double weight : exact.weights)
    taps.weights.push_back(static_cast<int16_t>(round_weight(weight, taps.precision)));
  taps.first = std::move(exact.first);
  taps.count = std::move(exact.count);
  return taps;
}

Result<Image> resize(const Image& image, int64_t width, int64_t height, ResampleFilter filter,
                     PixelArithmetic arithmetic, ThreadPool& pool) {
  if (image.width <= 0 || image.height <= 0) return invalid_argument("a picture with pixels was expected, found none");
  AZ_RETURN_IF_ERROR(check_target(width, height));
  if (width == image.width && height == image.height) return image;
  return arithmetic == PixelArithmetic::pillow ? resize_pillow(image, width, height, filter, pool)
                                               : resize_torchvision(image, width, height, filter, pool);
}

}  // namespace azimuth::media
