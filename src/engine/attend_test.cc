// Attention as it is read: against transformers' own weights, and without changing what is computed.
#include "azimuth/attend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "azimuth/hooks.h"
#include "decoder/inject.h"
#include "engine/prepare.h"
#include "engine/sequence.h"
#include "engine/trace_request.h"

namespace azimuth {
namespace {

using nlohmann::json;

const std::string kGolden = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Engine load(const std::string& name) {
  EngineOptions options;
  options.dtype = "f32";
  Result<Engine> engine = Engine::load(kGolden + "trace/" + name + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

Request request_of(const std::string& name) {
  TraceOptions options;
  options.base_directory = kGolden + "trace/" + name;
  Result<engine::TraceRequest> request =
      engine::read_trace_request(read(options.base_directory + "/request.json"), options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  return request->samples[0];
}

// f32 against f32 (design: 2e-4 of the standard deviation of what is compared).
void expect_near(const std::vector<float>& found, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  const auto count = static_cast<double>(expected.size());
  const double mean = std::accumulate(expected.begin(), expected.end(), 0.0) / count;
  double variance = 0.0;
  for (const double value : expected) variance += (value - mean) * (value - mean) / count;
  const double tolerance = 2e-4 * std::sqrt(variance);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(found[i]), expected[i], tolerance) << what << " at " << i;
  }
}

class AttendCase : public testing::TestWithParam<std::string> {};

TEST_P(AttendCase, WeightsAndSinksAreTheReferences) {
  const json golden = json::parse(read(kGolden + "attend/" + GetParam() + ".json"));
  const Engine engine = load(GetParam());
  AttendOptions options;
  const auto generated = golden["generated_ids"].get<std::vector<int32_t>>();
  options.generated = static_cast<int64_t>(generated.size());
  for (const json& query : golden["queries"]) options.queries.push_back(query["token"]);
  options.queries.resize(options.queries.size() - generated.size());
  const Result<AttendReport> report = attend(engine, request_of(GetParam()), options);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->generated_ids, generated);
  ASSERT_EQ(report->queries.size(), golden["queries"].size());
  for (size_t q = 0; q < report->queries.size(); ++q) {
    const AttendQuery& query = report->queries[q];
    EXPECT_EQ(query.token, golden["queries"][q]["token"]);
    ASSERT_EQ(query.layers.size(), golden["queries"][q]["weights"].size());
    for (size_t l = 0; l < query.layers.size(); ++l) {
      const auto rows = golden["queries"][q]["weights"][l].get<std::vector<std::vector<double>>>();
      const LayerAttention& layer = query.layers[l];
      ASSERT_EQ(static_cast<size_t>(layer.heads), rows.size());
      std::vector<double> mean(rows[0].size(), 0.0);
      std::vector<double> visual;
      for (const std::vector<double>& row : rows) {
        for (size_t key = 0; key < row.size(); ++key) mean[key] += row[key] / layer.heads;
        for (const int64_t token : report->visual_tokens) {
          visual.push_back(token <= query.token ? row[static_cast<size_t>(token)] : 0.0);
        }
      }
      const std::string where = "query " + std::to_string(query.token) + ", layer " + std::to_string(l);
      expect_near(layer.mean, mean, "mean of " + where);
      expect_near(layer.visual, visual, "cells of " + where);
      const size_t cells = report->visual_tokens.size();
      for (size_t head = 0; head < rows.size(); ++head) {
        const double share = std::accumulate(visual.begin() + static_cast<std::ptrdiff_t>(head * cells),
                                             visual.begin() + static_cast<std::ptrdiff_t>((head + 1) * cells), 0.0);
        EXPECT_NEAR(static_cast<double>(layer.visual_share[head]), share, 1e-5) << where << ", head " << head;
      }
    }
  }
  ASSERT_EQ(report->sinks.size(), golden["sinks"].size());
  for (size_t l = 0; l < report->sinks.size(); ++l) {
    EXPECT_EQ(report->sinks[l].token, golden["sinks"][l]["token"]) << "layer " << l;
    EXPECT_NEAR(report->sinks[l].weight, golden["sinks"][l]["weight"].get<double>(), 1e-6) << "layer " << l;
    EXPECT_LE(report->sinks[l].visual_weight, report->sinks[l].weight);
    EXPECT_NE(std::find(report->visual_tokens.begin(), report->visual_tokens.end(), report->sinks[l].visual_token),
              report->visual_tokens.end());
  }
}

INSTANTIATE_TEST_SUITE_P(Attend, AttendCase, testing::Values("qwen3_vl_two_images", "qwen3_vl_video_timestamps"));

// Rows are complete: each head's weights add up to one, in every layer of every policy's kind of attention.
TEST(Attend, RowsAddUpToOneUnderRotationAndUnderScoreTerms) {
  const Engine engine = load("qwen3_vl_two_images");
  for (const char* policy : {"", "vanilla", "circle", "alibi"}) {
    Request request = request_of("qwen3_vl_two_images");
    request.positions = policy;
    AttendOptions options;
    options.queries = {0, 20, -1};
    const Result<AttendReport> report = attend(engine, request, options);
    ASSERT_TRUE(report.ok()) << policy << ": " << report.status().message();
    for (const AttendQuery& query : report->queries) {
      for (const LayerAttention& layer : query.layers) {
        const double sum = std::accumulate(layer.mean.begin(), layer.mean.end(), 0.0);
        EXPECT_NEAR(sum, 1.0, 1e-5) << policy << ", query " << query.token;
        EXPECT_EQ(layer.mean.size(), static_cast<size_t>(query.token + 1));
      }
    }
  }
}

// Hidden states of a whole prompt, [tokens, hidden].
std::vector<float> run(const Engine& engine, const Request& request, const Hooks* hooks, const Tap* tap) {
  const Engine::Impl& model = engine.impl();
  Result<engine::PolicyChoice> policy = engine::choose_policy(model, request.positions);
  EXPECT_TRUE(policy.ok());
  Result<engine::PreparedSample> sample = engine::prepare(model, request, *policy);
  EXPECT_TRUE(sample.ok());
  RunContext context{*model.pool, tap, nullptr, {}};
  context.hooks = hooks;
  Result<engine::SampleFeatures> features = engine::encode_sample(model, *sample, context);
  EXPECT_TRUE(features.ok());
  Result<decoder::DecoderInput> input =
      decoder::inject(*model.decoder, sample->prompt, features->images, features->videos);
  EXPECT_TRUE(input.ok());
  engine::Sequence sequence{sample->prompt, std::move(*input), sample->positions, policy->encoding,
                            model.decoder->new_cache()};
  std::vector<float> rows;
  const Status status =
      engine::prefill(*model.decoder, {&sequence, 1}, context, [&](int, int64_t, const float* from, int64_t count) {
        rows.insert(rows.end(), from, from + count * model.spec.text.hidden);
        return ok_status();
      });
  EXPECT_TRUE(status.ok()) << status.message();
  return rows;
}

TEST(Attend, ReadingChangesNoBit) {
  const Engine engine = load("qwen3_vl_two_images");
  for (const char* policy : {"", "alibi"}) {
    Request request = request_of("qwen3_vl_two_images");
    request.positions = policy;
    int64_t rows = 0;
    int64_t unasked = 0;
    Hooks hooks;
    hooks.wants_attention = [](const TapPoint& query) { return query.first_token % 2 == 1; };
    const Tap tap = [&](const TapPoint& point, const TensorView&) {
      if (point.stage != Stage::attention) return;
      ++rows;
      unasked += point.first_token % 2 == 0;
    };
    const std::vector<float> read_rows = run(engine, request, &hooks, &tap);
    EXPECT_EQ(read_rows, run(engine, request, nullptr, nullptr)) << policy;
    EXPECT_EQ(rows, 3 * 32) << "every second of 64 tokens in three layers";
    EXPECT_EQ(unasked, 0);
  }
}

TEST(Attend, HooksOfTheRequestStillSeeWhatTheyWant) {
  const Engine engine = load("qwen3_vl_two_images");
  Request request = request_of("qwen3_vl_two_images");
  int64_t layers = 0;
  std::vector<int64_t> attention;
  request.hooks.wants_attention = [](const TapPoint& query) { return query.layer == 1 && query.first_token == 7; };
  request.hooks.on_read = [&](const TapPoint& point, const ReadTensor&) {
    layers += point.stage == Stage::layer_output;
    if (point.stage == Stage::attention) attention.push_back(point.first_token);
  };
  const Result<AttendReport> report = attend(engine, request, {.queries = {-1}, .generated = 0});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(layers, 3);
  EXPECT_EQ(attention, std::vector<int64_t>{7});
  ASSERT_EQ(report->queries.size(), 1u);
  EXPECT_EQ(report->queries[0].token, 63);
}

TEST(Attend, RefusesWhatItCannotRead) {
  const Engine engine = load("qwen3_vl_two_images");
  const Request request = request_of("qwen3_vl_two_images");
  const auto failure = [&](const AttendOptions& options) { return attend(engine, request, options).status(); };
  EXPECT_EQ(failure({.queries = {64}, .generated = 0}).code(), StatusCode::out_of_range);
  EXPECT_EQ(failure({.queries = {-65}, .generated = 0}).code(), StatusCode::out_of_range);
  EXPECT_EQ(failure({.queries = {}, .generated = -1}).code(), StatusCode::out_of_range);
  EXPECT_EQ(failure({.queries = {}, .generated = int64_t{1} << 40}).code(), StatusCode::out_of_range);
  EngineOptions options;
  options.load_weights = false;
  const Result<Engine> empty = Engine::load(kGolden + "trace/qwen3_vl_two_images/model", options);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(attend(*empty, request).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace azimuth
