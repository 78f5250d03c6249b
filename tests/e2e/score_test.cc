// Scoring through the public interface: numbers of the reference on every golden checkpoint, the same bits however
// samples are put together, and what is said of samples that are wrong.
#include "azimuth/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "azimuth/trace.h"
#include "engine/trace_request.h"
#include "support/golden_families.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::golden_families;

constexpr double kRelative = 2e-4;  // r of docs/trace.md

std::string golden(const std::string& name) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name;
}

Engine load(const std::string& name, int threads = 1, bool remembers = true) {
  EngineOptions options;
  options.dtype = "f32";
  options.threads = threads;
  if (!remembers) options.feature_cache_bytes = options.prefix_cache_bytes = 0;
  Result<Engine> engine = Engine::load(golden(name) + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

json read_json(const std::string& path) {
  std::ifstream file(path);
  return json::parse(file);
}

std::vector<Request> requests(const std::string& name) {
  std::ifstream file(golden(name) + "/request.json");
  TraceOptions options;
  options.base_directory = golden(name);
  Result<engine::TraceRequest> request =
      engine::read_trace_request({std::istreambuf_iterator<char>(file), {}}, options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  for (Request& sample : request->samples) sample.compat = request->compat;
  return request->samples;
}

ScoreSample sample_of(const Request& request, std::vector<int32_t> completion, const std::string& id = "") {
  ScoreSample sample;
  sample.id = id;
  sample.request = request;
  sample.completion_ids = std::move(completion);
  return sample;
}

std::vector<SampleScore> scores(const Engine& engine, const std::vector<ScoreSample>& samples,
                                const ScoreOptions& options = {}, const ScoreCallbacks& callbacks = {}) {
  Result<std::vector<SampleScore>> found = score(engine, samples, options, callbacks);
  EXPECT_TRUE(found.ok()) << found.status().message();
  return found.ok() ? std::move(*found) : std::vector<SampleScore>(samples.size());
}

double spread(const std::vector<double>& values) {
  double mean = 0.0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return values.empty() ? 0.0 : std::sqrt(squares / static_cast<double>(values.size()));
}

// As docs/trace.md allows for lists of log-probabilities and entropies; `logits`: the spread of the sample's last ones.
void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double logits) {
  ASSERT_EQ(found.size(), expected.size());
  const double list =
      expected.size() < 8 ? kRelative * logits : std::max(kRelative * spread(expected), kRelative / 8 * logits);
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], std::max(list, std::abs(expected[i]) * 0x1p-21)) << "token " << i;
}

class GoldenCase {
 public:
  explicit GoldenCase(const std::string& name)
      : engine_(load(name)), requests_(requests(name)), expected_(read_json(golden(name) + "/expected.json")) {}

  // What generating chose, as completions.
  void expect_greedy() const {
    std::vector<ScoreSample> samples;
    for (size_t i = 0; i < requests_.size(); ++i)
      samples.push_back(sample_of(requests_[i], expected_["greedy_ids"][i].get<std::vector<int32_t>>()));
    const std::vector<SampleScore> found = scores(engine_, samples);
    for (size_t i = 0; i < requests_.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      EXPECT_EQ(found[i].prompt_tokens, static_cast<int64_t>(expected_["input_ids"][i].size()));
      expect_near(found[i].logprobs, expected_["greedy_logprobs"][i].get<std::vector<double>>(), logit_spread(i));
    }
  }

  // The end of each prompt as a completion of its start. Returns how many could be cut.
  int expect_cut() const {
    int cut = 0;
    for (size_t i = 0; i < requests_.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      const auto ids = expected_["input_ids"][i].get<std::vector<int32_t>>();
      const std::optional<Request> start = start_of(i, ids);
      if (!start || !reference_is_alone(i)) continue;
      const int64_t begin = inspect_prompt(engine_, *start)->prompt.ids.size();
      const SampleScore found = scores(engine_, {sample_of(*start, {ids.begin() + begin, ids.end()})})[0];
      std::vector<double> logprobs, entropies;
      for (size_t token = static_cast<size_t>(begin); token < ids.size(); ++token) {
        logprobs.push_back(expected_["logprobs"][i][token].get<double>());
        entropies.push_back(expected_["entropies"][i][token - 1].get<double>());
      }
      expect_near(found.logprobs, logprobs, logit_spread(i));
      expect_near(found.entropies, entropies, logit_spread(i));
      ++cut;
    }
    return cut;
  }

