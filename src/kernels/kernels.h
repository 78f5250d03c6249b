// Every hot loop of Azimuth, behind this one header. The implementation is chosen at run time for the processor
// (generic, AVX2, AVX-512, AMX) and can be forced with AZIMUTH_CPU=generic|avx2|avx512|avx512_vnni|avx512_bf16|amx.
// Within one level every result is bit-identical for any number of rows, threads, and any split of a sequence into
// chunks: each output element is summed in an order that depends on its own row and column alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "spec/activation.h"
#include "tensor/tensor.h"

namespace azimuth::kernels {

using azimuth::Activation;
std::string_view to_string(Activation activation);

// ---------------------------------------------------------------------------------------------------------------------
// Dispatch

// Each holds the ones before it: avx512_vnni multiplies bytes in fours (VPDPBUSD), avx512_bf16 pairs of bf16
// (VDPBF16PS), amx tiles of bytes (TDPBSSD).
enum class CpuLevel : uint8_t { generic, avx2, avx512, avx512_vnni, avx512_bf16, amx };
std::string_view to_string(CpuLevel level);

// Levels that this processor (and this build) can run, slowest first; always holds generic.
std::vector<CpuLevel> available_levels();
// The level in use: the best available one, or the one named by AZIMUTH_CPU at the first call.
CpuLevel active_level();
// Switches the level for the whole process (tests); unsupported where the processor lacks it. Packed weights keep the
// level that they were packed for.
Status force_level(CpuLevel level);
// One line for each kernel and the implementation chosen for it, for `azimuth info --kernels`.
std::vector<std::string> describe_kernels();

// ---------------------------------------------------------------------------------------------------------------------
// Products with weights

// How a weight matrix is stored after loading. f32: exact. bf16: weights rounded to bf16 (exact for bf16 files),
// activations rounded to bf16 before each product, f32 sums. q8, q4: whole numbers in blocks with a scale, of weights
// (8.25 and 4.5 bits each) and of activations (8 bits); products are sums of whole numbers, the same at every level.
enum class WeightType : uint8_t { f32, bf16, q8, q4 };
std::string_view to_string(WeightType type);
inline bool is_quantised(WeightType type) {
  return type == WeightType::q8 || type == WeightType::q4;
}

// How finely products with q8 and q4 matrices round the rows of x, in blocks of 64: to -127..127, or to -63..63, which
// lets AVX2 multiply many rows by q8 a third faster.
enum class RowBits : uint8_t { eight, seven };

// A weight matrix W [outputs, inputs] repacked for this machine. Owns its memory.
class PackedMatrix {
 public:
  PackedMatrix();
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&&) noexcept;
  PackedMatrix& operator=(PackedMatrix&&) noexcept;

  // `weights` is [outputs, inputs], contiguous, f32, f16 or bf16. q8 weights are quantised for rows of `bits`, which is
  // also what row_bits() then says.
  static Result<PackedMatrix> pack(const TensorView& weights, WeightType type, ThreadPool& pool,
                                   RowBits bits = RowBits::eight);
  // The same, of weights in a mapped file: data_loss that names `what` where it is cut short meanwhile. `used` is told,
  // from any thread, which bytes were read for the last time.
  static Result<PackedMatrix> pack_mapped(const TensorView& weights, WeightType type, ThreadPool& pool, RowBits bits,
                                          std::string_view what,
                                          const std::function<void(std::span<const std::byte>)>& used);

  // A q8 or q4 matrix whose bytes somebody else holds, such as a memory map; `owner` is kept as long as the matrix. The
  // layout is that of kernels/quantised.h at every level. `stored` must lie on a multiple of 64 bytes and have the size
  // of stored_size().
  static Result<PackedMatrix> adopt(int64_t outputs, int64_t inputs, WeightType type, std::span<const std::byte> stored,
                                    std::shared_ptr<const void> owner);
  static size_t stored_size(int64_t outputs, int64_t inputs, WeightType type);

  // What products with a q8 or q4 matrix round the rows of x to; eight where nothing is said. Of a matrix that is not
  // empty.
  void set_row_bits(RowBits bits);
  RowBits row_bits() const;

