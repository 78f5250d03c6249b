// What a packed weight matrix holds.
#pragma once

#include "base/pages.h"
#include "kernels/dispatch.h"
#include "kernels/kernels.h"
#include "kernels/workspace.h"

namespace azimuth::kernels {

struct PackedMatrix::Impl {
  WeightType type = WeightType::f32;
  int64_t outputs = 0;
  int64_t inputs = 0;
  int64_t panels = 0;
  int64_t panel_bytes = 0;

  // f32 and bf16: panels of the level that they were packed for.
  const ProductKernels* kernels = nullptr;
  const ProductKernels* f32 = nullptr;  // of the same level
  int64_t padded_inputs = 0;            // to the multiple that the kernels want

  // q8 and q4: records (kernels/quantised.h).
  const QuantisedKernels* quantised = nullptr;
  int64_t blocks = 0;  // of 64 inputs
  int64_t record_bytes = 0;
  RowBits row_bits = RowBits::eight;

  const std::byte* bytes = nullptr;
  size_t size = 0;
  Pages data;                         // empty where the bytes are somebody else's
  std::shared_ptr<const void> owner;  // of those bytes

  const std::byte* panel(int64_t p) const { return bytes + p * panel_bytes; }
};

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// How elements of a product are written.
enum class Epilogue : uint8_t { write, activate, gate };

// One product of several with the same rows, with quantised weights.
struct QuantisedJob {
  Product product;
  Epilogue epilogue = Epilogue::write;
  Activation activation = Activation::silu;  // of activate and gate
  Product up = {};                           // of gate: what the activated elements are multiplied by
};

// Runs jobs whose weights have the same type, number of inputs and bits of rows; see matmul_all.
void run_quantised(std::span<const QuantisedJob> jobs, const float* x, int64_t rows, int64_t ldx, ThreadPool& pool);

}  // namespace azimuth::kernels
