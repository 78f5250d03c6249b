// Speed of the kernels beside the limits of the machine:
//
//   kernels_bench [--level L] [--threads N] [--rounds R] [--clock wall] [WORD]
//
// runs the benchmarks whose name holds WORD. Each round times the multiply-add peak (or the memory read rate) right
// before the kernel; the table gives medians over the rounds and the median of the rounds' own ratios.
//
// Time is the processor time of all threads divided by their number, so that other programs on the machine do not
// count; --clock wall takes the clock on the wall, which also shows waiting and uneven shares.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/peak.h"
#include "kernels/kernels.h"
#include "kernels/kv_blocks.h"

namespace azimuth::bench {
namespace {

using kernels::CacheType;
using kernels::CpuLevel;
using kernels::WeightType;

struct Options {
  std::vector<CpuLevel> levels = kernels::available_levels();
  std::vector<int> threads = {1, 2};
  int rounds = 15;
  bool wall = false;
  std::string word;
};

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<float> random_floats(int64_t count) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(engine);
  return values;
}

volatile float g_float_sink;
volatile uint64_t g_bits_sink;

// What is multiplied: bytes by bytes, or by numbers so small that pairs of products fit into 16 bits.
enum class Operands { f32, bf16, whole_bytes, small_bytes };

bool are_bytes(Operands operands) {
  return operands == Operands::whole_bytes || operands == Operands::small_bytes;
}

class Bench {
 public:
  Bench(const Options& options, CpuLevel level, int threads)
      : options_(options), level_(level), pool_(threads), memory_(64 * 1024 * 1024 / 8 * 4) {
    std::iota(memory_.begin(), memory_.end(), 1);
  }

  ThreadPool& pool() { return pool_; }
  bool wants(const std::string& name) const { return name.find(options_.word) != std::string::npos; }

  // `work` does `operations` operations; compared with the multiply-add peak of the level for what is multiplied.
  void compute(const std::string& name, double operations, const std::function<void()>& work,
               Operands operands = Operands::f32) {
    report(name, are_bytes(operands) ? "GOP/s" : "GFLOP/s", operations, work,
           [this, operands] { return peak_rate(operands); });
  }
  // `work` moves `bytes` bytes; compared with the memory read rate.
  void memory(const std::string& name, double bytes, const std::function<void()>& work) {
    report(name, "GB/s", bytes, work, [this] { return read_rate(); });
  }

 private:
  double seconds(const std::function<void()>& body) const {
    const clockid_t clock = options_.wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
    const double start = now(clock);
    body();
    return (now(clock) - start) / (options_.wall ? 1 : pool_.threads());
  }

  // The fastest multiply-adds that the level has for the operands; those of f32 where it has no others.
  Peak peak_of(Operands operands) const {
#ifdef AZIMUTH_KERNELS_X86
    const bool bytes = are_bytes(operands), bf16 = operands == Operands::bf16;
#ifdef AZIMUTH_BENCH_AMX
    if (bytes && level_ == CpuLevel::amx) return &peak_amx_int8;
    if (bf16 && level_ == CpuLevel::amx) return &peak_amx_bf16;
#endif
    if (bf16 && level_ == CpuLevel::avx512_bf16) return &peak_avx512_bf16;
    if (bytes && level_ >= CpuLevel::avx512_vnni) return &peak_vnni;
    if (operands == Operands::small_bytes && level_ == CpuLevel::avx2) return &peak_maddubs_paddw;
    if (operands == Operands::whole_bytes && level_ == CpuLevel::avx2) return &peak_maddwd_paddd;
    if (level_ >= CpuLevel::avx512) return &peak_avx512;
    if (level_ == CpuLevel::avx2) return &peak_avx2;
#endif
    return &peak_generic;
  }

  // Operations per second of all threads together.
  double peak_rate(Operands operands) {
    constexpr int64_t kRounds = 400'000;
    int64_t per_round = 0;
    auto run = [&](int64_t, int64_t) {
      float sink = 0.0f;
      per_round = peak_of(operands)(kRounds, &sink);
      g_float_sink = sink;
    };
    const double time = seconds([&] { pool_.for_each(pool_.threads() * 4, 1, run); });
    return static_cast<double>(kRounds * per_round * pool_.threads() * 4) / time;
  }

