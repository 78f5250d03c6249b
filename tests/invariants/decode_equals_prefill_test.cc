// Decoding equals prefilling again, at every split point, for every policy: positions.md 0.5 and 10.
//
// The bugs that this stops: a first generated token that does not stand where the prompt's next text token would
// (M-RoPE deltas forgotten, fractions that accumulate), id sets of layers that get mixed up, per-head plans that a
// cached key was not turned by.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "azimuth/session.h"
#include "decoder/inject.h"
#include "engine/start_sequence.h"

namespace azimuth::engine {
namespace {

using nlohmann::json;
using Rows = std::vector<float>;  // [tokens, hidden], before the final norm

const std::string kRoot = AZIMUTH_SOURCE_DIR;

struct Model {
  std::string name;
  std::string directory;
  std::string picture;
};

const std::vector<Model>& models() {
  static const std::string traces = kRoot + "/tests/golden/trace/";
  static const std::vector<Model> all = {
      {"azimuth_tiny", kRoot + "/models/azimuth-tiny", traces + "qwen3_vl_two_images/media/sample0_turn0_image0.png"},
      {"three_kv_heads", traces + "qwen3_vl_two_images/model",
       traces + "qwen3_vl_two_images/media/sample0_turn0_image0.png"},
      {"yarn", traces + "qwen3_vl_odd_files/model", traces + "qwen3_vl_two_images/media/sample0_turn0_image0.png"}};
  return all;
}

const Engine& load(const Model& model) {
  static std::map<std::string, Engine> engines;
  if (const auto found = engines.find(model.name); found != engines.end()) return found->second;
  EngineOptions options;
  options.dtype = "f32";
  options.threads = 1;
  Result<Engine> engine = Engine::load(model.directory, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engines.emplace(model.name, std::move(*engine)).first->second;
}

// A policy that runs on the model, with the numbers that it needs for odd head counts.
std::string runnable(const std::string& policy, int kv_heads) {
  if (policy != "mhrope" || kv_heads % 8 == 0) return policy;
  return kv_heads == 2 ? "mhrope:section=1-1-0" : "mhrope:section=1-1-1";
}

// Every rotary policy as it is, and the ones with parameters that the decoder has to carry through.
std::vector<std::string> policies(int kv_heads) {
  std::vector<std::string> all = {"circle:age=strategy_4",
                                  "circle:age=strategy_2,compat=released",
                                  "videorope_d0.5",
                                  "v2pe_s16",
                                  "circle:alpha=0.3,radius=7",
                                  "mrope:plan=per_head,section=" + std::string(kv_heads == 2 ? "1-0-1" : "0-2-1"),
                                  "omni:own_spectrum=1"};
  for (const PolicyDescription& policy : describe_position_policies()) {
    if (policy.mechanism == "rotary" && policy.source != "this program") all.push_back(runnable(policy.name, kv_heads));
  }
  return all;
}

class DecodeEqualsPrefill : public ::testing::TestWithParam<Model> {
 protected:
  const Engine& engine() const { return load(GetParam()); }
  const Engine::Impl& model() const { return engine().impl(); }
  int64_t hidden() const { return model().spec.text.hidden; }
  RunContext context() const { return {*model().pool, nullptr, nullptr, {}}; }

  Sequence start(const std::string& policy, decoder::KeyStorage keys = decoder::KeyStorage::rotated) const {
    Request request;
    const json parts = {{{"type", "text"}, {"text", "Look:"}},
                        {{"type", "image"}, {"image", GetParam().picture}},
                        {{"type", "text"}, {"text", "so"}}};
    request.messages = json::array({{{"role", "user"}, {"content", parts}}}).dump();
    request.positions = policy;
    const Result<PolicyChoice> choice = choose_policy(model(), policy);
    EXPECT_TRUE(choice.ok()) << choice.status().message();
    Result<PreparedSample> sample = prepare(model(), request, *choice);
    EXPECT_TRUE(sample.ok()) << sample.status().message();
    Result<SampleFeatures> features = encode_sample(model(), *sample, context());
    EXPECT_TRUE(features.ok());
    Result<decoder::DecoderInput> input =
        decoder::inject(*model().decoder, sample->prompt, features->images, features->videos);
    EXPECT_TRUE(input.ok());
    Result<Sequence> sequence = start_sequence(model(), {policy, keys}, *sample, std::move(*input));
    EXPECT_TRUE(sequence.ok()) << sequence.status().message();
    return std::move(*sequence);
  }

  Rows prefill_rows(Sequence& sequence) const {
    Rows rows;
    const Status status =
        prefill(*model().decoder, {&sequence, 1}, context(), [&](int, int64_t, const float* from, int64_t count) {
          rows.insert(rows.end(), from, from + count * hidden());
          return ok_status();
        });
    EXPECT_TRUE(status.ok()) << status.message();
    return rows;
  }

  Rows decode(Sequence& sequence) const {
    Rows rows;
    for (int64_t step = 0; step < static_cast<int64_t>(kAnswer.size()); ++step) {
      Sequence* const one = &sequence;
      Result<Tensor> row =
          decode_step(*model().decoder, {&one, 1}, {&kAnswer[static_cast<size_t>(step)], 1}, {&step, 1}, context());
      EXPECT_TRUE(row.ok()) << row.status().message();
      rows.insert(rows.end(), row->data(), row->data() + hidden());
    }
    return rows;
  }

  // Prompt and answer as one prompt, at the ids that decoding used.
  Sequence lengthen(const Sequence& prompt) const {
    const auto steps = static_cast<int64_t>(kAnswer.size());
    const int64_t tokens = prompt.input.tokens();
    Sequence whole{prompt.prompt, {}, prompt.positions, prompt.encoding, model().decoder->new_cache()};
    whole.prompt.ids.insert(whole.prompt.ids.end(), kAnswer.begin(), kAnswer.end());
    const PositionTable generated = generated_positions(prompt.positions, 0, steps);
    for (size_t i = 0; i < generated.sets.size(); ++i) {
      std::vector<float>& ids = whole.positions.sets[i].ids;
      ids.insert(ids.end(), generated.sets[i].ids.begin(), generated.sets[i].ids.end());
    }
    const Result<Tensor> embedded = model().decoder->embed(kAnswer);
    EXPECT_TRUE(embedded.ok());
    whole.input.ids = whole.prompt.ids;
    whole.input.hidden = Tensor({tokens + steps, hidden()});
    std::copy_n(prompt.input.hidden.data(), tokens * hidden(), whole.input.hidden.data());
    std::copy_n(embedded->data(), steps * hidden(), whole.input.hidden.row(tokens));
    for (const decoder::LayerStream& stream : prompt.input.streams)
      whole.input.streams.push_back({stream.layer, stream.tokens, stream.rows.clone()});
    return whole;
  }

  // Rows [tokens, hidden] when everything behind `split` enters the decoder in a pass of its own.
  Rows split_rows(Sequence& whole, int64_t split) const {
    EXPECT_TRUE(whole.cache.truncate(0).ok());
    const int64_t tokens = whole.input.tokens();
    Rows rows;
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, split}, {split, tokens}}) {
      const decoder::SequenceChunk chunk{
          &whole.input, &whole.positions, whole.encoding.get(), begin, end, &whole.cache, 0, &whole.positions};
      const Result<Tensor> hidden_rows = model().decoder->forward({&chunk, 1}, context());
      EXPECT_TRUE(hidden_rows.ok()) << hidden_rows.status().message();
      rows.insert(rows.end(), hidden_rows->data(), hidden_rows->data() + hidden_rows->elements());
    }
    return rows;
  }

