// Products that share their rows or end in something else than a plain write. With quantised weights they are one loop;
// with others, one call after the other gives the same elements.
#include <algorithm>

#include "kernels/packed_matrix.h"

namespace azimuth::kernels {
namespace {

// Whether one set of quantised rows serves both.
bool share_rows(const PackedMatrix& a, const PackedMatrix& b) {
  return is_quantised(a.type()) && a.type() == b.type() && a.inputs() == b.inputs() && a.row_bits() == b.row_bits();
}

void multiply(const Product& product, const float* x, int64_t rows, int64_t ldx, float* y, int64_t ldy,
              ThreadPool& pool) {
  matmul(*product.w, x, rows, ldx, product.bias, y, ldy, pool);
}

bool has_work(const Product& product, int64_t rows) {
  return !product.w->empty() && product.w->outputs() > 0 && rows > 0;
}

Workspace& scratch_of_thread() {
  static thread_local Workspace scratch;
  return scratch;
}

}  // namespace

void matmul_all(std::span<const Product> products, const float* x, int64_t rows, int64_t ldx, ThreadPool& pool) {
  if (products.empty() || rows <= 0) return;
  const auto fits = [&](const Product& p) { return share_rows(*p.w, *products[0].w); };
  constexpr size_t kMostJobs = 8;
  if (products.size() > kMostJobs || !std::ranges::all_of(products, fits)) {
    for (const Product& product : products) multiply(product, x, rows, ldx, product.y, product.ldy, pool);
    return;
  }
  QuantisedJob jobs[kMostJobs];
  for (size_t i = 0; i < products.size(); ++i) jobs[i].product = products[i];
  run_quantised({jobs, products.size()}, x, rows, ldx, pool);
}

void matmul_activate(const Product& product, Activation activation, const float* x, int64_t rows, int64_t ldx,
                     ThreadPool& pool) {
  if (!has_work(product, rows)) return;
  if (is_quantised(product.w->type())) {
    const QuantisedJob job{product, Epilogue::activate, activation};
    return run_quantised({&job, 1}, x, rows, ldx, pool);
  }
  multiply(product, x, rows, ldx, product.y, product.ldy, pool);
  const int64_t outputs = product.w->outputs();
  if (product.ldy == outputs) return activate(activation, product.y, rows * outputs, pool);
  for (int64_t r = 0; r < rows; ++r) activate(activation, product.y + r * product.ldy, outputs, pool);
}

void matmul_gated(const Product& gate, const Product& up, Activation activation, const float* x, int64_t rows,
                  int64_t ldx, ThreadPool& pool) {
  if (!has_work(gate, rows)) return;
  if (share_rows(*gate.w, *up.w)) {
    const QuantisedJob job{gate, Epilogue::gate, activation, up};
    return run_quantised({&job, 1}, x, rows, ldx, pool);
  }
  const int64_t outputs = gate.w->outputs();
  float* scratch = scratch_of_thread().ensure<float>(static_cast<size_t>(rows * outputs));
  multiply(up, x, rows, ldx, scratch, outputs, pool);
  multiply(gate, x, rows, ldx, gate.y, gate.ldy, pool);
  if (gate.ldy == outputs) return activate_gated(activation, gate.y, scratch, rows * outputs, pool);
  for (int64_t r = 0; r < rows; ++r)
    activate_gated(activation, gate.y + r * gate.ldy, scratch + r * outputs, outputs, pool);
}

}  // namespace azimuth::kernels
