// Named invariants of what an engine remembers for all of its sessions: features of pictures and starts of prompts
// never change a bit of an answer, whatever was asked before, by whom and under which options.
//
// The bugs that these stop: an answer about another picture, or about the same one at other positions; keys that were
// computed within a bidirectional region that is longer now; recurrent states of another prompt; a request that sees
// what another one's hook wrote.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "azimuth/session.h"
#include "engine/model.h"
#include "engine/trace_request.h"
#include "positions/policy.h"
#include "support/golden_families.h"

namespace azimuth {
namespace {

using nlohmann::json;

std::string golden(const std::string& name) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name;
}

Engine load(const std::string& name, const std::string& dtype, bool remembers, int threads = 1) {
  EngineOptions options;
  options.dtype = dtype;
  options.threads = threads;
  if (!remembers) options.feature_cache_bytes = options.prefix_cache_bytes = 0;
  Result<Engine> engine = Engine::load(golden(name) + "/model", options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

// The requests of a golden case.
std::vector<Request> requests(const std::string& name) {
  std::ifstream file(golden(name) + "/request.json");
  TraceOptions options;
  options.base_directory = golden(name);
  Result<engine::TraceRequest> request =
      engine::read_trace_request({std::istreambuf_iterator<char>(file), {}}, options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  return request->samples;
}

// The request with more text at its end.
Request with_text(Request request, const std::string& text) {
  if (request.has_prompt) {
    request.prompt += text;
    return request;
  }
  json messages = json::parse(request.messages);
  json& content = messages.back()["content"];
  if (content.is_string()) {
    content = content.get<std::string>() + text;
  } else {
    content.push_back({{"type", "text"}, {"text", text}});
  }
  request.messages = messages.dump();
  return request;
}

// The request, its answer, and another question.
Request follow_up(Request request, const std::string& answer, const std::string& question) {
  if (request.has_prompt) return with_text(std::move(request), answer + question);
  json messages = json::parse(request.messages);
  messages.push_back({{"role", "assistant"}, {"content", answer}});
  messages.push_back({{"role", "user"}, {"content", question}});
  request.messages = messages.dump();
  return request;
}

int64_t tokens_of(const Engine& engine, const Request& request) {
  const Result<PromptReport> report = inspect_prompt(engine, request);
  return report.ok() ? static_cast<int64_t>(report->prompt.ids.size()) : -1;
}

// Text that makes the request a few blocks of keys long, as far as the model's context goes.
std::string filler(const Engine& engine, const Request& request) {
  const int64_t most = std::min<int64_t>(engine.info().context_length - 80, 330);
  std::string text;
  for (std::string longer = " and so on"; longer.size() < 2000; longer += " and so on") {
    const int64_t tokens = tokens_of(engine, with_text(request, longer));
    if (tokens < 0 || tokens > most) break;
    text = longer;
    if (tokens > 200) break;
  }
  return text;
}

Generation answer(Session& session, const Request& request, int64_t tokens = 5) {
  GenerateOptions options;
  options.max_new_tokens = tokens;
  options.temperature = 0.0;
  options.ignore_eos = true;
  Result<Generation> generation = session.generate(request, options);
  EXPECT_TRUE(generation.ok()) << generation.status().message();
  return generation.ok() ? std::move(*generation) : Generation{};
}

Generation answer(const Engine& engine, const Request& request, int64_t tokens = 5) {
  Session session(engine);
  return answer(session, request, tokens);
}

void expect_same(const Generation& found, const Generation& expected) {
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.logprobs, expected.logprobs);
  EXPECT_EQ(found.entropies, expected.entropies);
}

struct Setting {
  std::string golden;
  std::string dtype;
};

class Caches : public ::testing::TestWithParam<Setting> {
 protected:
  Engine with() const { return load(GetParam().golden, GetParam().dtype, true); }
  Engine without() const { return load(GetParam().golden, GetParam().dtype, false); }
  std::vector<Request> asked() const { return requests(GetParam().golden); }
};

int64_t count_media(const Engine& engine, const Request& request, SpanKind kind) {
  const Result<PromptReport> report = inspect_prompt(engine, request);
  return std::ranges::count(report->media, kind, &MediaHandle::kind);
}

// Not where the whole prompt is one region, nor where its length changes every key.
bool shares_starts(const Engine& engine, const Request& request) {
  if (engine.info().frequencies_follow_length) return false;
  const Result<PromptReport> report = inspect_prompt(engine, request);
  const std::pair<int64_t, int64_t> whole{0, static_cast<int64_t>(report->prompt.ids.size())};
  return std::ranges::find(report->prompt.closed_regions, whole) == report->prompt.closed_regions.end();
}

int64_t end_of_media(const Engine& engine, const Request& request) {
  const Result<PromptReport> report = inspect_prompt(engine, request);
  int64_t end = 0;
  for (const Span& span : report->prompt.spans) end = span.kind == SpanKind::text ? end : span.end;
  return end;
}

TEST_P(Caches, ChangeNoBit) {
  const Engine remembers = with();
  const Engine forgets = without();
  for (const Request& request : asked()) {
    const Request first = with_text(request, filler(remembers, request));
    const Request second = with_text(first, " or not");
    const Generation expected = answer(forgets, first);
    expect_same(answer(remembers, first), expected);
    const Generation again = answer(remembers, first);
    expect_same(again, expected);
    const bool shares = shares_starts(remembers, first);
    EXPECT_GE(again.cached_tokens, shares && again.prompt_tokens > 64 ? 64 : 0) << again.prompt_tokens;
    EXPECT_EQ(again.cached_images, count_media(remembers, first, SpanKind::image));
    EXPECT_EQ(again.cached_videos, count_media(remembers, first, SpanKind::video));
    // Another question about the same media goes on right behind them, wherever that is.
    const Generation other = answer(remembers, second);
    expect_same(other, answer(forgets, second));
    EXPECT_GE(other.cached_tokens, shares ? end_of_media(remembers, second) : 0);
    const Request third = follow_up(first, expected.text, " and then");
    if (tokens_of(remembers, third) < 0) continue;  // beyond the context, or roles that the template refuses
    const Generation next = answer(remembers, third);
    expect_same(next, answer(forgets, third));
    EXPECT_GE(next.cached_tokens, shares && next.prompt_tokens > 200 ? 64 : 0) << "in another session";
  }
}

// One session goes to and fro between two branches of a conversation.
TEST_P(Caches, BranchesChangeNoBit) {
  const Engine remembers = with();
  const Engine forgets = without();
  const Request request = asked()[0];
  const Request trunk = with_text(request, filler(remembers, request));
  const std::vector<Request> branches = {with_text(trunk, " yes"), with_text(trunk, " no"), request};
  std::vector<Generation> expected;
  for (const Request& branch : branches) expected.push_back(answer(forgets, branch));
  Session session(remembers);
  for (const size_t branch : {0, 1, 2, 0, 2, 1, 1, 0}) expect_same(answer(session, branches[branch]), expected[branch]);
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const auto& [family, cases] : testing_support::golden_families()) {
    for (const std::string dtype : {"f32", "bf16"}) all.push_back({cases[0], dtype});
  }
  for (const std::string name : {"qwen3_vl_two_images", "qwen3_vl_video_timestamps", "qwen2_v4_linear_window"})
    all.push_back({name, "f32"});
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Setting>& info) {
  return info.param.golden + "_" + info.param.dtype;
}

std::vector<Setting> distinct_settings() {
  std::vector<Setting> all;
  for (const Setting& setting : settings()) {
    const auto same = [&](const Setting& s) { return s.golden == setting.golden && s.dtype == setting.dtype; };
    if (std::ranges::none_of(all, same)) all.push_back(setting);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Goldens, Caches, ::testing::ValuesIn(distinct_settings()), name_of);

// One engine under every policy, so that what one policy leaves behind lies there for all others.
TEST(CachesOfOneEngine, PoliciesDoNotMeet) {
  const std::string name = "qwen3_vl_two_images";
  const Engine remembers = load(name, "f32", true);
  const Engine forgets = load(name, "f32", false);
  Request request = requests(name)[0];
  request = with_text(request, filler(remembers, request));
  int reused = 0;
  for (const int round : {0, 1}) {
    for (const auto& policy : positions::all_policies()) {
      request.positions = policy->name;
      Session session(forgets);
      GenerateOptions options;
      options.max_new_tokens = 2;
      options.temperature = 0.0;
      if (!session.generate(request, options).ok()) continue;
      SCOPED_TRACE(policy->name);
      const Generation found = answer(remembers, request);
      expect_same(found, answer(forgets, request));
      if (round == 1 && found.cached_tokens > 0) ++reused;
    }
  }
  EXPECT_GT(reused, 20);
}

TEST(CachesOfOneEngine, OptionsDoNotMeet) {
  const std::string name = "qwen3_vl_two_images";
  const Engine remembers = load(name, "f32", true);
  const Engine forgets = load(name, "f32", false);
  Request request = requests(name)[0];
  request = with_text(request, filler(remembers, request));
  for (const int round : {0, 1}) {
    for (const std::string compat : {"azimuth", "tf5", "tf4"}) {
      for (const std::string keys : {"rotated", "raw"}) {
        for (const std::string kwargs : {"", R"({"do_normalize": false})", R"({"do_rescale": false})"}) {
          SCOPED_TRACE(compat + " " + keys + " " + kwargs + " round " + std::to_string(round));
          request.compat = compat;
          request.keys = keys;
          request.processor_kwargs = kwargs;
          const Generation found = answer(remembers, request);
          expect_same(found, answer(forgets, request));
          EXPECT_GE(found.cached_tokens, round == 1 ? 64 : 0);
        }
      }
    }
  }
}

// Frequencies that change with the length: a longer sequence has other keys for the same tokens.
TEST(CachesOfOneEngine, LengthsDoNotMeet) {
  for (const std::string name : {"llama_longrope_crosses", "qwen3_dynamic_grows"}) {
    const Engine remembers = load(name, "f32", true);
    const Engine forgets = load(name, "f32", false);
    Request request;
    request.has_prompt = true;
    for (int round = 0; round < 2; ++round) {
      for (const std::string frequencies : {"rerotate", "as-reference"}) {
        request.frequencies = frequencies;
        for (const int words : {4, 12, 20, 28, 36, 44}) {
          SCOPED_TRACE(name + " " + frequencies + " " + std::to_string(words) + " round " + std::to_string(round));
          request.prompt.clear();
          for (int i = 0; i < words; ++i) request.prompt += " and so on";
          if (tokens_of(remembers, request) < 0) continue;
          expect_same(answer(remembers, request, 30), answer(forgets, request, 30));
        }
      }
    }
  }
}

// What a hook writes stays with its request, and what was kept before does not answer for it.
TEST(CachesOfOneEngine, HooksThatWritePassThemBy) {
  const std::string name = "qwen3_vl_two_images";
  const Engine remembers = load(name, "f32", true);
  const Engine forgets = load(name, "f32", false);
  Request plain = requests(name)[0];
  plain = with_text(plain, filler(remembers, plain));
  Request hooked = plain;
  hooked.hooks.on_write = [](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage == Stage::features) std::ranges::fill(tensor.values, 0.0f);
    return ok_status();
  };
  const Generation written = answer(remembers, hooked);
  EXPECT_EQ(remembers.impl().features->bytes(), 0u);
  EXPECT_EQ(remembers.impl().prefixes->bytes(), 0u);
  expect_same(answer(remembers, plain), answer(forgets, plain));
  const Generation again = answer(remembers, hooked);
  expect_same(again, written);
  EXPECT_EQ(again.cached_tokens, 0);
  EXPECT_EQ(again.cached_images, 0);
}

// Taps see what a session of its own would compute, and leave their tokens to others.
TEST(CachesOfOneEngine, TapsSeeEverythingAndKeepIt) {
  const std::string name = "qwen3_vl_two_images";
  const Engine remembers = load(name, "f32", true);
  Request plain = requests(name)[0];
  plain = with_text(plain, filler(remembers, plain));
  Request watched = plain;
  int64_t seen = 0;
  watched.hooks.on_read = [&](const TapPoint& point, const ReadTensor& tensor) {
    if (point.stage == Stage::embeddings) seen += tensor.shape[0];
  };
  for (int i = 0; i < 2; ++i) {
    seen = 0;
    const Generation found = answer(remembers, watched, 1);
    EXPECT_EQ(found.cached_tokens, 0);
    EXPECT_EQ(seen, found.prompt_tokens);
  }
  EXPECT_GE(answer(remembers, plain).cached_tokens, 64);
}

// Ids of cached tokens that were moved under keys=raw keep their old hidden states: nobody else's prompt has those.
TEST(CachesOfOneEngine, MovedTokensAreNotLeftToOthers) {
  const std::string name = "qwen3_vl_two_images";
  const Engine remembers = load(name, "f32", true);
  const Engine forgets = load(name, "f32", false);
  Request request = requests(name)[0];
  request = with_text(request, filler(remembers, request));
  request.keys = "raw";
  const auto scenario = [&](const Engine& engine) {
    Session session(engine);
    Request moved = request;
    answer(session, request);
    moved.hooks.on_positions = [](PositionEdit& edit) {
      for (float& id : edit.positions.sets[0].ids) id *= 2.0f;
      return ok_status();
    };
    const Generation found = answer(session, moved);
    EXPECT_GT(found.moved_tokens, 0);
    const Generation fresh = answer(engine, moved);
    EXPECT_EQ(fresh.moved_tokens, 0);
    EXPECT_NE(found.logprobs, fresh.logprobs);
    // The same ids turned by other frequencies, and what follows in the same session.
    Request turned = request;
    turned.positions = "mrope";
    Session other(engine);
    answer(other, request);
    std::vector<Generation> all = {found, fresh, answer(other, turned), answer(other, with_text(turned, " or not"))};
    all.push_back(answer(engine, turned));
    EXPECT_NE(all[2].logprobs, all[4].logprobs);
    return all;
  };
  const std::vector<Generation> expected = scenario(forgets);
  for (int round = 0; round < 2; ++round) {
    const std::vector<Generation> found = scenario(remembers);
    for (size_t i = 0; i < found.size(); ++i) expect_same(found[i], expected[i]);
  }
}

TEST(CachesOfOneEngine, SmallBoundsChangeNoBit) {
  const std::string name = "qwen3_vl_two_images";
  const Engine forgets = load(name, "f32", false);
  Request request = requests(name)[0];
  request = with_text(request, filler(forgets, request));
  const Generation expected = answer(forgets, request);
  for (const int64_t bytes : {int64_t{1}, int64_t{30} << 10, int64_t{200} << 10}) {
    EngineOptions options;
    options.dtype = "f32";
    options.feature_cache_bytes = options.prefix_cache_bytes = bytes;
    Result<Engine> engine = Engine::load(golden(name) + "/model", options);
    ASSERT_TRUE(engine.ok());
    for (int i = 0; i < 3; ++i) {
      expect_same(answer(*engine, request), expected);
      answer(*engine, with_text(request, " or not"));
      EXPECT_LE(engine->impl().features->bytes(), static_cast<size_t>(bytes));
      EXPECT_LE(engine->impl().prefixes->bytes(), static_cast<size_t>(bytes));
    }
  }
}

// Sessions of one engine answer at the same time.
TEST(CachesOfOneEngine, SessionsInThreadsChangeNoBit) {
  const std::string name = "qwen3_vl_two_images";
  const Engine forgets = load(name, "f32", false);
  const Engine remembers = load(name, "f32", true, 2);
  Request request = requests(name)[0];
  request = with_text(request, filler(forgets, request));
  std::vector<Request> asked;
  std::vector<Generation> expected;
  for (const char* const question : {"", " yes", " no", " or", " and so on and so on"}) {
    asked.push_back(with_text(request, question));
    expected.push_back(answer(forgets, asked.back()));
  }
  const auto ask = [&](size_t first) {
    Session session(remembers);
    for (size_t i = 0; i < 4 * asked.size(); ++i) {
      const size_t which = (first + i * (first + 1)) % asked.size();
      expect_same(answer(session, asked[which]), expected[which]);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) threads.emplace_back(ask, i);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace azimuth
