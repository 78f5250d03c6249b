// Hooks through the public interface: what each is given, what it may change, and that it costs nothing else.
#include "azimuth/hooks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "azimuth/session.h"
#include "azimuth/trace.h"

namespace azimuth {
namespace {

using nlohmann::json;

const std::string kCase = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_vl_two_images";

const Engine& model() {
  static const Engine engine = [] {
    EngineOptions options;
    options.dtype = "f32";
    options.prefix_cache_bytes = 0;  // what a session remembers by itself; caches_test has what its engine does
    Result<Engine> loaded = Engine::load(kCase + "/model", options);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return std::move(*loaded);
  }();
  return engine;
}

// Two pictures of different sizes: 40 x 61, and 33 x 26 turned by its EXIF orientation.
Request two_pictures() {
  Request request;
  request.messages = json::parse(std::ifstream(kCase + "/request.json"))["conversations"][0].dump();
  request.base_directory = kCase;
  return request;
}

Result<Generation> generate(Session& session, const Request& request, int64_t tokens = 4) {
  GenerateOptions options;
  options.max_new_tokens = tokens;
  options.temperature = 0.0;
  options.ignore_eos = true;
  return session.generate(request, options);
}

Generation answer(const Request& request, int64_t tokens = 4) {
  Session session(model());
  Result<Generation> generation = generate(session, request, tokens);
  EXPECT_TRUE(generation.ok()) << generation.status().message();
  return generation.ok() ? std::move(*generation) : Generation{};
}

PromptReport inspect(const Request& request) {
  Result<PromptReport> report = inspect_prompt(model(), request);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(*report);
}

int64_t prompt_tokens() {
  static const int64_t tokens = static_cast<int64_t>(inspect(two_pictures()).tokens.size());
  return tokens;
}

// ---- hook 1

TEST(Hook1, SeesSpansGridsPicturesTokensAndPositions) {
  Request request = two_pictures();
  int calls = 0;
  request.hooks.on_positions = [&](PositionEdit& edit) {
    ++calls;
    EXPECT_EQ(edit.policy, "mrope_i");
    EXPECT_EQ(static_cast<int64_t>(edit.ids.size()), prompt_tokens());
    EXPECT_EQ(edit.spans.back().end, prompt_tokens());
    EXPECT_EQ(edit.media.size(), 2u);
    int pictures = 0;
    for (const Span& span : edit.spans) {
      if (span.kind != SpanKind::image) continue;
      ++pictures;
      const MediaHandle& picture = edit.media[static_cast<size_t>(span.media)];
      EXPECT_EQ(picture.number, span.media);
      EXPECT_EQ(picture.kind, SpanKind::image);
      EXPECT_EQ(picture.patches.h, span.grid.h * 2);
      EXPECT_EQ(picture.patches.w, span.grid.w * 2);
      EXPECT_EQ(picture.height, picture.patches.h * 6);
      EXPECT_EQ(picture.width, picture.patches.w * 6);
    }
    EXPECT_EQ(pictures, 2);
    EXPECT_EQ(edit.media[0].original_height, 40);
    EXPECT_EQ(edit.media[0].original_width, 61);
    EXPECT_EQ(edit.media[1].original_height, 26);
    EXPECT_EQ(edit.media[1].original_width, 33);
    EXPECT_EQ(edit.positions.sets.at(0).tokens(), prompt_tokens());
    return ok_status();
  };
  answer(request);
  EXPECT_EQ(calls, 1);
  inspect(request);
  EXPECT_EQ(calls, 2) << "`azimuth positions` shows what the hook made";
}

// Editing ids is the same as giving them; how decoding goes on stays, unless the hook says otherwise.
TEST(Hook1, EditedIdsReachTheRotaryEmbedding) {
  Request hooked = two_pictures();
  hooked.hooks.on_positions = [](PositionEdit& edit) {
    for (float& id : edit.positions.sets[0].ids) id *= 0.5f;
    return ok_status();
  };
  Request given = two_pictures();
  const PromptReport own = inspect(given);
  given.position_ids.emplace();
  given.position_ids->sets.push_back({3, own.positions.sets[0].ids, std::nullopt});
  for (float& id : given.position_ids->sets[0].ids) id *= 0.5f;
  EXPECT_EQ(answer(hooked).logprobs, answer(given).logprobs);
  EXPECT_NE(answer(hooked).logprobs, answer(two_pictures()).logprobs);
  EXPECT_EQ(inspect(hooked).positions.sets[0].next_decode, own.positions.sets[0].next_decode);
}

TEST(Hook1, BadTablesAndFailuresStopTheCall) {
  Session session(model());
  Request request = two_pictures();
  const auto message = [&](std::function<Status(PositionEdit&)> hook) {
    request.hooks.on_positions = std::move(hook);
    const Status status = generate(session, request).status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(inspect_prompt(model(), request).status().message(), status.message());
    return status.message();
  };
  EXPECT_NE(message([](PositionEdit& edit) {
              edit.positions.sets[0].ids[3] = 3e7f;
              return ok_status();
            }).find("the position hook expected a number with magnitude below 2^24"),
            std::string::npos);
  EXPECT_NE(message([](PositionEdit& edit) {
              PositionSet& set = edit.positions.sets[0];
              set.axes = 1;
              set.ids.resize(static_cast<size_t>(edit.ids.size()));
              return ok_status();
            }).find("expected ids on 3 axes"),
            std::string::npos);
  EXPECT_NE(message([](PositionEdit& edit) {
              edit.positions.sets.clear();
              return ok_status();
            }).find("at least one id set"),
            std::string::npos);
  EXPECT_EQ(message([](PositionEdit&) { return invalid_argument("not today"); }), "not today");
  // The session is as it was.
  request.hooks = {};
  EXPECT_EQ(generate(session, request)->logprobs, answer(two_pictures()).logprobs);
}

// ---- hooks 2, 2b and 3

TEST(Hook2, SeesPromptAndEveryGeneratedToken) {
  Request request = two_pictures();
  std::vector<int64_t> firsts;
  request.hooks.on_decoder_input = [&](DecoderEntry& entry) {
    firsts.push_back(entry.first_token);
    const bool prompt = entry.first_token == 0;
    EXPECT_EQ(entry.tokens, prompt ? prompt_tokens() : 1);
    EXPECT_EQ(static_cast<int64_t>(entry.hidden.size()), entry.tokens * 48);
    EXPECT_EQ(static_cast<int64_t>(entry.ids.size()), entry.tokens);
    EXPECT_EQ(entry.positions.sets[0].tokens(), entry.tokens);
    EXPECT_EQ(entry.spans.empty(), !prompt);
    EXPECT_EQ(entry.streams.size(), prompt ? 2u : 0u);  // DeepStack levels
    return ok_status();
  };
  const Generation found = answer(request);
  const int64_t n = prompt_tokens();
  EXPECT_EQ(firsts, (std::vector<int64_t>{0, n, n + 1, n + 2}));
  EXPECT_EQ(found.logprobs, answer(two_pictures()).logprobs) << "a hook that changes nothing changes nothing";
}

TEST(Hook2, HiddenStatesAndStreamsCanBeReplaced) {
  const std::vector<double> own = answer(two_pictures()).logprobs;
  Request request = two_pictures();
  request.hooks.on_decoder_input = [](DecoderEntry& entry) {
    for (float& value : entry.hidden) value *= 1.5f;
    return ok_status();
  };
  const std::vector<double> scaled = answer(request).logprobs;
  EXPECT_NE(scaled, own);
  request.hooks.on_decoder_input = [](DecoderEntry& entry) {
    for (StreamRows& stream : entry.streams) std::ranges::fill(stream.rows, 0.0f);
    return ok_status();
  };
  const std::vector<double> without_streams = answer(request).logprobs;
  EXPECT_NE(without_streams, own);
  EXPECT_NE(without_streams, scaled);
}

// Embeddings, written at their stage, and the entry of layer 0 are the same place.
TEST(Hook2b, EntryOfALayer) {
  Request entry = two_pictures();
  std::set<int> layers;
  entry.hooks.on_layer_input = [&](LayerEntry& rows) {
    layers.insert(rows.layer);
    EXPECT_EQ(static_cast<int64_t>(rows.hidden.size()), rows.tokens * 48);
    if (rows.layer != 0) return ok_status();
    for (float& value : rows.hidden) value += 0.25f;
    return ok_status();
  };
  Request stage = two_pictures();
  stage.hooks.on_write = [](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage != Stage::embeddings) return ok_status();
    for (float& value : tensor.values) value += 0.25f;
    return ok_status();
  };
  Request input = two_pictures();
  input.hooks.on_decoder_input = [](DecoderEntry& rows) {
    for (float& value : rows.hidden) value += 0.25f;
    return ok_status();
  };
  const std::vector<double> found = answer(entry).logprobs;
  EXPECT_EQ(layers, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(found, answer(stage).logprobs);
  EXPECT_EQ(found, answer(input).logprobs);
  EXPECT_NE(found, answer(two_pictures()).logprobs);
}

// A hook that turns every pair by another id's cosines is a policy of its own.
TEST(Hook3, ReplacedCosinesAreReplacedPositions) {
  const PromptReport own = inspect(two_pictures());
  const FrequencyPlan& plan = own.plan;
  Request request = two_pictures();
  std::vector<float> seen;
  request.hooks.on_rotary = [&](RotaryRows& rows) {
    EXPECT_EQ(rows.rope, 0);
    EXPECT_EQ(rows.id_set, 0);
    EXPECT_EQ(rows.layers.size(), 3u);
    EXPECT_EQ(rows.axes, 3);
    EXPECT_EQ(static_cast<int64_t>(rows.cosines.size()), rows.tokens * rows.groups * rows.pairs);
    seen.insert(seen.end(), rows.ids.begin(), rows.ids.end());
    for (int64_t token = 0; token < rows.tokens; ++token) {
      for (int pair = 0; pair < rows.pairs; ++pair) {
        const float id = rows.ids[static_cast<size_t>(token * 3 + plan.axis[static_cast<size_t>(pair)])] + 2.0f;
        const auto angle = static_cast<double>(id * plan.inv_freq[static_cast<size_t>(pair)]);
        const auto at = static_cast<size_t>(token * rows.pairs + pair);
        rows.cosines[at] = static_cast<float>(std::cos(angle));
        rows.sines[at] = static_cast<float>(std::sin(angle));
      }
    }
    return ok_status();
  };
  Request shifted = two_pictures();
  shifted.hooks.on_positions = [](PositionEdit& edit) {
    for (float& id : edit.positions.sets[0].ids) id += 2.0f;
    edit.positions.sets[0].next_decode += 2.0;
    return ok_status();
  };
  EXPECT_EQ(answer(request).logprobs, answer(shifted).logprobs);
  ASSERT_GE(seen.size(), own.positions.sets[0].ids.size());
  EXPECT_TRUE(std::ranges::equal(own.positions.sets[0].ids, std::span(seen).first(own.positions.sets[0].ids.size())));
}

TEST(Hook3, EachIdSetHasItsOwnRows) {
  Request request = two_pictures();
  request.positions = "circle:age=strategy_4";
  std::map<int, std::vector<int>> layers;
  request.hooks.on_rotary_ids = [&](const RotaryIds& ids) {
    layers[ids.id_set] = {ids.layers.begin(), ids.layers.end()};
  };
  answer(request, 1);
  EXPECT_EQ(layers, (std::map<int, std::vector<int>>{{0, {0, 2}}, {1, {1}}}));
}

TEST(HookFailures, StopTheCallAndLeaveTheSession) {
  Session session(model());
  const Generation own = *generate(session, two_pictures());
  const auto fails = [&](const std::function<void(Hooks&)>& set) {
    Request request = two_pictures();
    set(request.hooks);
    const Status status = generate(session, request).status();
    EXPECT_EQ(status.message(), "enough");
    const Generation after = *generate(session, two_pictures());
    EXPECT_EQ(after.logprobs, own.logprobs);
    EXPECT_GT(after.cached_tokens, 0);
  };
  const Status enough = cancelled("enough");
  fails([&](Hooks& hooks) { hooks.on_decoder_input = [&](DecoderEntry&) { return enough; }; });
  fails([&](Hooks& hooks) {
    hooks.on_layer_input = [&](LayerEntry& entry) { return entry.layer == 2 ? enough : ok_status(); };
  });
  fails([&](Hooks& hooks) { hooks.on_rotary = [&](RotaryRows&) { return enough; }; });
  for (const Stage stage : {Stage::features, Stage::deepstack, Stage::embeddings, Stage::layer_output,
                            Stage::final_hidden, Stage::logits}) {
    fails([&](Hooks& hooks) {
      hooks.on_write = [&, stage](const TapPoint& point, WriteTensor&) {
        return point.stage == stage ? enough : ok_status();
      };
    });
  }
  // In the middle of an answer.
  fails([&](Hooks& hooks) {
    hooks.on_layer_input = [&](LayerEntry& entry) {
      return entry.layer == 1 && entry.first_token > prompt_tokens() ? enough : ok_status();
    };
  });
}

// ---- taps

TEST(Taps, SeeEveryStageAndChangeNoBit) {
  Request request = two_pictures();
  std::map<Stage, std::vector<TapPoint>> points;
  request.hooks.on_read = [&](const TapPoint& point, const ReadTensor& tensor) {
    points[point.stage].push_back(point);
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    EXPECT_EQ(static_cast<int64_t>(tensor.values.size()), elements);
  };
  const Generation watched = answer(request);
  const Generation own = answer(two_pictures());
  EXPECT_EQ(watched.logprobs, own.logprobs);
  EXPECT_EQ(watched.entropies, own.entropies);
  EXPECT_EQ(points[Stage::pixels].size(), 2u);
  EXPECT_EQ(points[Stage::pixels][1].media, 1);
  EXPECT_EQ(points[Stage::tower_layer].size(), 2u * 3u);
  EXPECT_EQ(points[Stage::features].size(), 2u);
  EXPECT_EQ(points[Stage::deepstack].size(), 2u * 2u);
  EXPECT_EQ(points[Stage::embeddings].size(), 1u + 3u);  // the prompt, and three tokens that were fed back
  EXPECT_EQ(points[Stage::layer_output].size(), 3u * (1u + 3u));
  EXPECT_EQ(points[Stage::final_hidden].size(), 1u + 3u);
  EXPECT_EQ(points[Stage::logits].size(), 4u);
  EXPECT_EQ(points[Stage::logits][3].first_token, prompt_tokens() + 2);
}

TEST(Taps, LogitsCanBeWritten) {
  Request request = two_pictures();
  constexpr int32_t kChosen = 42;
  request.hooks.on_write = [](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage != Stage::logits) return ok_status();
    tensor.values[kChosen] = 1e4f;
    return ok_status();
  };
  EXPECT_EQ(answer(request, 3).ids, (std::vector<int32_t>{kChosen, kChosen, kChosen}));
}

TEST(Taps, FeaturesCanBeWritten) {
  const std::vector<double> own = answer(two_pictures()).logprobs;
  std::vector<std::vector<double>> found;
  for (int media = 0; media < 2; ++media) {
    Request request = two_pictures();
    request.hooks.on_write = [media](const TapPoint& point, WriteTensor& tensor) {
      if (point.stage == Stage::features && point.media == media) std::ranges::fill(tensor.values, 0.0f);
      return ok_status();
    };
    found.push_back(answer(request).logprobs);
    EXPECT_NE(found.back(), own);
  }
  EXPECT_NE(found[0], found[1]);
}

// ---- a session's memory

TEST(SessionMemory, WriteHooksPassItBy) {
  Session session(model());
  const Generation own = *generate(session, two_pictures());
  Request request = two_pictures();
  request.hooks.on_write = [](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage == Stage::features) std::ranges::fill(tensor.values, 0.0f);
    return ok_status();
  };
  const Generation written = *generate(session, request);
  EXPECT_EQ(written.cached_tokens, 0);
  EXPECT_NE(written.logprobs, own.logprobs);
  const Generation after = *generate(session, two_pictures());
  EXPECT_EQ(after.cached_tokens, 0) << "what a hook wrote must not answer for a request without it";
  EXPECT_EQ(after.logprobs, own.logprobs);
}