  static inline const std::vector<int32_t> kAnswer = {3, 11, 5, 8};
};

TEST_P(DecodeEqualsPrefill, ForEveryPolicy) {
  for (const std::string& policy : policies(model().spec.text.layers[0].kv_heads)) {
    SCOPED_TRACE(policy);
    Sequence sequence = start(policy);
    Sequence whole = lengthen(sequence);
    Rows rows = prefill_rows(sequence);
    const Rows answer = decode(sequence);
    rows.insert(rows.end(), answer.begin(), answer.end());
    EXPECT_EQ(prefill_rows(whole), rows);
  }
}

TEST_P(DecodeEqualsPrefill, AtEverySplitPoint) {
  for (const std::string policy : {"", "circle:age=strategy_4", "videorope_d0.5", "mhrope"}) {
    SCOPED_TRACE(policy);
    Sequence sequence = start(runnable(policy, model().spec.text.layers[0].kv_heads));
    Sequence whole = lengthen(sequence);
    const Rows once = prefill_rows(whole);
    for (int64_t split = 1; split < whole.input.tokens(); ++split) ASSERT_EQ(split_rows(whole, split), once) << split;
  }
}

// Keys that are turned when they are read have the bits of keys that were turned when they were stored.
TEST_P(DecodeEqualsPrefill, RawKeysChangeNoBit) {
  for (const std::string& policy : policies(model().spec.text.layers[0].kv_heads)) {
    SCOPED_TRACE(policy);
    Sequence rotated = start(policy);
    Sequence raw = start(policy, decoder::KeyStorage::raw);
    EXPECT_EQ(prefill_rows(raw), prefill_rows(rotated));
    EXPECT_EQ(decode(raw), decode(rotated));
  }
}

// A batch may mix both ways of keeping keys.
TEST_P(DecodeEqualsPrefill, RawAndRotatedKeysShareAPass) {
  std::vector<Sequence> batch;
  batch.push_back(start("", decoder::KeyStorage::raw));
  batch.push_back(start(""));
  batch.push_back(start("", decoder::KeyStorage::raw));
  std::vector<Rows> rows(batch.size());
  const Status status = prefill(
      *model().decoder, batch, context(),
      [&](int sequence, int64_t, const float* from, int64_t count) {
        Rows& to = rows[static_cast<size_t>(sequence)];
        to.insert(to.end(), from, from + count * hidden());
        return ok_status();
      },
      40);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(rows[2], rows[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, DecodeEqualsPrefill, ::testing::ValuesIn(models()),
                         [](const auto& setting) { return setting.param.name; });

}  // namespace
}  // namespace azimuth::engine
