// Named invariants of the decoder: how a prompt is cut, batched, cached and spread over threads never changes a bit.
//
// The bugs that these stop: wrong boxes whenever a prompt is cut into chunks, answers that depend on the batch's other
// requests, and follow-up questions that see another prompt than a fresh run would.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "decoder/inject.h"
#include "engine/prepare.h"
#include "engine/sequence.h"
#include "engine/trace_request.h"
#include "support/golden_families.h"

namespace azimuth::engine {
namespace {

using Rows = std::vector<float>;  // [tokens, hidden], before the final norm

std::string golden(const std::string& name) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name;
}

struct Setting {
  std::string golden;
  std::string dtype;
  std::string cache;  // "": as the weights
  kernels::CpuLevel level;
};

Engine load(const Setting& setting, int threads) {
  EngineOptions options;
  options.dtype = setting.dtype;
  options.cache = setting.cache;
  options.threads = threads;
  Result<Engine> engine = Engine::load(golden(setting.golden) + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

// The requests of a golden case.
std::vector<Request> requests(const std::string& name) {
  std::ifstream file(golden(name) + "/request.json");
  TraceOptions options;
  options.base_directory = golden(name);
  Result<TraceRequest> request = read_trace_request({std::istreambuf_iterator<char>(file), {}}, options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  return request->samples;
}

PolicyChoice own_policy(const Engine& engine) {
  Result<PolicyChoice> policy = choose_policy(engine.impl(), "");
  EXPECT_TRUE(policy.ok());
  return std::move(*policy);
}

RunContext context_of(const Engine& engine) {
  return {*engine.impl().pool, nullptr, nullptr, {}};
}

Sequence make_sequence(const Engine& engine, const Request& request) {
  const Engine::Impl& model = engine.impl();
  Result<PreparedSample> sample = prepare(model, request, own_policy(engine));
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  Result<SampleFeatures> features = encode_sample(model, *sample, context_of(engine));
  EXPECT_TRUE(features.ok());
  Result<decoder::DecoderInput> input =
      decoder::inject(*model.decoder, sample->prompt, features->images, features->videos);
  EXPECT_TRUE(input.ok()) << input.status().message();
  return {std::move(sample->prompt), std::move(*input), std::move(sample->positions), own_policy(engine).encoding,
          model.decoder->new_cache()};
}

std::vector<Rows> run(const Engine& engine, std::span<Sequence> sequences, int64_t pass_tokens) {
  std::vector<Rows> rows(sequences.size());
  const int64_t hidden = engine.impl().spec.text.hidden;
  const Status status = prefill(
      *engine.impl().decoder, sequences, context_of(engine),
      [&](int sequence, int64_t, const float* from, int64_t count) {
        Rows& to = rows[static_cast<size_t>(sequence)];
        to.insert(to.end(), from, from + count * hidden);
        return ok_status();
      },
      pass_tokens);
  EXPECT_TRUE(status.ok()) << status.message();
  return rows;
}

Rows run_alone(const Engine& engine, const Request& request, int64_t pass_tokens = kPrefillTokens) {
  Sequence sequence = make_sequence(engine, request);
  return run(engine, {&sequence, 1}, pass_tokens)[0];
}

bool in_closed_region(const Prompt& prompt, int64_t end) {
  return std::ranges::any_of(prompt.closed_regions,
                             [end](const auto& region) { return region.first < end && end < region.second; });
}

class DecoderInvariants : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override { ASSERT_TRUE(kernels::force_level(GetParam().level).ok()); }
  void TearDown() override { ASSERT_TRUE(kernels::force_level(before_).ok()); }

 private:
  const kernels::CpuLevel before_ = kernels::active_level();
};

TEST_P(DecoderInvariants, ChunkedPrefillEqualsOneShot) {
  const Engine engine = load(GetParam(), 1);
  for (const Request& request : requests(GetParam().golden)) {
    const Rows whole = run_alone(engine, request, 1 << 20);
    for (const int64_t pass_tokens : {1, 7, 64})
      EXPECT_EQ(run_alone(engine, request, pass_tokens), whole) << pass_tokens;
  }
}

TEST_P(DecoderInvariants, BatchEqualsAlone) {
  const Engine engine = load(GetParam(), 1);
  const std::vector<Request> all = requests(GetParam().golden);
  std::vector<Sequence> batch;
  for (int copies = 0; copies < 2; ++copies) {
    for (const Request& request : all) batch.push_back(make_sequence(engine, request));
  }
  const std::vector<Rows> together = run(engine, batch, 50);
  for (size_t i = 0; i < together.size(); ++i) EXPECT_EQ(together[i], run_alone(engine, all[i % all.size()])) << i;
}

TEST_P(DecoderInvariants, LastRowsAloneEqualThoseOfAllRows) {
  const Engine engine = load(GetParam(), 1);
  const int64_t hidden = engine.impl().spec.text.hidden;
  const std::vector<Request> all = requests(GetParam().golden);
  for (const int64_t pass_tokens : {int64_t{7}, kPrefillTokens}) {
    std::vector<Sequence> batch;
    for (const Request& request : all) {
      batch.push_back(make_sequence(engine, request));
      batch.back().last_row_only = true;
    }
    const std::vector<Rows> rows = run(engine, batch, pass_tokens);
    for (size_t i = 0; i < all.size(); ++i) {
      const Rows whole = run_alone(engine, all[i]);
      EXPECT_EQ(Rows(rows[i].end() - hidden, rows[i].end()), Rows(whole.end() - hidden, whole.end())) << i;
      EXPECT_EQ(rows[i].size(), whole.size());
      EXPECT_EQ(run_alone(engine, all[i]), whole) << "a pass for last rows changed what came behind it";
    }
  }
}

TEST_P(DecoderInvariants, ATapSeesAllRowsWhereOnlyTheLastCounts) {
  const Engine engine = load(GetParam(), 1);
  const Request request = requests(GetParam().golden)[0];
  Sequence sequence = make_sequence(engine, request);
  sequence.last_row_only = true;
  Rows seen;
  const Tap tap = [&](const TapPoint& point, const TensorView& rows) {
    if (point.stage == Stage::final_hidden)
      seen.insert(seen.end(), rows.as<float>(), rows.as<float>() + rows.shape.elements());
  };
  const RunContext context{*engine.impl().pool, &tap, nullptr, {}};
  const auto ignore_rows = [](int, int64_t, const float*, int64_t) { return ok_status(); };
  ASSERT_TRUE(prefill(*engine.impl().decoder, {&sequence, 1}, context, ignore_rows).ok());
  EXPECT_EQ(seen, run_alone(engine, request));
}

TEST_P(DecoderInvariants, AnyThreadCountGivesTheSameBits) {
  const Request request = requests(GetParam().golden)[0];
  const Rows one = run_alone(load(GetParam(), 1), request);
  for (const int threads : {2, 3, 5}) EXPECT_EQ(run_alone(load(GetParam(), threads), request), one) << threads;
}

TEST_P(DecoderInvariants, CacheReuseEqualsFreshRun) {
  const Engine engine = load(GetParam(), 1);
  const Request request = requests(GetParam().golden)[0];
  const Rows fresh = run_alone(engine, request);
  const int64_t hidden = engine.impl().spec.text.hidden;
  Sequence sequence = make_sequence(engine, request);
  run(engine, {&sequence, 1}, kPrefillTokens);
  const auto tokens = static_cast<int64_t>(sequence.prompt.ids.size());
  for (const int64_t kept : {int64_t{0}, int64_t{1}, tokens / 2, tokens - 1}) {
    Sequence again = make_sequence(engine, request);
    again.cache = sequence.cache;  // a snapshot
    if (!again.cache.can_truncate(kept) || in_closed_region(sequence.prompt, kept)) continue;
    ASSERT_TRUE(again.cache.truncate(kept).ok());
    const Rows rest = run(engine, {&again, 1}, 7)[0];
    EXPECT_EQ(rest, Rows(fresh.begin() + kept * hidden, fresh.end())) << kept;
    EXPECT_EQ(sequence.cache.length(), tokens) << "the snapshot changed its original";
  }
}

TEST_P(DecoderInvariants, WritingToASnapshotLeavesItsOriginal) {
  const Engine engine = load(GetParam(), 1);
  const Request request = requests(GetParam().golden)[0];
  Sequence sequence = make_sequence(engine, request);
  run(engine, {&sequence, 1}, kPrefillTokens);
  decoder::CacheState copy = sequence.cache;
  // The same step on the original before and after the copy took another token.
  const auto step = [&](decoder::CacheState cache, int32_t id) {
    Sequence forked{sequence.prompt, {}, sequence.positions, sequence.encoding, std::move(cache)};
    Sequence* const one = &forked;
    const int64_t first = 0;
    Result<Tensor> row = decode_step(*engine.impl().decoder, {&one, 1}, {&id, 1}, {&first, 1}, context_of(engine));
    EXPECT_TRUE(row.ok());
    return Rows(row->data(), row->data() + row->elements());
  };
  const Rows before = step(sequence.cache, 5);
  EXPECT_NE(step(copy, 6), before);
  EXPECT_EQ(step(sequence.cache, 5), before);
}

TEST_P(DecoderInvariants, SettingATapChangesNoBit) {
  const Engine engine = load(GetParam(), 1);
  const Request request = requests(GetParam().golden)[0];
  const Rows unwatched = run_alone(engine, request);
  Sequence sequence = make_sequence(engine, request);
  std::vector<int> seen;
  const Tap tap = [&](const TapPoint& point, const TensorView&) {
    if (point.stage == Stage::layer_output) seen.push_back(point.layer);
  };
  Rows watched;
  const RunContext context{*engine.impl().pool, &tap, nullptr, {}};
  const Status status =
      prefill(*engine.impl().decoder, {&sequence, 1}, context, [&](int, int64_t, const float* from, int64_t count) {
        watched.insert(watched.end(), from, from + count * engine.impl().spec.text.hidden);
        return ok_status();
      });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(watched, unwatched);
  EXPECT_EQ(seen.size(), engine.impl().spec.text.layers.size());
}

// A token that was generated and a token of a prompt go the same way.
TEST_P(DecoderInvariants, DecodingEqualsPrefillingAgain) {
  const Engine engine = load(GetParam(), 1);
  const Request request = requests(GetParam().golden)[0];
  const int64_t hidden = engine.impl().spec.text.hidden;
  const PolicyChoice policy = own_policy(engine);
  Sequence sequence = make_sequence(engine, request);
  Sequence longer = make_sequence(engine, request);
  run(engine, {&sequence, 1}, kPrefillTokens);
  std::vector<int32_t> generated = {3, 11, 5, 8};
  Rows decoded;
  for (int64_t step = 0; step < static_cast<int64_t>(generated.size()); ++step) {
    Sequence* const one = &sequence;
    Result<Tensor> row = decode_step(*engine.impl().decoder, {&one, 1}, {&generated[static_cast<size_t>(step)], 1},
                                     {&step, 1}, context_of(engine));
    ASSERT_TRUE(row.ok()) << row.status().message();
    decoded.insert(decoded.end(), row->data(), row->data() + hidden);
  }
  const auto tokens = static_cast<int64_t>(longer.prompt.ids.size());
  Span answer;
  answer.begin = tokens;
  answer.end = tokens + static_cast<int64_t>(generated.size());
  longer.prompt.ids.insert(longer.prompt.ids.end(), generated.begin(), generated.end());
  longer.prompt.spans.push_back(answer);
  Result<Tensor> embedded = engine.impl().decoder->embed(generated);
  ASSERT_TRUE(embedded.ok());
  Tensor both({answer.end, hidden});
  std::copy_n(longer.input.hidden.data(), tokens * hidden, both.data());
  std::copy_n(embedded->data(), embedded->elements(), both.row(tokens));
  longer.input.hidden = std::move(both);
  longer.input.ids = longer.prompt.ids;
  Result<PositionTable> positions = positions::layout_prompt(policy.policy, longer.prompt.spans, {});
  ASSERT_TRUE(positions.ok());
  longer.positions = std::move(*positions);
  const Rows whole = run(engine, {&longer, 1}, kPrefillTokens)[0];
  EXPECT_EQ(decoded, Rows(whole.begin() + tokens * hidden, whole.end()));
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const std::string name : {"qwen3_vl_two_images", "qwen3_vl_video_timestamps", "qwen2_v4_linear_window"}) {
    for (const kernels::CpuLevel level : kernels::available_levels()) {
      for (const std::string dtype : {"f32", "bf16", "q8", "q4"}) all.push_back({name, dtype, "", level});
      all.push_back({name, "bf16", "q8", level});
    }
    all.push_back({name, "f32", "bf16", kernels::available_levels().back()});
  }
  // One checkpoint of every other family, with whatever layers, masks and caches it has.
  for (const auto& [family, cases] : testing_support::golden_families()) {
    if (family == "qwen3_vl" || family == "qwen2") continue;
    for (const std::string dtype : {"f32", "q8", "q4"}) {
      all.push_back({cases[0], dtype, "", kernels::available_levels().back()});
    }
  }
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Setting>& info) {
  const std::string cache = info.param.cache.empty() ? "" : "_cache_" + info.param.cache;
  return info.param.golden + "_" + info.param.dtype + cache + "_" + std::string(kernels::to_string(info.param.level));
}

INSTANTIATE_TEST_SUITE_P(Goldens, DecoderInvariants, ::testing::ValuesIn(settings()), name_of);

}  // namespace
}  // namespace azimuth::engine