TEST(SessionMemory, ReadTapsAndPositionHooksKeepIt) {
  Session session(model());
  const Generation own = *generate(session, two_pictures());
  Request request = two_pictures();
  request.hooks.on_read = [](const TapPoint&, const ReadTensor&) {};
  request.hooks.on_rotary_ids = [](const RotaryIds&) {};
  request.hooks.on_positions = [](PositionEdit&) { return ok_status(); };
  const Generation watched = *generate(session, request);
  EXPECT_EQ(watched.cached_tokens, watched.prompt_tokens - 1);
  EXPECT_EQ(watched.logprobs, own.logprobs);
}

// ---- batches

TEST(TraceHooks, NameTheSequenceOfABatch) {
  const json conversation = json::parse(std::ifstream(kCase + "/request.json"))["conversations"][0];
  const json text = json::array({{{"role", "user"}, {"content", "ok"}}});
  const json request = {{"conversations", {conversation, text}}, {"max_new_tokens", 3}};
  TraceOptions options;
  options.base_directory = kCase;
  const json plain = json::parse(*trace(model(), request.dump(), options));
  std::map<int, int64_t> tokens;
  options.hooks.on_read = [&](const TapPoint& point, const ReadTensor& tensor) {
    if (point.stage == Stage::final_hidden) tokens[point.sequence] += tensor.shape[0];
  };
  EXPECT_EQ(json::parse(*trace(model(), request.dump(), options)), plain);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(tokens[i], static_cast<int64_t>(plain["input_ids"][static_cast<size_t>(i)].size()) + 2) << i;
  }
  options.hooks = {};
  options.hooks.on_layer_input = [](LayerEntry& entry) {
    if (entry.sequence == 1 && entry.layer == 1) std::ranges::fill(entry.hidden, 1.0f);
    return ok_status();
  };
  const json changed = json::parse(*trace(model(), request.dump(), options));
  EXPECT_EQ(changed["logits_last"][0], plain["logits_last"][0]);
  EXPECT_NE(changed["logits_last"][1], plain["logits_last"][1]);
}

// ---- the page about hooks

std::string without_spaces(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  return text;
}

// The examples run as tests, and the page shows what they do.
TEST(HooksPage, SnippetsAreFromTheExamples) {
  const std::string root = AZIMUTH_SOURCE_DIR;
  const std::string page = without_spaces(root + "/docs/hooks.md");
  const std::string examples =
      without_spaces(root + "/examples/hooks.cc") + without_spaces(root + "/examples/panorope.cc");
  int snippets = 0;
  for (size_t at = page.find("```cpp"); at != std::string::npos; at = page.find("```cpp", at)) {
    const size_t begin = at + 6;
    at = page.find("```", begin);
    const std::string snippet = page.substr(begin, at - begin);
    EXPECT_NE(examples.find(snippet), std::string::npos) << snippet;
    ++snippets;
  }
  EXPECT_EQ(snippets, 3);
}

}  // namespace
}  // namespace azimuth
