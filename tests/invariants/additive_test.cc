// Additive position encodings inside the real decoder.
//
// Against tests/golden/additive, where transformers' own decoders run with each encoding in place of the rotary one
// (tests/oracle/additive_reference.py), and the invariants that hold for every policy: how a prompt is cut, batched,
// cached and spread over threads never changes a bit.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/sequence.h"
#include "formats/safetensors.h"
#include "kernels/kernels.h"
#include "support/temp_directory.h"

namespace azimuth::engine {
namespace {

using nlohmann::json;
using Rows = std::vector<float>;  // [tokens, hidden], before the final norm

// Of the standard deviation of the compared tensor: docs/architecture.md, "Numbers", for small checkpoints.
constexpr double kTolerance = 2e-4;

std::string golden(const std::string& name) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/additive/" + name;
}

const json& cases() {
  static const json all = json::parse(std::ifstream(golden("cases.json")));
  return all;
}

// Loaded once per model, thread count and type of weights.
const Engine& load(const std::string& model, int threads = 1, const std::string& dtype = "f32") {
  static std::map<std::tuple<std::string, int, std::string>, Engine> engines;
  const std::tuple key(model, threads, dtype);
  if (const auto found = engines.find(key); found != engines.end()) return found->second;
  EngineOptions options;
  options.dtype = dtype;
  options.threads = threads;
  Result<Engine> engine = Engine::load(golden(model) + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engines.emplace(key, std::move(*engine)).first->second;
}

PolicyChoice choose(const Engine& engine, const std::string& policy) {
  Result<PolicyChoice> choice = choose_policy(engine.impl(), policy);
  EXPECT_TRUE(choice.ok()) << choice.status().message();
  return std::move(*choice);
}

RunContext context_of(const Engine& engine, const Tap* tap = nullptr) {
  return {*engine.impl().pool, tap, nullptr, {}};
}

Sequence make_sequence(const Engine& engine, const PolicyChoice& policy, const std::vector<int32_t>& ids) {
  Prompt prompt;
  prompt.ids = ids;
  Span text;
  text.end = static_cast<int64_t>(ids.size());
  prompt.spans = {text};
  decoder::DecoderInput input;
  input.ids = ids;
  Result<Tensor> embedded = engine.impl().decoder->embed(ids);
  EXPECT_TRUE(embedded.ok());
  input.hidden = std::move(*embedded);
  Result<PositionTable> positions = positions::layout_prompt(policy.policy, prompt.spans, {});
  EXPECT_TRUE(positions.ok());
  return {std::move(prompt), std::move(input), std::move(*positions), policy.encoding,
          engine.impl().decoder->new_cache()};
}

Status prefill_rows(const Engine& engine, std::span<Sequence> sequences, int64_t pass_tokens, std::vector<Rows>& rows,
                    const Tap* tap = nullptr) {
  rows.assign(sequences.size(), {});
  const int64_t hidden = engine.impl().spec.text.hidden;
  return prefill(
      *engine.impl().decoder, sequences, context_of(engine, tap),
      [&](int sequence, int64_t, const float* from, int64_t count) {
        Rows& to = rows[static_cast<size_t>(sequence)];
        to.insert(to.end(), from, from + count * hidden);
        return ok_status();
      },
      pass_tokens);
}

Rows run(const Engine& engine, Sequence& sequence, int64_t pass_tokens = kPrefillTokens) {
  std::vector<Rows> rows;
  const Status status = prefill_rows(engine, {&sequence, 1}, pass_tokens, rows);
  EXPECT_TRUE(status.ok()) << status.message();
  return rows[0];
}

Rows run_fresh(const Engine& engine, const PolicyChoice& policy, const std::vector<int32_t>& ids,
               int64_t pass_tokens = kPrefillTokens) {
  Sequence sequence = make_sequence(engine, policy, ids);
  return run(engine, sequence, pass_tokens);
}

Rows step(const Engine& engine, Sequence& sequence, int32_t id, int64_t index) {
  Sequence* const one = &sequence;
  Result<Tensor> row = decode_step(*engine.impl().decoder, {&one, 1}, {&id, 1}, {&index, 1}, context_of(engine));
  EXPECT_TRUE(row.ok()) << row.status().message();
  return Rows(row->data(), row->data() + row->elements());
}

double deviation(const float* values, int64_t count) {
  double sum = 0.0;
  double squares = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    sum += values[i];
    squares += static_cast<double>(values[i]) * values[i];
  }
  const double mean = sum / static_cast<double>(count);
  return std::sqrt(squares / static_cast<double>(count) - mean * mean);
}

// Largest difference, in standard deviations of `expected`.
double error(const TensorView& expected, const float* actual) {
  const auto* values = expected.as<float>();
  double most = 0.0;
  for (int64_t i = 0; i < expected.shape.elements(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(values[i]) - static_cast<double>(actual[i])));
  }
  return most / deviation(values, expected.shape.elements());
}

