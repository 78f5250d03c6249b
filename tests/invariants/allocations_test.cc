// Decoding allocates nothing from the heap: once an answer is under way, a token costs no call of operator new in any
// thread, for every kind of decoder layer, number type and sampling rule, its text shown and its log-probability known.
// Exceptions are what the cache grows by, a block of keys and values every 64 tokens, and the kinds in kKept, each with
// what it costs at most.
//
// Counted are operator new and mmap, from which all C++ of the engine has its memory. The tokenizer's crate has an
// allocator of its own, from which the text of a token takes some pieces: they are not the engine's and not seen here.
// Hooks and taps of a caller are given lists, and cost these.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "azimuth/session.h"
#include "engine/trace_request.h"

namespace {

// ---- counting

std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};

// Where the first allocations of a step came from, for whoever has to find them.
constexpr int kTraces = 6;
constexpr int kFrames = 14;
struct Trace {
  void* frames[kFrames];
  int depth = 0;
};
std::array<Trace, kTraces> traces;
std::atomic<int> traced{0};

void count_one() {
  if (!counting.load(std::memory_order_relaxed)) return;
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (traced.load(std::memory_order_relaxed) >= kTraces) return;
  const int index = traced.fetch_add(1, std::memory_order_relaxed);
  if (index < kTraces)
    traces[static_cast<size_t>(index)].depth = backtrace(traces[static_cast<size_t>(index)].frames, kFrames);
}