  bool follows_length() const { return engine_.info().frequencies_follow_length; }

 private:
  double logit_spread(size_t sample) const {
    return spread(expected_["logits_last"][sample].get<std::vector<double>>());
  }

  // Frequencies of the reference follow the longest sample of its batch.
  bool reference_is_alone(size_t sample) const {
    if (!follows_length()) return true;
    size_t longest = 0;
    for (const json& ids : expected_["input_ids"]) longest = std::max(longest, ids.size());
    return expected_["input_ids"][sample].size() == longest;
  }

  // The request with the shortest start of its text that holds all media and is tokenised as it is in the whole.
  std::optional<Request> start_of(size_t sample, const std::vector<int32_t>& ids) const {
    const std::string text = expected_["prompt"][sample];
    Request request = requests_[sample];
    request.has_prompt = true;
    const auto whole = inspect_prompt(engine_, requests_[sample]);
    EXPECT_TRUE(whole.ok()) << whole.status().message();
    for (size_t length = 1; length < text.size(); ++length) {
      if ((text[length] & 0xc0) == 0x80) continue;
      request.prompt = text.substr(0, length);
      const auto start = inspect_prompt(engine_, request);
      if (!start.ok() || start->prompt.spans.size() < whole->prompt.spans.size()) continue;
      const std::vector<int32_t>& begin = start->prompt.ids;
      if (begin.size() + 1 >= ids.size() || !std::equal(begin.begin(), begin.end(), ids.begin())) continue;
      const auto cuts = [&](const auto& region) {
        return region.first < static_cast<int64_t>(begin.size()) && static_cast<int64_t>(begin.size()) < region.second;
      };
      if (std::ranges::none_of(whole->prompt.closed_regions, cuts)) return request;
    }
    return std::nullopt;
  }

  Engine engine_;
  std::vector<Request> requests_;
  json expected_;
};

class ScoreGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(ScoreGolden, CompletionsHaveTheProbabilitiesOfTheReference) {
  int cut = 0;
  const auto families = golden_families();
  for (const std::string& name : families.at(GetParam())) {
    SCOPED_TRACE(name);
    const GoldenCase one(name);
    if (!one.follows_length()) one.expect_greedy();
    cut += one.expect_cut();
  }
  // The tokens of a PaliGemma prompt all see each other.
  EXPECT_EQ(cut > 0, GetParam() != "paligemma");
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const auto& [family, cases] : golden_families()) names.push_back(family);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Families, ScoreGolden, ::testing::ValuesIn(family_names()), [](const auto& instance) {
  std::string name = instance.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// Prompts with none, one and two pictures; what follows the prompt has the positions that the reference gives it in one
// pass over everything (tests/oracle/score_goldens.py).
TEST(ScoreGoldens, EqualTransformers) {
  const json goldens = read_json(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/score/goldens.json");
  ASSERT_GE(goldens.size(), 10u);
  for (const json& one : goldens) {
    const std::string name = one["case"];
    SCOPED_TRACE(name);
    std::vector<ScoreSample> samples;
    for (const json& line : one["samples"]) {
      ScoreSample sample;
      sample.id = line["id"];
      sample.request.messages = line["messages"].dump();
      sample.request.base_directory = golden(name);
      sample.request.compat = "tf5";
      sample.completion = line.value("completion", "");
      if (line.contains("completion_ids")) sample.completion_ids = line["completion_ids"].get<std::vector<int32_t>>();
      samples.push_back(std::move(sample));
    }
    ScoreOptions options;
    options.temperature = one["temperature"];
    options.top = one["top"];
    const std::vector<SampleScore> found = scores(load(name), samples, options);
    for (size_t i = 0; i < samples.size(); ++i) {
      const json& expected = one["expected"][i];
      SCOPED_TRACE(expected["id"].get<std::string>());
      EXPECT_EQ(found[i].prompt_tokens, expected["prompt_tokens"]);
      ASSERT_EQ(found[i].completion_ids, expected["completion_ids"].get<std::vector<int32_t>>());
      constexpr double kTolerance = 1e-4;
      for (size_t token = 0; token < found[i].completion_ids.size(); ++token) {
        EXPECT_NEAR(found[i].logprobs[token], expected["logprobs"][token].get<double>(), kTolerance);
        EXPECT_NEAR(found[i].entropies[token], expected["entropies"][token].get<double>(), kTolerance);
        for (size_t k = 0; k < found[i].top[token].size(); ++k) {
          if (expected["top_margins"][token][k] < 2 * kTolerance) break;  // either may come first
          EXPECT_EQ(found[i].top[token][k].id, expected["top_ids"][token][k]);
        }
      }
    }
  }
}

// ---- the same bits

// Completions of several lengths behind every prompt of a case: none, one token, few, and more than a pass holds.
std::vector<ScoreSample> completions(const std::string& name, int64_t vocab, int64_t longest) {
  std::vector<ScoreSample> samples;
  uint32_t state = 7;
  for (const int64_t length : {int64_t{5}, int64_t{0}, longest, int64_t{1}, std::min<int64_t>(longest, 70)}) {
    for (const Request& request : requests(name)) {
      std::vector<int32_t> ids;
      for (int64_t i = 0; i < length; ++i) {
        state = state * 1664525u + 1013904223u;
        ids.push_back(static_cast<int32_t>(state >> 8) % static_cast<int32_t>(vocab));
      }
      samples.push_back(sample_of(request, std::move(ids), std::to_string(samples.size())));
    }
  }
  return samples;
}

void expect_same(const SampleScore& found, const SampleScore& expected) {
  EXPECT_EQ(found.completion_ids, expected.completion_ids);
  EXPECT_EQ(found.logprobs, expected.logprobs);
  EXPECT_EQ(found.entropies, expected.entropies);
  ASSERT_EQ(found.top.size(), expected.top.size());
  for (size_t i = 0; i < found.top.size(); ++i) {
    ASSERT_EQ(found.top[i].size(), expected.top[i].size());
    for (size_t k = 0; k < found.top[i].size(); ++k) {
      EXPECT_EQ(found.top[i][k].id, expected.top[i][k].id);
      EXPECT_EQ(found.top[i][k].logprob, expected.top[i][k].logprob);
    }
  }
}

class ScoreBits : public ::testing::TestWithParam<std::string> {};

TEST_P(ScoreBits, DoNotDependOnBatchOrderMemoryThreadsOrSharing) {
  const Engine plain = load(GetParam(), 1, false);
  int64_t room = plain.info().context_length;
  for (const Request& request : requests(GetParam())) {
    const int64_t tokens = inspect_prompt(plain, request)->prompt.ids.size();
    room = std::min(room, plain.info().context_length - tokens);
  }
  const std::vector<ScoreSample> samples = completions(GetParam(), plain.info().vocab, std::min<int64_t>(room, 600));
  ScoreOptions options;
  options.top = 3;
  std::vector<SampleScore> alone;
  for (const ScoreSample& sample : samples) alone.push_back(scores(plain, {sample}, options)[0]);

  const Engine shared = load(GetParam(), 3);
  const std::vector<SampleScore> together = scores(shared, samples, options);
  for (size_t i = 0; i < samples.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(together[i], alone[i]);
  }
  const std::vector<ScoreSample> backwards(samples.rbegin(), samples.rend());
  const std::vector<SampleScore> reversed = scores(shared, backwards, options);  // from caches that are full
  options.max_bytes = 1;
  const std::vector<SampleScore> small = scores(load(GetParam(), 2), samples, options);
  for (size_t i = 0; i < samples.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(reversed[samples.size() - 1 - i], alone[i]);
    expect_same(small[i], alone[i]);
  }
}

// One of each kind of cache: plain, windows, linear attention, shared keys, pictures outside of the sequence, prompts
// whose tokens see each other, frequencies that follow the length.
INSTANTIATE_TEST_SUITE_P(Caches, ScoreBits,
                         ::testing::Values("qwen3_vl_batch_shards", "gemma3_v4_batch", "qwen3_5_image_and_video",
                                           "gemma4_shared_keys", "mllama_batch_raw", "paligemma_v4_batch",
                                           "llama_longrope_crosses", "opt_norms_in_front", "smolvlm_batch_padded"));

// ---- what is shared

const std::string kCase = "qwen3_vl_two_images";

Request question(const std::string& text, const std::string& picture = "media/sample0_turn0_image0.png") {
  Request request;
  request.messages =
      json::array({{{"role", "user"},
                    {"content", {{{"type", "image"}, {"image", picture}}, {{"type", "text"}, {"text", text}}}}}})
          .dump();
  request.base_directory = golden(kCase);
  return request;
}

TEST(Score, APromptIsReadOnceForItsCompletions) {
  const Engine engine = load(kCase);
  const std::vector<ScoreSample> samples = {sample_of(question("What is it?"), {5, 6, 7}),
                                            sample_of(question("Where?"), {9}),
                                            sample_of(question("What is it?"), {8, 9})};
  int64_t rows = 0;
  const std::vector<SampleScore> found = scores(engine, samples);
  for (const SampleScore& each : found) rows += each.prompt_tokens - each.shared_tokens;
  EXPECT_EQ(found[0].shared_tokens, 0);
  EXPECT_EQ(found[0].shared_media, 0);
  EXPECT_EQ(found[2].shared_tokens, found[2].prompt_tokens);
  EXPECT_EQ(found[2].shared_media, 1);
  EXPECT_EQ(found[1].shared_media, 1) << "the same picture in another question";
  EXPECT_GT(found[1].shared_tokens, 0) << "the start of the prompt, up to the picture's end";
  EXPECT_LT(rows, 2 * found[0].prompt_tokens);
}

TEST(Score, TheSameWordsAboutAnotherPictureAreAnotherPrompt) {
  const Engine engine = load(kCase);
  const std::string white =
      "data:image/bmp;base64,Qk1GAAAAAAAAADYAAAAoAAAAAgAAAAIAAAABABgAAAAAABAAAAATCwAAEwsAAAAAAAAAAAAA////////AAD///////"
      "8AAA==";
  const std::string black =
      "data:image/"
      "bmp;base64,Qk1GAAAAAAAAADYAAAAoAAAAAgAAAAIAAAABABgAAAAAABAAAAATCwAAEwsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
  const std::vector<ScoreSample> samples = {sample_of(question("What?", white), {5, 6}),
                                            sample_of(question("What?", black), {5, 6})};
  const std::vector<SampleScore> both = scores(engine, samples);
  EXPECT_NE(both[0].logprobs, both[1].logprobs);
  EXPECT_EQ(both[1].logprobs, scores(load(kCase, 1, false), {samples[1]})[0].logprobs);
}

TEST(Score, OtherPositionsAreAnotherPrompt) {
  const Engine engine = load(kCase);
  ScoreSample own = sample_of(question("What is it?"), {5, 6, 7});
  ScoreSample flat = own;
  flat.request.positions = "vanilla";
  const std::vector<SampleScore> both = scores(engine, {own, flat});
  EXPECT_NE(both[0].logprobs, both[1].logprobs);
  EXPECT_EQ(both[1].shared_tokens, 0);
  EXPECT_EQ(both[1].logprobs, scores(load(kCase, 1, false), {flat})[0].logprobs);
}

// ---- numbers

// All alternatives make up the distribution; temperature divides the logits that it came from.
TEST(Score, TemperatureAndAlternativesAreThoseOfTheDistribution) {
  const Engine engine = load(kCase);
  const int vocab = static_cast<int>(engine.info().vocab);
  ASSERT_LE(vocab, 1024);
  const ScoreSample sample = sample_of(question("What is it?"), {5, 6, 7, 8});
  ScoreOptions options;
  options.top = vocab;
  const SampleScore plain = scores(engine, {sample}, options)[0];
  options.top = 2;
  options.temperature = 0.7;
  const SampleScore warm = scores(engine, {sample}, options)[0];
  for (size_t i = 0; i < 4; ++i) {
    std::vector<double> logprob(static_cast<size_t>(vocab));
    double mass = 0.0, warm_mass = 0.0, entropy = 0.0;
    for (const TokenAlternative& each : plain.top[i]) {
      logprob[static_cast<size_t>(each.id)] = each.logprob;
      mass += std::exp(each.logprob);
      warm_mass += std::exp(each.logprob / 0.7);
      entropy -= std::exp(each.logprob) * each.logprob;
    }
    const auto own = static_cast<size_t>((*sample.completion_ids)[i]);
    constexpr double kTolerance = 1e-5;  // sampling/logprobs.h: below 2.5e-6 each
    EXPECT_NEAR(mass, 1.0, kTolerance);
    EXPECT_EQ(plain.logprobs[i], logprob[own]);
    EXPECT_NEAR(plain.entropies[i], entropy, kTolerance);
    EXPECT_NEAR(warm.logprobs[i], logprob[own] / 0.7 - std::log(warm_mass), kTolerance);
    ASSERT_EQ(warm.top[i].size(), 2u);
    EXPECT_EQ(warm.top[i][0].id, plain.top[i][0].id);
    EXPECT_EQ(warm.top[i][1].id, plain.top[i][1].id);
    EXPECT_GE(plain.top[i][0].logprob, plain.top[i][1].logprob);
  }
}

// A text completion is the ids of the text by itself; what looks like a special token stays text.
TEST(Score, TextCompletionsAreTokenisedByThemselves) {
  const Engine engine = load(kCase);
  ScoreSample text;
  text.request = question("What is it?");
  text.completion = "a cat<|im_end|>";
  const SampleScore found = scores(engine, {text})[0];
  EXPECT_GT(found.completion_ids.size(), 5u);
  Request prompt;
  prompt.has_prompt = true;
  prompt.prompt = "<|im_end|>";
  const int32_t special = inspect_prompt(engine, prompt)->prompt.ids.back();
  EXPECT_EQ(std::ranges::count(found.completion_ids, special), 0);
  expect_same(scores(engine, {sample_of(text.request, found.completion_ids)})[0], found);
}

// Token by token or all at once: the same bits.
TEST(Score, GeneratedTokensHaveTheNumbersOfTheirGeneration) {
  for (const std::string name : {"qwen3_vl_two_images", "gemma3_v4_batch", "qwen3_5_image_and_video"}) {
    SCOPED_TRACE(name);
    const Engine engine = load(name);
    const Request request = requests(name)[0];
    GenerateOptions options;
    options.max_new_tokens = 9;
    options.temperature = 0.0;
    options.ignore_eos = true;
    Session session(engine);
    const Result<Generation> generation = session.generate(request, options);
    ASSERT_TRUE(generation.ok()) << generation.status().message();
    const SampleScore found = scores(engine, {sample_of(request, generation->ids)})[0];
    EXPECT_EQ(found.logprobs, generation->logprobs);
    EXPECT_EQ(found.entropies, generation->entropies);
  }
}

// ---- hooks

TEST(Score, AHookActsOnItsOwnSampleAlone) {
  const Engine engine = load(kCase);
  const ScoreSample plain = sample_of(question("What is it?"), {5, 6, 7});
  ScoreSample hooked = plain;
  std::vector<int64_t> entries;
  hooked.request.hooks.on_decoder_input = [&](DecoderEntry& entry) {
    entries.push_back(entry.first_token);
    for (float& value : entry.hidden) value *= 0.5f;
    return ok_status();
  };
  const SampleScore expected = scores(load(kCase, 1, false), {plain})[0];
  const std::vector<SampleScore> found = scores(engine, {plain, hooked, plain});
  expect_same(found[0], expected);
  expect_same(found[2], expected);
  EXPECT_NE(found[1].logprobs, expected.logprobs);
  EXPECT_EQ(entries, (std::vector<int64_t>{0, found[1].prompt_tokens})) << "the prompt, then the completion";
  EXPECT_EQ(found[1].shared_tokens, 0);
}

TEST(Score, TapsSeeLogitsAndChangeNothing) {
  const Engine engine = load(kCase);
  const ScoreSample plain = sample_of(question("What is it?"), {5, 6, 7});
  ScoreSample watched = plain;
  std::vector<int64_t> rows;
  watched.request.hooks.on_read = [&](const TapPoint& point, const ReadTensor& tensor) {
    if (point.stage != Stage::logits) return;
    for (int64_t i = 0; i < tensor.shape[0]; ++i) rows.push_back(point.first_token + i);
  };
  const std::vector<SampleScore> found = scores(engine, {plain, watched});
  expect_same(found[1], found[0]);
  const int64_t last = found[1].prompt_tokens - 1;
  EXPECT_EQ(rows, (std::vector<int64_t>{last, last + 1, last + 2}));
}

// ---- errors

std::string failure(const Engine& engine, const std::vector<ScoreSample>& samples, const ScoreOptions& options = {}) {
  const auto found = score(engine, samples, options);
  EXPECT_FALSE(found.ok());
  return found.status().message();
}

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
}

TEST(Score, ErrorsNameTheSampleAndBothNumbers) {
  const Engine engine = load(kCase);
  const ScoreSample good = sample_of(question("What?"), {5}, "good");
  const int64_t context = engine.info().context_length;
  ScoreSample both = good;
  both.completion = "text";
  ScoreSample lost = good;
  lost.request = question("What?", "media/none.png");
  ScoreSample placeholders = good;
  placeholders.request = Request();
  placeholders.request.has_prompt = true;
  placeholders.request.prompt = "<|image_pad|><|image_pad|>";
  placeholders.request.images = {"media/sample0_turn0_image0.png"};
  placeholders.request.base_directory = golden(kCase);
  ScoreSample damaged = good;
  damaged.completion_ids.reset();
  damaged.completion = "\xff";
  ScoreSample keys = good;
  keys.request.keys = "sideways";
  const std::pair<ScoreSample, std::vector<std::string>> cases[] = {
      {sample_of(question("What?"), {5, 1 << 20}, "b"), {"token 1 of the completion", "found 1048576"}},
      {sample_of(question("What?"), {-1}, "b"), {"token 0 of the completion", "found -1"}},
      {sample_of(question("What?"), std::vector<int32_t>(static_cast<size_t>(context)), "b"),
       {"a completion of " + std::to_string(context), "context of " + std::to_string(context)}},
      {both, {"text or as ids, found both"}},
      {lost, {"none.png"}},
      {placeholders, {"2 image placeholders", "but 1 image was given"}},
      {damaged, {"completion: ", "UTF-8"}},
      {keys, {"keys expected", "sideways"}},
  };
  for (const auto& [sample, words] : cases) {
    int delivered = 0;
    ScoreCallbacks callbacks;
    callbacks.on_sample = [&](size_t, const SampleScore&) {
      ++delivered;
      return ok_status();
    };
    const auto found = score(engine, std::vector<ScoreSample>{good, sample}, {}, callbacks);
    ASSERT_FALSE(found.ok());
    EXPECT_TRUE(found.status().message().starts_with("sample 1 (\"" + sample.id + "\"): ")) << found.status().message();
    expect_words(found.status().message(), words);
    EXPECT_EQ(delivered, 0) << "nothing is computed before everything is checked";
    EXPECT_EQ(check_samples(engine, std::vector<ScoreSample>{good, sample}).message(), found.status().message());
  }
  EXPECT_TRUE(check_samples(engine, std::vector<ScoreSample>{good}).ok());
  expect_words(failure(engine, {sample_of(Request(), {5})}), {"sample 0: ", "messages, a prompt or ids"});
}

TEST(Score, OptionsOutsideOfTheirRangesAreErrors) {
  const Engine engine = load(kCase);
  const std::vector<ScoreSample> samples = {sample_of(question("What?"), {5})};
  for (const double temperature : {0.0, -1.0, 1e7, std::nan("")}) {
    ScoreOptions options;
    options.temperature = temperature;
    expect_words(failure(engine, samples, options), {"a temperature in [1e-6, 1e6]"});
  }
  ScoreOptions options;
  options.top = -1;
  expect_words(failure(engine, samples, options), {"alternatives in [0, 1024], found -1"});
  options.top = 0;
  options.max_bytes = 0;
  expect_words(failure(engine, samples, options), {"bytes above 0"});
  EngineOptions without;
  without.load_weights = false;
  const auto described = Engine::load(golden(kCase) + "/model", without);
  expect_words(failure(*described, samples), {"an engine with weights"});
}

TEST(Score, KeepsGoingWhereAsked) {
  const Engine engine = load(kCase);
  ScoreOptions options;
  options.keep_going = true;
  const ScoreSample good = sample_of(question("What?"), {5, 6});
  const ScoreSample bad = sample_of(question("What?"), {-1}, "b");
  ScoreSample breaks = good;  // as it runs
  breaks.request.hooks.on_layer_input = [](LayerEntry&) { return invalid_argument("no"); };
  std::vector<size_t> order;
  ScoreCallbacks callbacks;
  callbacks.on_sample = [&](size_t index, const SampleScore& found) {
    order.push_back(index);
    EXPECT_EQ(found.status.ok(), index == 0 || index == 3);
    return ok_status();
  };
  const std::vector<SampleScore> found = scores(engine, {good, bad, breaks, good, bad}, options, callbacks);
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4}));
  expect_words(found[1].status.message(), {"sample 1 (\"b\"): ", "found -1"});
  EXPECT_TRUE(found[1].logprobs.empty());
  EXPECT_EQ(found[2].status.message(), "no");
  expect_same(found[3], found[0]);
}