  double read_rate() {
    const int64_t words = static_cast<int64_t>(memory_.size());
    const double time = seconds([&] {
      pool_.for_each(words, 64 * 1024, [&](int64_t begin, int64_t end) {
        const int64_t quarter = (end - begin) / 4;  // four streams, as the matrix-vector kernel reads them
        const uint64_t* in = memory_.data() + begin;
        uint64_t a = 0, b = 0, c = 0, d = 0;
        for (int64_t i = 0; i < quarter; i += 8) {  // one word of each cache line brings all of it
          a += in[i];
          b += in[i + quarter];
          c += in[i + 2 * quarter];
          d += in[i + 3 * quarter];
        }
        g_bits_sink = a + b + c + d;
      });
    });
    return static_cast<double>(words * 8) / time;
  }

  void report(const std::string& name, const char* unit, double amount, const std::function<void()>& work,
              const std::function<double()>& limit) {
    work();
    const double once = seconds(work);
    const int repeats = std::clamp(static_cast<int>(0.01 / std::max(once, 1e-7)), 1, 10000);
    std::vector<double> rates, limits, ratios;
    for (int round = 0; round < options_.rounds; ++round) {
      limits.push_back(limit());
      const double time = seconds([&] {
        for (int i = 0; i < repeats; ++i) work();
      });
      rates.push_back(amount * repeats / time);
      ratios.push_back(rates.back() / limits.back());
    }
    std::printf("| %-11s | %d | %-52s | %8.1f | %8.1f | %-7s | %5.2f |\n",
                std::string(kernels::to_string(level_)).c_str(), pool_.threads(), name.c_str(), median(rates) / 1e9,
                median(limits) / 1e9, unit, median(ratios));
    std::fflush(stdout);
  }

  const Options& options_;
  const CpuLevel level_;
  ThreadPool pool_;
  std::vector<uint64_t> memory_;
};

Operands operands_of(WeightType type, kernels::RowBits bits) {
  switch (type) {
    case WeightType::q8: return bits == kernels::RowBits::seven ? Operands::small_bytes : Operands::whole_bytes;
    case WeightType::q4: return Operands::small_bytes;
    case WeightType::bf16: return Operands::bf16;
    case WeightType::f32: return Operands::f32;
  }
  return Operands::f32;
}

void bench_product(Bench& bench, WeightType type, int64_t rows, int64_t outputs, int64_t inputs,
                   kernels::RowBits bits = kernels::RowBits::eight) {
  const std::string name = "matmul " + std::string(kernels::to_string(type)) +
                           (bits == kernels::RowBits::seven ? " by 7 bits " : " ") + std::to_string(rows) + " x " +
                           std::to_string(outputs) + " x " + std::to_string(inputs);
  if (!bench.wants(name)) return;
  const std::vector<float> weights = random_floats(outputs * inputs);
  const std::vector<float> x = random_floats(rows * inputs);
  std::vector<float> y(static_cast<size_t>(rows * outputs));
  auto packed = kernels::PackedMatrix::pack(TensorView::contiguous(weights.data(), DType::f32, Shape{outputs, inputs}),
                                            type, bench.pool(), bits);
  if (!packed.ok()) return;
  auto work = [&] { kernels::matmul(*packed, x.data(), rows, inputs, nullptr, y.data(), outputs, bench.pool()); };
  if (rows == 1)
    bench.memory(name, static_cast<double>(packed->bytes()), work);
  else
    bench.compute(name, 2.0 * static_cast<double>(rows * outputs * inputs), work, operands_of(type, bits));
}

// Every query sees the keys up to itself (causal) or all of them; the keys end with the last query.
void bench_attention(Bench& bench, const std::string& what, CacheType type, int64_t queries, int64_t keys,
                     int query_heads, int kv_heads, int head_dim, bool causal) {
  const std::string name = "attention " + std::string(kernels::to_string(type)) + " " + what + " " +
                           std::to_string(queries) + " x " + std::to_string(keys) + ", " + std::to_string(query_heads) +
                           (kv_heads == query_heads ? "" : " on " + std::to_string(kv_heads)) + " x " +
                           std::to_string(head_dim);
  if (!bench.wants(name)) return;
  const std::vector<float> q = random_floats(queries * query_heads * head_dim);
  const std::vector<float> rows = random_floats(keys * kv_heads * head_dim);
  kernels::KvBlocks key_blocks(kernels::KvRole::keys, type, kv_heads, head_dim);
  kernels::KvBlocks value_blocks(kernels::KvRole::values, type, kv_heads, head_dim);
  key_blocks.append(rows.data(), keys, kv_heads * head_dim);
  value_blocks.append(rows.data(), keys, kv_heads * head_dim);
  std::vector<float> out(q.size());
  std::vector<kernels::KeyRange> ranges;
  double seen = 0.0;
  for (int64_t i = 0; i < queries; ++i) {
    ranges.push_back({0, causal ? keys - queries + i + 1 : keys});
    seen += static_cast<double>(ranges.back().end);
  }
  kernels::AttentionArgs args;
  args.queries = q.data();
  args.query_count = queries;
  args.query_stride = query_heads * head_dim;
  args.query_heads = query_heads;
  args.kv_heads = kv_heads;
  args.head_dim = head_dim;
  args.value_dim = head_dim;
  args.cache = type;
  args.key_blocks = key_blocks.blocks();
  args.value_blocks = value_blocks.blocks();
  args.ranges = ranges.data();
  args.scale = 0.1f;
  args.output = out.data();
  args.output_stride = args.query_stride;
  auto work = [&] { kernels::attention(args, bench.pool()); };
  if (queries == 1)
    bench.memory(name, static_cast<double>(key_blocks.bytes() + value_blocks.bytes()), work);
  else
    bench.compute(name, 4.0 * seen * query_heads * head_dim, work,
                  type == CacheType::f32 ? Operands::f32 : Operands::bf16);
}

// What a layer does with fresh queries and keys besides: turning them, and writing keys and values to the cache.
void bench_cache(Bench& bench) {
  constexpr int64_t kTokens = 2048, kWidth = 8 * 128;
  std::vector<float> x = random_floats(kTokens * kWidth);
  const std::vector<float> angles = random_floats(kTokens * 64);
  if (bench.wants("rotate 2048 x 8 x 128"))
    bench.memory("rotate 2048 x 8 x 128", 8.0 * kTokens * kWidth, [&] {
      kernels::rotate(x.data(), kTokens, 8, 128, kWidth, angles.data(), angles.data(), 64, 1, true, bench.pool());
    });
  for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::q8}) {
    for (const kernels::KvRole role : {kernels::KvRole::keys, kernels::KvRole::values}) {
      const std::string name = "append " + std::string(kernels::to_string(type)) +
                               (role == kernels::KvRole::keys ? " keys" : " values") + " 2048 x 8 x 128";
      if (!bench.wants(name)) continue;
      kernels::KvBlocks blocks(role, type, 8, 128);
      bench.memory(name, 4.0 * kTokens * kWidth + kTokens * static_cast<double>(blocks.layout().token_bytes()), [&] {
        blocks.truncate(0);
        blocks.append(x.data(), kTokens, kWidth, &bench.pool());
      });
    }
  }
}

