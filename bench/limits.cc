// What this machine can do at most, as JSON on one line:
//
//   limits [--threads N] [--rounds R] [--mib M] [--huge-pages]
//
// prints {"threads", "read_gb_s", "f32_gflops": {kind: rate}, "int8_gops": {kind: rate}, "bf16_gflops": {kind: rate}},
// rates of all threads together by the clock on the wall: of reading M MiB that no cache holds, and of arithmetic that
// lives in registers (bench/peak.h). An operation is half a multiply-add. Kinds that the processor lacks are absent.
//
// The median of R rounds counts, as for the stages that are compared with it: where others share the machine, the best
// of a few moments is more than any stage of seconds is given.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "bench/peak.h"

namespace azimuth::bench {
namespace {

struct Options {
  int threads = 0;  // one per core
  int rounds = 9;
  int64_t mib = 1024;
  bool huge_pages = false;
};

volatile float g_float_sink;
volatile uint64_t g_bits_sink;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <typename Body>
double seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Memory of its own, of which every page has been written: a page that was never touched is one shared page of zeros,
// which stays in the cache.
class Buffer {
 public:
  Buffer(int64_t bytes, bool huge_pages) : bytes_(static_cast<size_t>(bytes)) {
    void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    if (huge_pages) madvise(memory, bytes_, MADV_HUGEPAGE);
    words_ = static_cast<uint64_t*>(memory);
    for (int64_t i = 0; i < size(); ++i) words_[i] = static_cast<uint64_t>(i);
  }
  ~Buffer() {
    if (words_ != nullptr) munmap(words_, bytes_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const uint64_t* words() const { return words_; }
  int64_t size() const { return static_cast<int64_t>(bytes_ / sizeof(uint64_t)); }

 private:
  size_t bytes_;
  uint64_t* words_ = nullptr;
};

// Bytes per second.
double read_rate(const Buffer& buffer, int rounds, ThreadPool& pool) {
  constexpr int64_t kGrain = 1 << 17;  // 1 MiB
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    times.push_back(seconds([&] {
      pool.for_each(buffer.size(), kGrain, [&](int64_t begin, int64_t end) {
        const int64_t quarter = (end - begin) / 4;  // four streams, as matrix-vector kernels read
        const uint64_t* in = buffer.words() + begin;
        uint64_t a = 0, b = 0, c = 0, d = 0;
        for (int64_t i = 0; i < quarter; i += 8) {  // one word of each cache line brings all of it
          a += in[i];
          b += in[i + quarter];
          c += in[i + 2 * quarter];
          d += in[i + 3 * quarter];
        }
        g_bits_sink = a + b + c + d;
      });
    }));
  }
  return static_cast<double>(buffer.size() * 8) / median(std::move(times));
}

// Operations per second.
double peak_rate(Peak peak, int rounds, ThreadPool& pool) {
  constexpr double kShare = 0.05;  // seconds of one thread
  float sink = 0.0f;
  int64_t count = 1000;
  while (seconds([&] { peak(count, &sink); }) < kShare / 2 && count < (int64_t{1} << 40)) count *= 2;
  int64_t per_round = 0;
  std::vector<double> times;
  const int64_t shares = pool.threads() * 4;
  for (int round = 0; round < rounds; ++round) {
    times.push_back(seconds([&] {
      pool.for_each(shares, 1, [&](int64_t, int64_t) {
        float mine = 0.0f;
        const int64_t operations = peak(count, &mine);
        g_float_sink = mine;
        if (operations > 0) __atomic_store_n(&per_round, operations, __ATOMIC_RELAXED);
      });
    }));
  }
  return static_cast<double>(count * per_round * shares) / median(std::move(times));
}

struct Kind {
  const char* group;
  const char* name;
  Peak peak;
};

std::vector<Kind> kinds_here() {
  std::vector<Kind> kinds = {{"f32_gflops", "generic", peak_generic}};
#ifdef AZIMUTH_KERNELS_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kinds.push_back({"f32_gflops", "avx2", peak_avx2});
    kinds.push_back({"int8_gops", "maddubs_paddw", peak_maddubs_paddw});
    kinds.push_back({"int8_gops", "maddwd_paddd", peak_maddwd_paddd});
  }
  if (__builtin_cpu_supports("avx512f")) kinds.push_back({"f32_gflops", "avx512", peak_avx512});
  if (__builtin_cpu_supports("avx512vnni")) kinds.push_back({"int8_gops", "avx512_vnni", peak_vnni});
  if (__builtin_cpu_supports("avx512bf16")) kinds.push_back({"bf16_gflops", "avx512_bf16", peak_avx512_bf16});
#ifdef AZIMUTH_BENCH_AMX
  if (__builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-bf16") && request_amx()) {
    kinds.push_back({"int8_gops", "amx", peak_amx_int8});
    kinds.push_back({"bf16_gflops", "amx", peak_amx_bf16});
  }
#endif
#endif
  return kinds;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--huge-pages") {
      options.huge_pages = true;
      continue;
    }
    if (++i == argc) return false;
    const int value = std::atoi(argv[i]);
    if (value < 1) return false;
    if (flag == "--threads") {
      options.threads = value;
    } else if (flag == "--rounds") {
      options.rounds = value;
    } else if (flag == "--mib") {
      options.mib = value;
    } else {
      return false;
    }
  }
  return true;
}

int run(const Options& options) {
  ThreadPool pool(options.threads);
  const Buffer buffer(options.mib * 1024 * 1024, options.huge_pages);
  if (buffer.words() == nullptr) {
    std::fprintf(stderr, "limits expected %lld MiB of memory to read, found less; ask for less with --mib\n",
                 static_cast<long long>(options.mib));
    return 2;
  }
  nlohmann::json out = {{"threads", pool.threads()}, {"read_gb_s", read_rate(buffer, options.rounds, pool) / 1e9}};
  for (const char* group : {"f32_gflops", "int8_gops", "bf16_gflops"}) out[group] = nlohmann::json::object();
  for (const Kind& kind : kinds_here()) out[kind.group][kind.name] = peak_rate(kind.peak, options.rounds, pool) / 1e9;
  std::puts(out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace azimuth::bench

int main(int argc, char** argv) {
  azimuth::bench::Options options;
  if (!azimuth::bench::parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: limits [--threads N] [--rounds R] [--mib M] [--huge-pages]\n");
    return 2;
  }
  return azimuth::bench::run(options);
}