// Logits without a distribution are an error that says where, not numbers.
TEST(Score, LogitsThatAreNoNumbersAreAnError) {
  const Engine engine = load(kCase);
  ScoreSample sample = sample_of(question("What?"), {5, 6, 7}, "b");
  sample.request.hooks.on_write = [](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage == Stage::logits) tensor.values[tensor.values.size() - 3] = std::nanf("");
    return ok_status();
  };
  expect_words(failure(engine, {sample}), {"sample 0 (\"b\"), token 0 of the completion: ", "found NaN at token "});
}

TEST(Score, StopsWhenAsked) {
  const Engine engine = load(kCase);
  const std::vector<ScoreSample> samples(3, sample_of(question("What?"), {5, 6}));
  std::atomic<bool> cancel = true;
  ScoreCallbacks callbacks;
  callbacks.cancel = &cancel;
  EXPECT_EQ(score(engine, samples, {}, callbacks).status().code(), StatusCode::cancelled);
  cancel = false;
  callbacks.on_progress = [&](std::string_view stage, double) { cancel = stage == "scoring"; };
  EXPECT_EQ(score(engine, samples, {}, callbacks).status().code(), StatusCode::cancelled);
}

TEST(Score, AFailureOfTheCallbackStops) {
  const Engine engine = load(kCase);
  ScoreCallbacks callbacks;
  callbacks.on_sample = [](size_t index, const SampleScore&) {
    return index == 1 ? resource_exhausted("the disk is full") : ok_status();
  };
  const auto found = score(engine, std::vector<ScoreSample>(3, sample_of(question("What?"), {5})), {}, callbacks);
  EXPECT_EQ(found.status().message(), "the disk is full");
}

TEST(Score, ProgressGoesFromNothingToEverything) {
  const Engine engine = load(kCase);
  std::vector<std::string> stages;
  double last = 0.0;
  ScoreCallbacks callbacks;
  callbacks.on_progress = [&](std::string_view stage, double fraction) {
    if (stages.empty() || stages.back() != stage) {
      stages.emplace_back(stage);
      last = 0.0;
    }
    EXPECT_GE(fraction, last) << stage;
    last = fraction;
  };
  ScoreOptions options;
  options.max_bytes = 1;
  scores(engine, {sample_of(question("What?"), {5, 6}), sample_of(question("Where?"), {7, 8, 9})}, options, callbacks);
  EXPECT_EQ(stages, (std::vector<std::string>{"checking", "scoring"}));
  EXPECT_NEAR(last, 1.0, 1e-9);
}

TEST(Score, NoSamplesAreNoScores) {
  EXPECT_TRUE(scores(load(kCase), {}).empty());
}

}  // namespace
}  // namespace azimuth
