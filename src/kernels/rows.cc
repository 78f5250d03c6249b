// Kernels that work on rows or on plain runs of elements: threads only. Runs are cut at fixed multiples, and no element
// depends on where a run begins.
#include "kernels/dispatch.h"
#include "kernels/kernels.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kTaskElements = 16 * 1024;

// body(row) for every row, in tasks of about kTaskElements.
template <typename Body>
void for_rows(int64_t rows, int64_t width, ThreadPool& pool, const Body& body) {
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  };
  pool.for_each(rows, std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, width)), run);
}

// body(begin, count) for runs of elements.
template <typename Body>
void for_elements(int64_t count, ThreadPool& pool, const Body& body) {
  auto run = [&](int64_t begin, int64_t end) { body(begin, end - begin); };
  pool.for_each(count, kTaskElements, run);
}

}  // namespace

std::string_view to_string(Activation activation) {
  switch (activation) {
    case Activation::gelu_erf: return "gelu_erf";
    case Activation::gelu_tanh: return "gelu_tanh";
    case Activation::quick_gelu: return "quick_gelu";
    case Activation::silu: return "silu";
    case Activation::relu: return "relu";
  }
  return "unknown";
}

void rms_norm(const float* x, int64_t rows, int64_t width, int64_t ldx, const float* weight, float eps, float* y,
              int64_t ldy, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_rows(rows, width, pool, [&](int64_t i) { table.rms_norm(x + i * ldx, width, weight, eps, y + i * ldy); });
}

void layer_norm(const float* x, int64_t rows, int64_t width, int64_t ldx, const float* weight, const float* bias,
                float eps, float* y, int64_t ldy, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_rows(rows, width, pool, [&](int64_t i) { table.layer_norm(x + i * ldx, width, weight, bias, eps, y + i * ldy); });
}

void activate(Activation activation, float* x, int64_t count, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_elements(count, pool,
               [&](int64_t begin, int64_t n) { table.activate(static_cast<int>(activation), x + begin, n); });
}

void activate_gated(Activation activation, float* gate, const float* up, int64_t count, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_elements(count, pool, [&](int64_t begin, int64_t n) {
    table.activate_gated(static_cast<int>(activation), gate + begin, up + begin, n);
  });
}

void add(float* x, const float* y, int64_t count, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_elements(count, pool, [&](int64_t begin, int64_t n) { table.add(x + begin, y + begin, n); });
}

void rotate(float* x, int64_t rows, int heads, int head_dim, int64_t ldx, const float* cosines, const float* sines,
            int pairs, int table_heads, bool halves, ThreadPool& pool) {
  const KernelTable& table = active_table();
  const int heads_per_table = heads / table_heads;
  for_rows(rows, static_cast<int64_t>(heads) * head_dim, pool, [&](int64_t row) {
    for (int h = 0; h < heads; ++h) {
      const int64_t angles = (row * table_heads + h / heads_per_table) * pairs;
      table.rotate(x + row * ldx + static_cast<int64_t>(h) * head_dim, cosines + angles, sines + angles, pairs, halves);
    }
  });
}

void delta_step(const DeltaStep& s) {
  active_table().delta_step(s.key_dim, s.value_dim, s.query, s.key, s.value, s.fade, s.write, s.memory, s.scratch,
                            s.out);
}

void add_products(const float* x, const float* w, int64_t count, float* y) {
  active_table().add_products(x, w, count, y);
}

void log_sum_exp(const float* logits, int64_t rows, int64_t width, int64_t ldx, float temperature, double* lse,
                 double* entropy, ThreadPool& pool) {
  const KernelTable& table = active_table();
  for_rows(rows, width, pool, [&](int64_t i) {
    table.log_sum_exp(logits + i * ldx, width, temperature, lse + i, entropy != nullptr ? entropy + i : nullptr);
  });
}

int64_t argmax(const float* x, int64_t width) {
  return active_table().argmax(x, width);
}

}  // namespace azimuth::kernels