void bench_rows(Bench& bench) {
  constexpr int64_t kRows = 256, kWidth = 2048, kCount = kRows * kWidth;
  constexpr double kReadAndWritten = 8.0 * kCount;
  std::vector<float> x = random_floats(kCount);
  const std::vector<float> y = random_floats(kCount);
  std::vector<float> out(x.size());
  ThreadPool& pool = bench.pool();
  auto run = [&](const std::string& name, double bytes, const std::function<void()>& work) {
    if (bench.wants(name)) bench.memory(name, bytes, work);
  };
  run("rms_norm 256 x 2048", kReadAndWritten,
      [&] { kernels::rms_norm(x.data(), kRows, kWidth, kWidth, y.data(), 1e-6f, out.data(), kWidth, pool); });
  run("layer_norm 256 x 2048", kReadAndWritten, [&] {
    kernels::layer_norm(x.data(), kRows, kWidth, kWidth, y.data(), y.data(), 1e-6f, out.data(), kWidth, pool);
  });
  for (const kernels::Activation activation :
       {kernels::Activation::gelu_erf, kernels::Activation::gelu_tanh, kernels::Activation::silu}) {
    run("activate " + std::string(kernels::to_string(activation)) + " 524288", kReadAndWritten, [&] {
      out = x;
      kernels::activate(activation, out.data(), kCount, pool);
    });
  }
  run("add 524288", 12.0 * kCount, [&] { kernels::add(out.data(), y.data(), kCount, pool); });
  double lse = 0.0, entropy = 0.0;
  run("log_sum_exp 1 x 151936", 4.0 * 151936,
      [&] { kernels::log_sum_exp(x.data(), 1, 151936, 151936, 1.0f, &lse, &entropy, pool); });
}