struct GoldenCase {
  std::string name;
  kernels::CpuLevel level;
};

class AdditiveGoldens : public ::testing::TestWithParam<GoldenCase> {
 protected:
  void SetUp() override { ASSERT_TRUE(kernels::force_level(GetParam().level).ok()); }
  void TearDown() override { ASSERT_TRUE(kernels::force_level(before_).ok()); }

 private:
  const kernels::CpuLevel before_ = kernels::active_level();
};

TEST_P(AdditiveGoldens, EqualTheReference) {
  const json& golden_case = cases()[GetParam().name];
  EngineOptions options;
  options.dtype = "f32";
  options.threads = 1;
  // Weights are packed for the level that is active while loading.
  const Result<Engine> engine = Engine::load(golden(golden_case["model"]) + "/model", options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const auto expected = formats::SafeTensors::open(golden(GetParam().name + ".safetensors"));
  ASSERT_TRUE(expected.ok());
  const TensorView logits = *expected->tensor("logits");
  const TensorView layers = *expected->tensor("layers_last");

  const PolicyChoice policy = choose(*engine, golden_case["policy"]);
  const auto ids = golden_case["prompt_ids"].get<std::vector<int32_t>>();
  const auto tokens = static_cast<int64_t>(ids.size());
  const int64_t hidden = engine->impl().spec.text.hidden;
  ASSERT_EQ(logits.shape, Shape({tokens, engine->impl().spec.text.vocab}));
  Rows last_layers;
  const Tap tap = [&](const TapPoint& point, const TensorView& rows) {
    if (point.stage != Stage::layer_output) return;
    const float* last = rows.as<float>() + (rows.shape[0] - 1) * hidden;
    last_layers.insert(last_layers.end(), last, last + hidden);
  };
  Sequence sequence = make_sequence(*engine, policy, ids);
  std::vector<Rows> rows;
  ASSERT_TRUE(prefill_rows(*engine, {&sequence, 1}, kPrefillTokens, rows, &tap).ok());
  Tensor found = engine->impl().decoder->logits(rows[0].data(), tokens, *engine->impl().pool);
  EXPECT_LT(error(logits, found.data()), kTolerance);
  ASSERT_EQ(static_cast<int64_t>(last_layers.size()), layers.shape.elements());
  EXPECT_LT(error(layers, last_layers.data()), kTolerance);

  std::vector<int32_t> greedy;
  const int64_t vocab = engine->impl().spec.text.vocab;
  const float* next = found.row(tokens - 1);
  for (int64_t index = 0; index < static_cast<int64_t>(golden_case["greedy_ids"].size()); ++index) {
    greedy.push_back(static_cast<int32_t>(kernels::argmax(next, vocab)));
    const Rows row = step(*engine, sequence, greedy.back(), index);
    found = engine->impl().decoder->logits(row.data(), 1, *engine->impl().pool);
    next = found.data();
  }
  EXPECT_EQ(greedy, golden_case["greedy_ids"].get<std::vector<int32_t>>());
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> all;
  for (const auto& [name, each] : cases().items()) {
    for (const kernels::CpuLevel level : kernels::available_levels()) all.push_back({name, level});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, AdditiveGoldens, ::testing::ValuesIn(golden_cases()), [](const auto& each) {
  return each.param.name + "_" + std::string(kernels::to_string(each.param.level));
});

// ---- invariants, of every golden policy

struct InvariantCase {
  std::string name;
  std::string dtype;
};

class AdditiveInvariants : public ::testing::TestWithParam<InvariantCase> {
 protected:
  const json& golden_case() const { return cases()[GetParam().name]; }
  const Engine& load_model(int threads = 1) const { return load(golden_case()["model"], threads, GetParam().dtype); }
  std::string policy() const { return golden_case()["policy"]; }
  // The golden prompt, doubled, so that several segments and windows fit.
  std::vector<int32_t> ids() const {
    auto once = golden_case()["prompt_ids"].get<std::vector<int32_t>>();
    if (policy().starts_with("learned")) return once;  // the table ends
    std::vector<int32_t> twice = once;
    twice.insert(twice.end(), once.rbegin(), once.rend());
    return twice;
  }
};

TEST_P(AdditiveInvariants, ChunkedPrefillEqualsOneShot) {
  const Engine& engine = load_model();
  const PolicyChoice choice = choose(engine, policy());
  const Rows whole = run_fresh(engine, choice, ids(), 1 << 20);
  for (const int64_t pass_tokens : {1, 2, 3, 7, 16}) EXPECT_EQ(run_fresh(engine, choice, ids(), pass_tokens), whole);
}

TEST_P(AdditiveInvariants, BatchEqualsAlone) {
  const Engine& engine = load_model();
  const PolicyChoice choice = choose(engine, policy());
  const std::vector<int32_t> all = ids();
  std::vector<std::vector<int32_t>> prompts;
  for (const size_t tokens : {size_t{1}, size_t{6}, all.size(), size_t{11}}) {
    prompts.emplace_back(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(tokens));
  }
  std::vector<Sequence> batch;
  for (const auto& prompt : prompts) batch.push_back(make_sequence(engine, choice, prompt));
  std::vector<Rows> together;
  ASSERT_TRUE(prefill_rows(engine, batch, 10, together).ok());
  for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(together[i], run_fresh(engine, choice, prompts[i])) << i;
}

TEST_P(AdditiveInvariants, AnyThreadCountGivesTheSameBits) {
  const Engine& alone = load_model();
  const Rows one = run_fresh(alone, choose(alone, policy()), ids());
  for (const int threads : {2, 3, 5}) {
    const Engine& engine = load_model(threads);
    EXPECT_EQ(run_fresh(engine, choose(engine, policy()), ids()), one) << threads;
  }
}

TEST_P(AdditiveInvariants, TruncatedSnapshotEqualsFreshRun) {
  const Engine& engine = load_model();
  const PolicyChoice choice = choose(engine, policy());
  const int64_t hidden = engine.impl().spec.text.hidden;
  Sequence sequence = make_sequence(engine, choice, ids());
  const Rows fresh = run(engine, sequence);
  const auto tokens = static_cast<int64_t>(ids().size());
  for (int64_t kept = 0; kept < tokens; ++kept) {
    Sequence again = make_sequence(engine, choice, ids());
    again.cache = sequence.cache;
    ASSERT_TRUE(again.cache.truncate(kept).ok());
    ASSERT_EQ(again.cache.length(), kept);
    EXPECT_EQ(run(engine, again, 5), Rows(fresh.begin() + kept * hidden, fresh.end())) << kept;
    EXPECT_EQ(sequence.cache.length(), tokens) << "the snapshot changed its original";
  }
}

TEST_P(AdditiveInvariants, DecodingEqualsPrefillingAgain) {
  const Engine& engine = load_model();
  const PolicyChoice choice = choose(engine, policy());
  const int64_t hidden = engine.impl().spec.text.hidden;
  const std::vector<int32_t> all = ids();
  const Rows whole = run_fresh(engine, choice, all);
  constexpr size_t kPrompt = 3;
  Sequence sequence = make_sequence(engine, choice, {all.begin(), all.begin() + kPrompt});
  run(engine, sequence);
  for (size_t token = kPrompt; token < all.size(); ++token) {
    const auto row = static_cast<std::ptrdiff_t>(token) * hidden;
    EXPECT_EQ(step(engine, sequence, all[token], static_cast<int64_t>(token - kPrompt)),
              Rows(whole.begin() + row, whole.begin() + row + hidden))
        << token;
  }
}

// A pass that is stopped half-way leaves no trace in the cache.
TEST_P(AdditiveInvariants, CancelledPassLeavesTheCache) {
  const Engine& engine = load_model();
  const PolicyChoice choice = choose(engine, policy());
  const int64_t hidden = engine.impl().spec.text.hidden;
  const Rows fresh = run_fresh(engine, choice, ids());
  Sequence sequence = make_sequence(engine, choice, ids());
  const int64_t kept = 4;
  std::atomic<bool> stop = false;
  RunContext context{*engine.impl().pool, nullptr, &stop, {}};
  decoder::SequenceChunk chunk{&sequence.input, &sequence.positions, sequence.encoding.get(), 0, kept, &sequence.cache};
  ASSERT_TRUE(engine.impl().decoder->forward({&chunk, 1}, context).ok());
  context.progress = [&](double fraction) { stop = fraction > 0.3; };  // behind the first layer
  chunk.begin = kept;
  chunk.end = static_cast<int64_t>(ids().size());
  EXPECT_EQ(engine.impl().decoder->forward({&chunk, 1}, context).status().code(), StatusCode::cancelled);
  ASSERT_EQ(sequence.cache.length(), kept);
  EXPECT_EQ(run(engine, sequence), Rows(fresh.begin() + kept * hidden, fresh.end()));
}

std::vector<InvariantCase> invariant_cases() {
  std::vector<InvariantCase> all;
  for (const auto& [name, each] : cases().items()) {
    for (const std::string dtype : {"f32", "bf16"}) all.push_back({name, dtype});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, AdditiveInvariants, ::testing::ValuesIn(invariant_cases()),
                         [](const auto& each) { return each.param.name + "_" + each.param.dtype; });

// ---- what only some policies have

Engine load_untrained(const std::string& name = "qwen3_tied") {
  EngineOptions options;
  options.dtype = "f32";
  options.threads = 1;
  Result<Engine> engine =
      Engine::load(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

TEST(Additive, PoliciesRunUntrainedOnAnyCheckpointAndTheSameEveryTime) {
  const Engine first = load_untrained();
  const Engine second = load_untrained();
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<Rows> different = {run_fresh(first, choose(first, ""), ids)};
  for (const std::string policy :
       {"learned:rows=9", "shaw:left=4,right=1", "shaw:left=4,right=1,values=1", "transformer_xl:segment=4,memory=3",
        "transformer_xl:segment=4,memory=3,untied=1", "t5:buckets=6,distance=9", "cable", "alibi", "sinusoidal"}) {
    SCOPED_TRACE(policy);
    different.push_back(run_fresh(first, choose(first, policy), ids));
    EXPECT_EQ(run_fresh(second, choose(second, policy), ids), different.back());
    for (size_t other = 0; other + 1 < different.size(); ++other)
      EXPECT_NE(different[other], different.back()) << other;
  }
}

TEST(Additive, UntrainedNumbersAreNormalWithTheDocumentedDeviation) {
  const Tensor tensor = untrained("table", Shape({99, 101}));
  EXPECT_NEAR(deviation(tensor.data(), tensor.elements()), PositionWeights::kInitialDeviation, 4e-4);
  EXPECT_NE(tensor.data()[0], untrained("other", Shape({1})).data()[0]);
  // A longer tensor begins with the same numbers, and no element repeats another.
  EXPECT_EQ(untrained("table", Shape({5})).data()[4], tensor.data()[4]);
  const std::set<float> distinct(tensor.data(), tensor.data() + tensor.elements());
  EXPECT_GT(distinct.size(), 9900u);
}

TEST(Additive, TensorsOfAnotherShapeAreRefusedByName) {
  const Engine& engine = load("llama");
  const Status status = choose_policy(engine.impl(), "t5:buckets=12").status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  for (const char* part : {"position_encoding.relative_bias", "[12, 6]", "[10, 6]"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
  EXPECT_FALSE(choose_policy(engine.impl(), "shaw:left=1,right=1").ok());
  EXPECT_FALSE(choose_policy(engine.impl(), "learned:rows=7").ok());
  EXPECT_FALSE(choose_policy(engine.impl(), "learned:offset=40").ok());
  EXPECT_FALSE(choose_policy(engine.impl(), "t5:buckets=10,distance=5").ok());
}

// The golden checkpoint with one tensor more.
std::string write_model_with(const testing_support::TempDirectory& folder, const std::string& name,
                             const TensorView& tensor) {
  const std::string model = folder.path("model");
  std::filesystem::copy(golden("llama/model"), model, std::filesystem::copy_options::recursive);
  const auto file = formats::SafeTensors::open(golden("llama/model/model.safetensors"));
  EXPECT_TRUE(file.ok());
  std::vector<formats::NamedTensor> tensors = {{name, tensor}};
  for (const formats::TensorEntry& entry : file->entries()) {
    if (entry.name != name) tensors.push_back({entry.name, *file->tensor(entry.name)});
  }
  EXPECT_TRUE(formats::write_safetensors(model + "/model.safetensors", tensors).ok());
  return model;
}

TEST(Additive, TensorsOfAnotherTypeAreRefusedByName) {
  const std::vector<int64_t> whole(6, 1);
  const testing_support::TempDirectory folder;
  const std::string model = write_model_with(folder, "position_encoding.relative_bias",
                                             TensorView::contiguous(whole.data(), DType::i64, Shape({6})));
  const Status status = Engine::load(model, {}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("position_encoding.relative_bias"), std::string::npos) << status.message();
}

TEST(Additive, TensorsThatNoPolicyReadsAreTolerated) {
  const std::vector<float> numbers(6, 1.0f);
  const testing_support::TempDirectory folder;
  const std::string model = write_model_with(folder, "position_encoding.something",
                                             TensorView::contiguous(numbers.data(), DType::f32, Shape({3, 2})));
  EXPECT_TRUE(Engine::load(model, {}).ok());
}

TEST(Additive, ParametersThatAskForTooMuchMemoryAreRefused) {
  const Engine engine = load_untrained();
  const Status status = choose_policy(engine.impl(), "transformer_xl:segment=1000000,memory=1000000").status();
  EXPECT_EQ(status.code(), StatusCode::resource_exhausted) << status.message();
}

TEST(Additive, PromptsBeyondALearnedTableAreRefusedAndTheCacheStays) {
  const Engine engine = load_untrained();
  const PolicyChoice policy = choose(engine, "learned:rows=6,offset=2");
  Sequence sequence = make_sequence(engine, policy, {1, 2, 3, 4, 5});
  std::vector<Rows> rows;
  const Status status = prefill_rows(engine, {&sequence, 1}, 4, rows);
  EXPECT_EQ(status.code(), StatusCode::out_of_range);
  EXPECT_NE(status.message().find("interpolate"), std::string::npos) << status.message();
  EXPECT_EQ(sequence.cache.length(), 4);
  Sequence* const one = &sequence;
  const int32_t id = 5;
  const int64_t first = 0;
  EXPECT_EQ(decode_step(*engine.impl().decoder, {&one, 1}, {&id, 1}, {&first, 1}, context_of(engine)).status().code(),
            StatusCode::out_of_range);
}

// It would run without any positions.
TEST(Additive, APolicyChosenWithoutWeightsDoesNotRun) {
  const Engine engine = load_untrained();
  const Result<PolicyChoice> choice = choose_policy(engine.impl().spec.text, "alibi");
  ASSERT_TRUE(choice.ok());
  Sequence sequence = make_sequence(engine, *choice, {1, 2, 3});
  std::vector<Rows> rows;
  EXPECT_EQ(prefill_rows(engine, {&sequence, 1}, 10, rows).code(), StatusCode::internal);
}

TEST(Additive, ACacheGoesOnUnderItsOwnPolicyOnly) {
  const Engine engine = load_untrained();
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6};
  for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{{"alibi", ""}, {"", "alibi"}}) {
    Sequence sequence = make_sequence(engine, choose(engine, before), ids);
    run(engine, sequence);
    ASSERT_TRUE(sequence.cache.truncate(3).ok());
    sequence.encoding = choose(engine, after).encoding;
    std::vector<Rows> rows;
    EXPECT_EQ(prefill_rows(engine, {&sequence, 1}, 10, rows).code(), StatusCode::invalid_argument);
    EXPECT_EQ(sequence.cache.length(), 3);
  }
}

TEST(Additive, IdsThatATermHasNoMeaningForAreRefused) {
  const Engine engine = load_untrained();
  const auto code = [&](const std::string& policy, std::vector<float> ids) {
    Sequence sequence = make_sequence(engine, choose(engine, policy), {1, 2, 3});
    sequence.positions.sets[0].ids = std::move(ids);
    std::vector<Rows> rows;
    return prefill_rows(engine, {&sequence, 1}, 10, rows).code();
  };
  EXPECT_EQ(code("t5", {0.0f, 0.5f, 1.0f}), StatusCode::invalid_argument);
  EXPECT_EQ(code("shaw", {0.0f, 0.5f, 1.0f}), StatusCode::invalid_argument);
  EXPECT_EQ(code("alibi", {0.0f, 0.5f, 1.0f}), StatusCode::ok);
  EXPECT_EQ(code("t5", {5.0f, 5.0f, 90.0f}), StatusCode::ok);
  EXPECT_EQ(code("transformer_xl", {1.0f, 2.0f, 3.0f}), StatusCode::invalid_argument);
}

// Distances are between ids, wherever the tokens lie in the cache: moving all ids by a constant changes nothing, and
// moving some does.
TEST(Additive, TermsReadIdsAndNotCacheIndices) {
  const Engine engine = load_untrained();
  for (const std::string policy : {"alibi", "t5:buckets=8,distance=9", "shaw:left=3,right=3"}) {
    SCOPED_TRACE(policy);
    const PolicyChoice choice = choose(engine, policy);
    const auto with_ids = [&](std::vector<float> ids) {
      Sequence sequence = make_sequence(engine, choice, {1, 2, 3, 4});
      sequence.positions.sets[0].ids = std::move(ids);
      return run(engine, sequence, 3);
    };
    EXPECT_EQ(with_ids({0, 1, 2, 3}), with_ids({70, 71, 72, 73}));
    EXPECT_NE(with_ids({0, 1, 2, 3}), with_ids({0, 0, 0, 1}));
  }
}

// What a layer keeps is the layer inputs of all tokens, and keys and values of what the current segment sees.
TEST(TransformerXl, KeysAreKeptForTheVisibleSegmentsOnly) {
  const Engine engine = load_untrained();
  const PolicyChoice policy = choose(engine, "transformer_xl:segment=4,memory=6");
  Sequence sequence = make_sequence(engine, policy, std::vector<int32_t>(15, 7));
  run(engine, sequence, 5);
  for (size_t layer = 0; layer < engine.impl().spec.text.layers.size(); ++layer) {
    const decoder::LayerCache& cache = sequence.cache.layer(static_cast<int>(layer));
    EXPECT_EQ(cache.first, 6);  // segment 3 begins at token 12
    EXPECT_EQ(cache.keys.length(), 9);
    EXPECT_EQ(cache.state.length(), 15);
    EXPECT_EQ(cache.length(), 15);
  }
}

// A token that lies before the memory is not seen in the first layer: with one segment between, only later layers know.
TEST(TransformerXl, TokensBeyondTheMemoryDoNotReachTheFirstLayer) {
  const Engine engine = load_untrained();
  const PolicyChoice policy = choose(engine, "transformer_xl:segment=3,memory=3");
  const auto first_layer = [&](std::vector<int32_t> ids) {
    Rows last;
    const Tap tap = [&](const TapPoint& point, const TensorView& rows) {
      if (point.stage != Stage::layer_output || point.layer != 0) return;
      const int64_t width = rows.shape[1];
      const float* row = rows.as<float>() + (rows.shape[0] - 1) * width;
      last.assign(row, row + width);
    };
    Sequence sequence = make_sequence(engine, policy, ids);
    std::vector<Rows> rows;
    EXPECT_TRUE(prefill_rows(engine, {&sequence, 1}, kPrefillTokens, rows, &tap).ok());
    return last;
  };
  const Rows usual = first_layer({1, 2, 3, 4, 5, 6, 7, 8});  // the last token sees tokens 3 to 7
  EXPECT_EQ(first_layer({1, 2, 9, 4, 5, 6, 7, 8}), usual);
  EXPECT_NE(first_layer({1, 2, 3, 9, 5, 6, 7, 8}), usual);
}

// ---- a checkpoint that names its policy

TEST(Additive, ACheckpointMayNameItsPolicy) {
  const testing_support::TempDirectory folder;
  const std::string model = folder.path("model");
  std::filesystem::copy(golden("llama/model"), model, std::filesystem::copy_options::recursive);
  const auto load_with = [&](const std::string& policy) {
    json config = json::parse(std::ifstream(golden("llama/model/config.json")));
    config["position_policy"] = policy;
    std::ofstream(model + "/config.json") << config.dump();
    EngineOptions options;
    options.dtype = "f32";
    options.threads = 1;
    return Engine::load(model, options);
  };
  const json& golden_case = cases()["t5"];
  const Result<Engine> engine = load_with(golden_case["policy"]);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const auto ids = golden_case["prompt_ids"].get<std::vector<int32_t>>();
  EXPECT_EQ(run_fresh(*engine, choose(*engine, ""), ids),
            run_fresh(load("llama"), choose(load("llama"), golden_case["policy"]), ids));
  for (const char* wrong : {"t6", "t5:buckets=12", "glin"}) {
    const Status status = load_with(wrong).status();
    EXPECT_FALSE(status.ok()) << wrong;
    EXPECT_TRUE(status.message().starts_with("config.json")) << status.message();
  }
}

}  // namespace
}  // namespace azimuth::engine
