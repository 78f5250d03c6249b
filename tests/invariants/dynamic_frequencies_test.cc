// Frequencies that follow the length (dynamic NTK, LongRoPE) while a sequence grows.
//
// The bug that this stops: keys that were turned by other frequencies than the query that reads them, which no error
// shows and which makes an answer depend on where the prompt ended. `as-reference`, which keeps such keys on purpose,
// is compared with transformers by the golden traces of the same checkpoints.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "azimuth/session.h"
#include "engine/start_sequence.h"

namespace azimuth::engine {
namespace {

using nlohmann::json;
using Rows = std::vector<float>;

// Of the standard deviation of the logits: docs/architecture.md, "Numbers", for small checkpoints.
constexpr double kTolerance = 2e-4;

const json& golden() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/dynamic/single_shot.json"));
  return all;
}

const Engine& load(const std::string& name) {
  static std::map<std::string, Engine> engines;
  if (const auto found = engines.find(name); found != engines.end()) return found->second;
  EngineOptions options;
  options.dtype = "f32";
  options.threads = 1;
  Result<Engine> engine =
      Engine::load(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engines.emplace(name, std::move(*engine)).first->second;
}

RunContext context_of(const Engine& engine) {
  return {*engine.impl().pool, nullptr, nullptr, {}};
}

// A sequence of text tokens, as a request with these options would start it.
Sequence start(const Engine& engine, const std::vector<int32_t>& ids, const SequenceOptions& options) {
  const Engine::Impl& model = engine.impl();
  PreparedSample sample;
  sample.prompt.ids = ids;
  Span text;
  text.end = static_cast<int64_t>(ids.size());
  sample.prompt.spans = {text};
  const Result<PolicyChoice> policy = choose_policy(model, options.policy);
  EXPECT_TRUE(policy.ok());
  Result<PositionTable> positions = positions::layout_prompt(policy->policy, sample.prompt.spans, {});
  EXPECT_TRUE(positions.ok());
  sample.positions = std::move(*positions);
  decoder::DecoderInput input;
  input.ids = ids;
  Result<Tensor> embedded = model.decoder->embed(ids);
  EXPECT_TRUE(embedded.ok());
  input.hidden = std::move(*embedded);
  Result<Sequence> sequence = start_sequence(model, options, sample, std::move(input));
  EXPECT_TRUE(sequence.ok()) << sequence.status().message();
  return std::move(*sequence);
}

// The last row [hidden].
Tensor prefill_last(const Engine& engine, Sequence& sequence) {
  const int64_t hidden = engine.impl().spec.text.hidden;
  Tensor last({1, hidden});
  const Status status = prefill(*engine.impl().decoder, {&sequence, 1}, context_of(engine),
                                [&](int, int64_t, const float* rows, int64_t count) {
                                  std::copy_n(rows + (count - 1) * hidden, hidden, last.data());
                                  return ok_status();
                                });
  EXPECT_TRUE(status.ok()) << status.message();
  return last;
}

Tensor feed(const Engine& engine, Sequence& sequence, int32_t id, int64_t step) {
  Sequence* const one = &sequence;
  Result<Tensor> row = decode_step(*engine.impl().decoder, {&one, 1}, {&id, 1}, {&step, 1}, context_of(engine));
  EXPECT_TRUE(row.ok()) << row.status().message();
  return std::move(*row);
}

Rows values(const Tensor& row) {
  return {row.data(), row.data() + row.elements()};
}

class DynamicFrequencies : public ::testing::TestWithParam<std::string> {
 protected:
  const json& expected() const { return golden()[GetParam()]; }
  const Engine& engine() const { return load(GetParam()); }
  std::vector<int32_t> ids(int64_t count) const {
    const auto all = expected()["ids"].get<std::vector<int32_t>>();
    return {all.begin(), all.begin() + count};
  }
  int64_t prompt() const { return expected()["prompt"].get<int64_t>(); }
  int64_t all() const { return static_cast<int64_t>(expected()["ids"].size()); }

  void expect_reference(const Tensor& hidden, const json& row) const {
    const Tensor logits = engine().impl().decoder->logits(hidden.data(), 1, *engine().impl().pool);
    const auto first = row["first"].get<std::vector<double>>();
    for (size_t i = 0; i < first.size(); ++i)
      EXPECT_NEAR(logits.data()[i], first[i], kTolerance * row["std"].get<double>()) << row["length"] << " " << i;
  }
};

// Every step of a growing sequence gives what transformers gives for the whole of it at once.
TEST_P(DynamicFrequencies, ReRotatedDecodingIsTheReferencesSingleShot) {
  Sequence sequence = start(engine(), ids(prompt()), {});
  Tensor row = prefill_last(engine(), sequence);
  size_t next = 0;
  for (int64_t length = prompt(); length < all(); ++length) {
    if (expected()["rows"][next]["length"] == length) expect_reference(row, expected()["rows"][next++]);
    if (next == expected()["rows"].size()) break;
    row = feed(engine(), sequence, ids(length + 1).back(), length - prompt());
  }
  EXPECT_EQ(next, expected()["rows"].size());
}

// And bit for bit what prefilling gives, wherever the prompt had ended.
TEST_P(DynamicFrequencies, DecodingEqualsPrefillingAgainAtEverySplit) {
  Sequence whole = start(engine(), ids(all()), {});
  const Rows expected_row = values(prefill_last(engine(), whole));
  for (int64_t split = 1; split < all(); split += 3) {
    Sequence sequence = start(engine(), ids(split), {});
    prefill_last(engine(), sequence);
    Rows row;
    for (int64_t length = split; length < all(); ++length)
      row = values(feed(engine(), sequence, ids(length + 1).back(), length - split));
    EXPECT_EQ(row, expected_row) << split;
  }
}

// Raw keys change nothing about it.
TEST_P(DynamicFrequencies, RawKeysGiveTheSameBits) {
  SequenceOptions raw;
  raw.keys = decoder::KeyStorage::raw;
  Sequence a = start(engine(), ids(prompt()), {});
  Sequence b = start(engine(), ids(prompt()), raw);
  EXPECT_EQ(values(prefill_last(engine(), a)), values(prefill_last(engine(), b)));
  for (int64_t length = prompt(); length < all(); ++length) {
    const int32_t id = ids(length + 1).back();
    ASSERT_EQ(values(feed(engine(), a, id, length - prompt())), values(feed(engine(), b, id, length - prompt())));
  }
  EXPECT_EQ(a.growth.prefills, b.growth.prefills);
}

INSTANTIATE_TEST_SUITE_P(Goldens, DynamicFrequencies,
                         ::testing::Values("llama_dynamic_beyond", "llama_longrope_crosses", "qwen3_dynamic_grows",
                                           "qwen3_longrope_beyond"),
                         [](const auto& setting) { return setting.param; });

// LongRoPE changes once; dynamic NTK at every token beyond the trained length.
TEST(FrequencyGrowth, SequencesAreComputedAgainOnlyWhenFrequenciesChange) {
  const auto prefills = [](const std::string& name, FrequencyMode mode) {
    const Engine& engine = load(name);
    const auto ids = golden()[name]["ids"].get<std::vector<int32_t>>();
    SequenceOptions options;
    options.frequencies = mode;
    constexpr int64_t kPrompt = 20;
    Sequence sequence = start(engine, {ids.begin(), ids.begin() + kPrompt}, options);
    prefill_last(engine, sequence);
    for (int64_t length = kPrompt; length < 45; ++length)
      feed(engine, sequence, ids[static_cast<size_t>(length)], length - kPrompt);
    EXPECT_EQ(sequence.growth.mixed, mode == FrequencyMode::as_reference);
    return sequence.growth.prefills;
  };
  EXPECT_EQ(prefills("llama_longrope_crosses", FrequencyMode::rerotate), 1);
  EXPECT_EQ(prefills("qwen3_dynamic_grows", FrequencyMode::rerotate), 5);  // lengths 41 to 45, trained: 40
  EXPECT_EQ(prefills("llama_longrope_crosses", FrequencyMode::as_reference), 0);
  EXPECT_EQ(prefills("qwen3_dynamic_grows", FrequencyMode::as_reference), 0);
}

// A second turn takes over what the first has computed only where both have the same frequencies throughout, and says
// what a fresh session says.
TEST(FrequencyGrowth, FollowUpsEqualAFreshSession) {
  for (const std::string name : {"llama_longrope_crosses", "qwen3_dynamic_grows"}) {
    for (const std::string frequencies : {"rerotate", "as-reference"}) {
      SCOPED_TRACE(name + " " + frequencies);
      Request request;
      request.frequencies = frequencies;
      json messages = json::array({{{"role", "user"}, {"content", "What is in the picture?"}}});
      request.messages = messages.dump();
      GenerateOptions greedy;
      greedy.temperature = 0.0;
      greedy.ignore_eos = true;
      greedy.max_new_tokens = 24;
      Session session(load(name));
      const Result<Generation> first = session.generate(request, greedy);
      ASSERT_TRUE(first.ok()) << first.status().message();
      EXPECT_EQ(first->kept_old_turns, frequencies == "as-reference");
      EXPECT_EQ(first->prefills_again > 0, frequencies == "rerotate");
      messages.push_back({{"role", "assistant"}, {"content", first->text}});
      messages.push_back({{"role", "user"}, {"content", "ok"}});
      request.messages = messages.dump();
      const Result<Generation> second = session.generate(request, greedy);
      Session fresh(load(name));
      const Result<Generation> alone = fresh.generate(request, greedy);
      ASSERT_TRUE(second.ok() && alone.ok());
      EXPECT_EQ(second->logprobs, alone->logprobs);
      // LongRoPE's second list of factors holds for the first turn's end and all of the second turn.
      EXPECT_EQ(second->cached_tokens > 0, name == "llama_longrope_crosses" && frequencies == "rerotate");
    }
  }
}

TEST(FrequencyGrowth, LengthsWithEqualFrequenciesShareAnEncoding) {
  const Engine& engine = load("llama_longrope_crosses");  // trained: 40
  const auto encoding = [&](int64_t length) { return choose_policy(engine.impl(), "", length)->encoding; };
  EXPECT_EQ(encoding(3), encoding(40));
  EXPECT_EQ(encoding(41), encoding(900));
  EXPECT_NE(encoding(40), encoding(41));
}

TEST(FrequencyGrowth, TheLargestIdCountsWhateverSetAndAxisItIsOn) {
  PositionTable table;
  table.sets = {{.axes = 1, .ids = {0, 1, 2}}, {.axes = 3, .ids = {0, 0, 0, 1, 7.5f, 1, 2, 2, 2}}};
  EXPECT_EQ(length_of(table), 9);
  table.sets.pop_back();
  EXPECT_EQ(length_of(table), 3);
}

TEST(FrequencyGrowth, WordsThatContradictAreRefused) {
  Request request;
  request.frequencies = "as-reference";
  request.keys = "raw";
  EXPECT_NE(sequence_options(request).status().message().find("expected keys=rotated"), std::string::npos);
  request.keys = "crooked";
  EXPECT_NE(sequence_options(request).status().message().find("found \"crooked\""), std::string::npos);
  request = {};
  request.frequencies = "often";
  EXPECT_NE(sequence_options(request).status().message().find("found \"often\""), std::string::npos);
}

}  // namespace
}  // namespace azimuth::engine