// 1920 x 1080 RGB to 896 x 672, with as many taps as a bicubic filter has over such a factor.
void bench_resample(Bench& bench) {
  constexpr int64_t kWidth = 1920, kHeight = 1080;
  const auto taps_of = [](int64_t from, int64_t to, int count) {
    kernels::ResampleTaps taps;
    taps.out_size = to;
    taps.max_taps = count;
    taps.precision = 14;
    for (int64_t j = 0; j < to; ++j) {
      taps.first.push_back(static_cast<int32_t>(j * (from - count) / to));
      taps.count.push_back(count);
      for (int t = 0; t < count; ++t) taps.weights.push_back(static_cast<int16_t>((1 << 14) / count));
    }
    return taps;
  };
  const kernels::ResampleTaps across = taps_of(kWidth, 896, 9), down = taps_of(kHeight, 672, 7);
  std::vector<uint8_t> in(kWidth * kHeight * 3, 100), middle(896 * kHeight * 3), out(896 * 672 * 3);
  if (bench.wants("resize 1080p to 896 x 672"))
    bench.memory("resize 1080p to 896 x 672", static_cast<double>(in.size()), [&] {
      kernels::resample_rows(in.data(), kHeight, kWidth, 3, across, middle.data(), bench.pool());
      kernels::resample_columns(middle.data(), kHeight, 896 * 3, down, out.data(), bench.pool());
    });
}

void run_all(const Options& options, CpuLevel level, int threads) {
  if (!kernels::force_level(level).ok()) return;
  Bench bench(options, level, threads);
  const bool slow = level == CpuLevel::generic;
  for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::q8, WeightType::q4}) {
    bench_product(bench, type, 64, 2048, 2048);
    if (!slow) {
      bench_product(bench, type, 64, 6144, 2048);
      bench_product(bench, type, 64, 2048, 6144);
      bench_product(bench, type, 100, 1500, 1777);
      bench_product(bench, type, 256, 2048, 2048);
      if (type == WeightType::q8) bench_product(bench, type, 256, 2048, 2048, kernels::RowBits::seven);
      bench_product(bench, type, 512, 2048, 2048);
      bench_product(bench, type, 8, 2048, 2048);
    }
    bench_product(bench, type, 1, 16384, 4096);
    bench_product(bench, type, 1, 2048, 2048);
  }
  for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::q8}) {
    if (slow) {
      bench_attention(bench, "vision", type, 256, 256, 4, 4, 72, false);
      continue;
    }
    if (type != CacheType::q8) {
      bench_attention(bench, "vision", type, 5292, 5292, 16, 16, 64, false);
      bench_attention(bench, "vision", type, 468, 468, 16, 16, 64, false);
      bench_attention(bench, "vision", type, 2048, 2048, 4, 4, 72, false);
    }
    bench_attention(bench, "prefill", type, 256, 256, 16, 8, 128, true);
    bench_attention(bench, "prefill", type, 2048, 2048, 16, 8, 128, true);
    bench_attention(bench, "chunk", type, 64, 2048, 16, 8, 128, true);
    bench_attention(bench, "decode", type, 1, 1024, 16, 8, 128, true);
    bench_attention(bench, "decode", type, 1, 8192, 16, 8, 128, true);
    bench_attention(bench, "decode", type, 1, 8192, 16, 16, 64, true);
  }
  bench_cache(bench);
  bench_rows(bench);
  bench_resample(bench);
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag.rfind("--", 0) != 0) {
      options.word = flag;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    if (flag == "--threads") {
      options.threads = {std::max(1, std::atoi(value.c_str()))};
    } else if (flag == "--rounds") {
      options.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (flag == "--clock") {
      options.wall = value == "wall";
    } else if (flag == "--level") {
      std::erase_if(options.levels, [&](CpuLevel level) { return kernels::to_string(level) != value; });
      if (options.levels.empty()) return false;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace azimuth::bench

int main(int argc, char** argv) {
  azimuth::bench::Options options;
  if (!azimuth::bench::parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: kernels_bench [--level LEVEL] [--threads N] [--rounds R] [--clock wall] "
                 "[WORD]\n");
    return 2;
  }
  std::printf("| level | threads | kernel | rate | limit | unit | rate / limit |\n|---|---|---|---|---|---|---|\n");
  for (const int threads : options.threads)
    for (const azimuth::kernels::CpuLevel level : options.levels) azimuth::bench::run_all(options, level, threads);
  return 0;
}