void* allocate(size_t bytes, size_t alignment) {
  count_one();
  void* const memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(bytes == 0 ? 1 : bytes)
                           : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The other forms of new and delete call these.
void* operator new(size_t bytes) {
  return allocate(bytes, 1);
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<size_t>(alignment));
}
// In place of the C library's, whose own calls do not come here.
void* mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  count_one();
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace azimuth {
namespace {

constexpr int64_t kBlock = 64;   // tokens of a block of keys and values
constexpr int64_t kTokens = 48;  // of an answer
constexpr int64_t kWarm = 6;     // steps that may still find memory too small

// One way to decode.
struct Kind {
  std::string name;
  std::string golden;          // a model of tests/golden, with a request or without
  std::string positions = {};  // a policy; "": the checkpoint's own
  std::string keys = {};       // Request::keys
  int64_t block = kBlock;      // tokens after which the cache grows
};

// What allocates for a token yet, and how often at most in this test.
const std::map<std::string, int64_t> kKept = {
    {"long_rope", 2},              // the list of what may have to be computed again doubles now and then
    {"long_rope_crosses", 143},    // the same, and once the sequence is computed again
    {"dynamic_frequencies", 201},  // each token changes them, and the sequence is computed again
    {"raw_keys", 38},              // all keys are turned anew, into blocks of their own
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

const std::vector<Kind> kKinds = {
    {"full_attention", "trace/llama3_scaled_rope"},
    {"windows", "trace/mistral_v4_window"},
    {"windows_and_caps", "trace/gemma2_windows_caps"},
    {"two_ropes", "trace/gemma3_text_two_bases"},
    {"query_norms", "trace/qwen3_tied"},
    {"plain_mlp", "trace/opt_bare_f16"},
    {"narrow_embedding_norms_behind", "trace/opt_350m_kind_v4"},
    {"experts", "trace/qwen3_vl_moe_published_experts"},
    {"experts_in_some_layers", "trace/qwen3_vl_moe_some_layers_v5"},
    {"delta", "trace/qwen3_5_text_hybrid"},
    {"delta_and_shared_expert", "trace/qwen3_5_moe_shared_expert"},
    {"per_layer_embeddings_and_shared_keys", "trace/gemma4_shared_keys"},
    {"per_layer_embeddings_and_experts", "trace/gemma4_text_experts_per_layer"},
    {"experts_beside_mlp", "trace/gemma4_experts_both_ways"},
    {"cross_attention", "trace/mllama_two_tiles"},
    {"sections_and_streams", "trace/qwen3_vl_two_images"},
    {"several_id_sets", "trace/qwen3_vl_two_images", "circle"},
    {"long_rope", "trace/qwen3_longrope_beyond"},
    {"long_rope_crosses", "trace/llama_longrope_crosses"},
    {"dynamic_frequencies", "trace/llama_dynamic_beyond"},
    {"raw_keys", "trace/qwen3_tied", "", "raw"},
    {"learned_positions", "additive/llama", "learned:interpolate=100"},
    {"sinusoids", "additive/llama", "sinusoidal"},
    {"alibi", "additive/llama", "alibi"},
    {"alibi_in_windows", "additive/qwen3", "alibi"},
    {"t5", "additive/llama", "t5:buckets=10,distance=17"},
    {"shaw", "additive/qwen3", "shaw:left=5,right=0,values=1"},
    {"cable", "additive/llama", "cable"},
    {"transformer_xl", "additive/llama", "transformer_xl:segment=7,memory=7", "", 7},
};

std::string folder_of(const Kind& kind) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/" + kind.golden;
}

// The golden request; a few tokens where there is none.
Request request_of(const Kind& kind) {
  Request request;
  if (std::ifstream file(folder_of(kind) + "/request.json"); file) {
    TraceOptions options;
    options.base_directory = folder_of(kind);
    Result<engine::TraceRequest> read = engine::read_trace_request({std::istreambuf_iterator<char>(file), {}}, options);
    EXPECT_TRUE(read.ok()) << read.status().message();
    request = read->samples[0];
  } else {
    request.has_ids = true;
    request.ids = {78, 66, 42, 67, 41, 64, 54, 64, 56, 89};
  }
  request.positions = kind.positions;
  request.keys = kind.keys;
  request.frequencies = "";
  return request;
}

Engine load(const Kind& kind, const std::string& dtype, int threads) {
  EngineOptions options;
  options.dtype = dtype;
  options.threads = threads;
  Result<Engine> engine = Engine::load(folder_of(kind) + "/model", options);
  EXPECT_TRUE(engine.ok()) << kind.golden << ": " << engine.status().message();
  return std::move(*engine);
}

GenerateOptions greedy() {
  GenerateOptions options;
  options.max_new_tokens = kTokens;
  options.temperature = 0.0;
  options.ignore_eos = true;
  return options;
}

GenerateOptions every_rule() {
  GenerateOptions options = greedy();
  options.temperature = 0.9;
  options.top_k = 40;
  options.top_p = 0.95;
  options.min_p = 0.01;
  options.repetition_penalty = 1.1;
  options.presence_penalty = 0.2;
  options.frequency_penalty = 0.1;
  options.seed = 7;
  options.stop = {"a text that no model says", "\n\n\n\n\n\n"};
  return options;
}

// What the steps of one answer allocated. A step is from one token's entry into the decoder to the next one's.
class Steps {
 public:
  Generation run(const Engine& engine, const Request& request, const GenerateOptions& options) {
    Session session(engine);
    GenerateCallbacks callbacks;
    callbacks.on_position = [this](int64_t step, const float*, int) { begin(step); };
    callbacks.on_text = [](std::string_view) {};
    static const std::atomic<bool> never = false;
    callbacks.cancel = &never;
    Result<Generation> answer = session.generate(request, options, callbacks);
    counting = false;
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    if (!answer.ok()) return {};
    prompt_ = answer->prompt_tokens;
    return std::move(*answer);
  }

  // The largest count of a step in which the cache begins no block of `block` tokens.
  int64_t most(int64_t block) const {
    int64_t most = 0;
    for (int64_t step = kWarm; step < steps_ - 1; ++step) {
      if ((prompt_ + step) % block != 0) most = std::max(most, counts_[static_cast<size_t>(step)]);
    }
    return most;
  }
  int64_t steps() const { return steps_; }

  std::string describe() const {
    std::ostringstream text;
    text << "allocations by step, prompt of " << prompt_ << " tokens:";
    for (int64_t step = 0; step < steps_ - 1; ++step) text << ' ' << counts_[static_cast<size_t>(step)];
    for (int i = 0; i < kept_; ++i) {
      const Trace& trace = traces_[static_cast<size_t>(i)];
      text << "\nin step " << step_of_traces_ << ":";
      char** const names = backtrace_symbols(trace.frames, trace.depth);
      for (int frame = 1; frame < trace.depth; ++frame) text << "\n  " << names[frame];
      std::free(names);
    }
    return text.str();
  }

 private:
  void begin(int64_t step) {
    counting = false;
    if (step > 0) counts_[static_cast<size_t>(step - 1)] = allocations.load();
    if (step > kWarm && kept_ == 0 && (kept_ = std::min(traced.load(), kTraces)) > 0) {
      traces_ = traces;
      step_of_traces_ = step - 1;
    }
    steps_ = step + 1;
    allocations = 0;
    traced = 0;
    counting = true;
  }

  std::array<int64_t, kTokens> counts_{};
  int64_t steps_ = 0;
  int64_t prompt_ = 0;
  std::array<Trace, kTraces> traces_ = {};
  int kept_ = 0;
  int64_t step_of_traces_ = 0;
};

class Allocations : public ::testing::TestWithParam<Kind> {
 protected:
  static void SetUpTestSuite() {
    void* frames[4];
    backtrace(frames, 4);  // loads what it needs
  }

  static int64_t kept() {
    const auto found = kKept.find(GetParam().name);
    return found == kKept.end() ? 0 : found->second;
  }
};

TEST_P(Allocations, NoneForAToken) {
  const Request request = request_of(GetParam());
  for (const char* dtype : {"f32", "bf16", "q8", "q4"}) {
    SCOPED_TRACE(dtype);
    const Engine engine = load(GetParam(), dtype, 1);
    for (const GenerateOptions& options : {greedy(), every_rule()}) {
      SCOPED_TRACE(options.temperature > 0.0 ? "sampling" : "greedy");
      Steps steps;
      steps.run(engine, request, options);
      EXPECT_GT(steps.steps(), kWarm + 16);
      EXPECT_LE(steps.most(GetParam().block), kept()) << steps.describe();
    }
  }
}

// A worker takes memory when it works on something for the first time, and that may be late; never twice.
TEST_P(Allocations, NoneInOtherThreads) {
  const Request request = request_of(GetParam());
  const Engine engine = load(GetParam(), "q8", 3);
  constexpr int kAnswers = 8;
  Steps steps;
  for (int answer = 0; answer < kAnswers; ++answer) {
    steps = {};
    steps.run(engine, request, greedy());
    if (steps.most(GetParam().block) <= kept()) return;
  }
  FAIL() << steps.describe();
}

INSTANTIATE_TEST_SUITE_P(Decoding, Allocations, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace azimuth