  bool empty() const { return impl_ == nullptr; }
  int64_t outputs() const;
  int64_t inputs() const;
  WeightType type() const;
  size_t bytes() const;
  std::span<const std::byte> stored() const;  // of q8 and q4, what adopt() takes
  // Writes row `output` of W, as stored, to out [inputs]: how embedding rows are looked up in a tied head.
  void unpack_row(int64_t output, float* out) const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  static Result<PackedMatrix> allocate(const TensorView& weights, WeightType type, RowBits bits);
  std::unique_ptr<Impl> impl_;
};

// y = x W^T + bias. x [rows, inputs] with row stride ldx, y [rows, outputs] with row stride ldy, bias [outputs] or
// nullptr. rows may be any number >= 0; one row takes the matrix-vector path with the same order of sums.
void matmul(const PackedMatrix& w, const float* x, int64_t rows, int64_t ldx, const float* bias, float* y, int64_t ldy,
            ThreadPool& pool);

// Several products with the same x, each as matmul() computes it: rows are packed or quantised once, and all outputs
// are one loop over the threads.
struct Product {
  const PackedMatrix* w = nullptr;
  const float* bias = nullptr;  // [outputs], or nullptr
  float* y = nullptr;           // [rows, outputs]
  int64_t ldy = 0;
};
void matmul_all(std::span<const Product> products, const float* x, int64_t rows, int64_t ldx, ThreadPool& pool);

// What becomes of the elements of a product before they are written, each as the function of that name would have it.
void matmul_activate(const Product& product, Activation activation, const float* x, int64_t rows, int64_t ldx,
                     ThreadPool& pool);
// gate.y = act(gate) * up; of `up` y is not written. Both have the same number of outputs.
void matmul_gated(const Product& gate, const Product& up, Activation activation, const float* x, int64_t rows,
                  int64_t ldx, ThreadPool& pool);

// ---------------------------------------------------------------------------------------------------------------------
// Attention

// Keys and values live in blocks of kAttentionBlock tokens that start at absolute multiples of it (CacheIndex).
inline constexpr int64_t kAttentionBlock = 64;

// How keys and values are kept: exact, or in 16 or 8 bits, whose products are then of bf16: queries are rounded to it,
// and at some levels the weights of the softmax. See kernels/kv_blocks.h for the layouts.
enum class CacheType : uint8_t { f32, bf16, q8 };
std::string_view to_string(CacheType type);
// What goes with weights of a type: f32 is the exact mode in everything.
inline CacheType cache_type_of(WeightType type) {
  return type == WeightType::f32 ? CacheType::f32 : CacheType::bf16;
}

// The keys that one query sees: cache indices [begin, end). Causal, sliding-window, prefix, bidirectional-span,
// block-diagonal and cross attention are all one such range per query; the caller computes it.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
};

struct AttentionArgs {
  const float* queries = nullptr;  // [queries, query_heads, head_dim], row stride query_stride
  int64_t query_count = 0;
  int64_t query_stride = 0;
  int query_heads = 0;
  int kv_heads = 0;                  // divides query_heads; query head h reads KV head h / (query_heads / kv_heads)
  int head_dim = 0;                  // 1..512, any number
  int value_dim = 0;                 // may differ from head_dim
  CacheType cache = CacheType::f32;  // of keys and values
  std::span<const std::byte* const> key_blocks;    // of KvBlocks that hold keys [kv_heads, head_dim]
  std::span<const std::byte* const> value_blocks;  // of KvBlocks that hold values [kv_heads, value_dim]
  const KeyRange* ranges = nullptr;                // [queries]; an empty range gives zeros
  float scale = 1.0f;                              // > 0, multiplies q.k
  float soft_cap = 0.0f;                           // c > 0: score = c tanh(score / c)
  float* output = nullptr;                         // [queries, query_heads, value_dim], row stride output_stride
  int64_t output_stride = 0;
  float* log_sum_exp = nullptr;  // optional [queries, query_heads]; -inf for an empty range
};

// softmax(scale q K^T) V with an online softmax over key blocks; no mask and no score matrix is materialised. The
// result of a query depends on its own row, its range and the keys and values in it alone, bit for bit. Memory of a
// block outside the range is never read as a number (it may hold NaN).
void attention(const AttentionArgs& args, ThreadPool& pool);

// The scores of one query and head, scaled and capped, from the numbers that attention reads: scores [end - begin] of
// the query's range. For taps; in an order of sums of its own.
void attention_scores(const AttentionArgs& args, int64_t query, int head, float* scores);

