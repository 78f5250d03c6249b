// Sinusoidal position vectors (positions.md 1.1), in the four forms that published models use.
#pragma once

#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "positions/embedding/added_embedding.h"

namespace azimuth::positions {

enum class SinusoidKind : uint8_t {
  vaswani,         // sine and cosine alternate (arXiv 1706.03762, section 3.5)
  transformer_xl,  // all sines, then all cosines (arXiv 1901.02860)
  tensor2tensor,   // all sines, then all cosines; the last frequency is exactly 1 / 10000 (fairseq, M2M100)
  cora,            // as transformer_xl; the odd channel of an odd width is zero
};
Result<SinusoidKind> parse_sinusoid_kind(std::string_view name);

class Sinusoid {
 public:
  // invalid_argument for a width that the kind cannot fill: odd ones for vaswani and transformer_xl, less than four
  // for tensor2tensor.
  static Result<Sinusoid> create(SinusoidKind kind, int width);

  int width() const { return width_; }
  // Writes the vector of `position` to out [width].
  void write(float position, float* out) const;

 private:
  Sinusoid(SinusoidKind kind, int width);

  SinusoidKind kind_;
  int width_;
  std::vector<float> frequencies_;  // [width / 2], radians per unit of position
};

// Adds the vector of id + offset to every token.
class SinusoidalEmbedding : public AddedEmbedding {
 public:
  SinusoidalEmbedding(Sinusoid sinusoid, float offset) : sinusoid_(std::move(sinusoid)), offset_(offset) {}
  Status add(const float* ids, int64_t stride, int64_t tokens, float* rows) const override;

 private:
  Sinusoid sinusoid_;
  float offset_;
};

}  // namespace azimuth::positions
