// What must hold for every family that is registered, so that a new one is covered by being there: a row in the pages,
// golden traces, an odd checkpoint among them, and every position policy that fits its decoder.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "azimuth/session.h"
#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/trace_request.h"
#include "models/families.h"
#include "positions/policy.h"
#include "support/golden_families.h"

namespace azimuth {
namespace {

using testing_support::golden_families;

const std::string kRoot = AZIMUTH_SOURCE_DIR;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "blip-2" as files and tests are called.
std::string as_name(std::string model_type) {
  std::ranges::replace(model_type, '-', '_');
  return model_type;
}

std::string folder_of(const std::string& golden) {
  return kRoot + "/tests/golden/trace/" + golden;
}

Engine load(const std::string& golden) {
  EngineOptions options;
  options.dtype = "f32";
  options.threads = 1;
  Result<Engine> engine = Engine::load(folder_of(golden) + "/model", options);
  EXPECT_TRUE(engine.ok()) << golden << ": " << engine.status().message();
  return std::move(*engine);
}

std::vector<Request> requests(const std::string& golden) {
  TraceOptions options;
  options.base_directory = folder_of(golden);
  Result<engine::TraceRequest> request =
      engine::read_trace_request(read_file(folder_of(golden) + "/request.json"), options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  return std::move(request->samples);
}

class EveryFamily : public ::testing::TestWithParam<std::string> {
 protected:
  const std::vector<std::string>& goldens() const {
    static const auto families = golden_families();
    static const std::vector<std::string> none;
    const auto found = families.find(GetParam());
    return found == families.end() ? none : found->second;
  }
};

TEST_P(EveryFamily, HasARowInThePage) {
  EXPECT_NE(read_file(kRoot + "/docs/families.md").find("| `" + GetParam() + "`<br>"), std::string::npos)
      << "run scripts/families_table.py";
}

TEST_P(EveryFamily, HasGoldenTracesAndRandomCheckpoints) {
  EXPECT_FALSE(goldens().empty()) << "tests/oracle/make_goldens.py";
  EXPECT_FALSE(read_file(kRoot + "/tests/oracle/families/" + as_name(GetParam()) + ".py").empty());
}

// Sizes that a literal in place of a config's number would not survive.
TEST_P(EveryFamily, HasAnOddCheckpointAmongTheGoldens) {
  bool odd = false;
  for (const std::string& golden : goldens()) {
    const Engine engine = load(golden);
    const TextSpec& text = engine.impl().spec.text;
    for (const LayerSpec& layer : text.layers) {
      odd = odd || layer.kv_heads != layer.heads || layer.heads * layer.head_dim != text.hidden;
    }
    odd = odd || text.hidden % 32 != 0;
  }
  EXPECT_TRUE(odd);
}

// Two tokens of an answer: the prompt's and the decoder's positions both count.
TEST_P(EveryFamily, RunsUnderEveryPolicyThatFits) {
  ASSERT_FALSE(goldens().empty());
  const Engine engine = load(goldens()[0]);
  Request request = requests(goldens()[0])[0];
  GenerateOptions options;
  options.max_new_tokens = 2;
  options.temperature = 0.0;
  options.ignore_eos = true;
  int ran = 0;
  for (const auto& policy : positions::all_policies()) {
    SCOPED_TRACE(policy->name);
    request.positions = policy->name;
    const bool fits = engine::choose_policy(engine.impl(), policy->name).ok();
    Session session(engine);
    const Result<Generation> answer = session.generate(request, options);
    if (!fits) {
      EXPECT_FALSE(answer.ok());
      EXPECT_FALSE(answer.status().message().empty());
      continue;
    }
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    ASSERT_EQ(answer->ids.size(), 2u);
    for (const double logprob : answer->logprobs) EXPECT_TRUE(std::isfinite(logprob));
    ++ran;
  }
  EXPECT_GT(ran, 10);
}

TEST(Registry, NamesEveryFamilyOnce) {
  const std::vector<std::string> names = models::known_families();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryFamily, ::testing::ValuesIn(models::known_families()),
                         [](const auto& family) { return as_name(family.param); });

}  // namespace
}  // namespace azimuth