// ---------------------------------------------------------------------------------------------------------------------
// Rows: x and y are [rows, width] with row strides ldx, ldy; y may be x.

// y = x / sqrt(mean(x^2) + eps) * weight; weight [width] or nullptr for ones.
void rms_norm(const float* x, int64_t rows, int64_t width, int64_t ldx, const float* weight, float eps, float* y,
              int64_t ldy, ThreadPool& pool);
// y = (x - mean) / sqrt(var + eps) * weight + bias; var is the population variance.
void layer_norm(const float* x, int64_t rows, int64_t width, int64_t ldx, const float* weight, const float* bias,
                float eps, float* y, int64_t ldy, ThreadPool& pool);

// x = act(x)
void activate(Activation activation, float* x, int64_t count, ThreadPool& pool);
// gate = act(gate) * up
void activate_gated(Activation activation, float* gate, const float* up, int64_t count, ThreadPool& pool);
// x += y
void add(float* x, const float* y, int64_t count, ThreadPool& pool);

// Rotates the first 2*pairs channels of each head in place. x [rows, heads, head_dim] with row stride ldx;
// cosines and sines [rows, pairs] when table_heads == 1, or [rows, table_heads, pairs] when heads turn differently
// (head h uses table row h / (heads / table_heads)). halves: channel p turns with p + pairs; otherwise 2p with 2p+1.
void rotate(float* x, int64_t rows, int heads, int head_dim, int64_t ldx, const float* cosines, const float* sines,
            int pairs, int table_heads, bool halves, ThreadPool& pool);

// One token of gated delta-rule attention of one head: `memory` [key_dim, value_dim] fades, what `value` adds to what
// `key` recalls is written, and `query` reads:
//   memory *= fade;  memory += key (write (value - key memory))^T;  out = query memory
// scratch [value_dim]. Source: Yang et al. 2024, Gated Delta Networks.
struct DeltaStep {
  int key_dim = 0;
  int value_dim = 0;
  const float* query = nullptr;  // [key_dim]
  const float* key = nullptr;    // [key_dim]
  const float* value = nullptr;  // [value_dim]
  float fade = 1.0f;
  float write = 1.0f;
  float* memory = nullptr;
  float* scratch = nullptr;
  float* out = nullptr;  // [value_dim]
};
void delta_step(const DeltaStep& step);
// y[j] += x[j] * w[j]: one tap of a convolution whose channels are independent.
void add_products(const float* x, const float* w, int64_t count, float* y);

// With z = logits[i] / temperature: lse[i] = log(sum(exp(z))), so that log p(j) = z[j] - lse[i], and entropy[i] of
// softmax(z) in nats; f64 sums. entropy may be nullptr. logits [rows, width] with row stride ldx, temperature > 0. A
// row of -inf gives lse -inf and entropy 0.
void log_sum_exp(const float* logits, int64_t rows, int64_t width, int64_t ldx, float temperature, double* lse,
                 double* entropy, ThreadPool& pool);

// Index of the largest element; the smallest index wins a tie. NaN never wins over a number, unless it comes first.
int64_t argmax(const float* x, int64_t width);

// ---------------------------------------------------------------------------------------------------------------------
// Pixels

// One separable pass of torchvision's fixed-point antialiased resize over interleaved uint8 pixels; see media/resize.
// in: rows of `in_width` pixels of `channels` bytes; for output column j the taps are in[first[j] .. first[j]+count[j])
// with int16 weights weights[j*max_taps + t]; out = clamp((sum + 2^(precision-1)) >> precision).
struct ResampleTaps {
  int64_t out_size = 0;
  int max_taps = 0;
  int precision = 0;             // bits after the point
  std::vector<int32_t> first;    // [out_size]
  std::vector<int32_t> count;    // [out_size]
  std::vector<int16_t> weights;  // [out_size, max_taps]
};
void resample_rows(const uint8_t* in, int64_t rows, int64_t in_width, int channels, const ResampleTaps& taps,
                   uint8_t* out, ThreadPool& pool);
// The same down the columns: in [in_height, row_bytes] -> out [taps.out_size, row_bytes].
void resample_columns(const uint8_t* in, int64_t in_height, int64_t row_bytes, const ResampleTaps& taps, uint8_t* out,
                      ThreadPool& pool);

}  // namespace azimuth::kernels
