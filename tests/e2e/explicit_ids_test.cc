// Explicit position ids: from files of every form to answers, and every way of giving wrong ones.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "azimuth/position_ids.h"
#include "azimuth/session.h"
#include "azimuth/trace.h"
#include "engine/model.h"
#include "engine/npy.h"
#include "engine/policy_choice.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::TempDirectory;

const std::string kTraces = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/";
const std::string kCase = kTraces + "qwen3_vl_two_images";

const Engine& load(const std::string& model) {
  static std::map<std::string, Engine> engines;
  if (const auto found = engines.find(model); found != engines.end()) return found->second;
  EngineOptions options;
  options.dtype = "f32";
  options.prefix_cache_bytes = 0;  // what a session remembers by itself; caches_test has what its engine does
  Result<Engine> engine = Engine::load(model, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engines.emplace(model, std::move(*engine)).first->second;
}

const Engine& vision_model() {
  return load(kCase + "/model");
}
const Engine& text_model() {
  return load(kTraces + "qwen3_tied/model");
}

Request picture_request(const std::string& text = "What is it?") {
  Request request;
  const json parts = {{{"type", "image"}, {"image", "media/sample0_turn0_image0.png"}},
                      {{"type", "text"}, {"text", text}}};
  request.messages = json::array({{{"role", "user"}, {"content", parts}}}).dump();
  request.base_directory = kCase;
  return request;
}

GenerateOptions greedy(int64_t tokens) {
  GenerateOptions options;
  options.max_new_tokens = tokens;
  options.temperature = 0.0;
  options.ignore_eos = true;
  return options;
}

Generation answer(Session& session, const Request& request, int64_t tokens) {
  Result<Generation> generation = session.generate(request, greedy(tokens));
  EXPECT_TRUE(generation.ok()) << generation.status().message();
  return generation.ok() ? std::move(*generation) : Generation{};
}

PromptReport inspect(const Engine& engine, const Request& request) {
  Result<PromptReport> report = inspect_prompt(engine, request);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(*report);
}

// The ids that the prompt has anyway, as if they had been given.
PositionIds same_ids(const PromptReport& report) {
  PositionIds ids;
  for (const PositionSet& set : report.positions.sets) ids.sets.push_back({set.axes, set.ids, std::nullopt});
  ids.set_of_layer = report.positions.set_of_layer;
  return ids;
}

// ---- files

// An .npy file of format 1 as NumPy writes it.
std::string npy(const std::string& descr, bool fortran, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  return out + header + data;
}

template <typename T>
std::string bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<PositionIds> parse(const std::string& text) {
  Result<std::vector<PositionIds>> ids = parse_position_ids(text, "ids");
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? std::move(*ids) : std::vector<PositionIds>(1, {{{}}, {}, false});
}

std::string failure(const std::string& text) {
  const Result<std::vector<PositionIds>> ids = parse_position_ids(text, "ids");
  EXPECT_FALSE(ids.ok());
  return ids.ok() ? "" : ids.status().message();
}

TEST(PositionIdFiles, EveryElementTypeAndOrderReadsAlike) {
  const std::vector<float> token_major = {0, 3, 1, 4, 2, 5};  // of axes {0,1,2}, {3,4,5}
  for (const bool fortran : {false, true}) {
    const std::vector<double> order =
        fortran ? std::vector<double>{0, 3, 1, 4, 2, 5} : std::vector<double>{0, 1, 2, 3, 4, 5};
    const std::string shape = "(2, 3)";
    for (const std::string& file : {npy("<i4", fortran, shape, bytes(std::vector<int32_t>(order.begin(), order.end()))),
                                    npy("<i8", fortran, shape, bytes(std::vector<int64_t>(order.begin(), order.end()))),
                                    npy("<f4", fortran, shape, bytes(std::vector<float>(order.begin(), order.end()))),
                                    npy("<f8", fortran, shape, bytes(order))}) {
      const std::vector<PositionIds> ids = parse(file);
      ASSERT_EQ(ids.size(), 1u);
      EXPECT_EQ(ids[0].sets[0].axes, 2);
      EXPECT_EQ(ids[0].sets[0].ids, token_major);
    }
  }
}

TEST(PositionIdFiles, ShapesAreTokensThenAxesThenSamples) {
  const std::string six = bytes(std::vector<float>{0, 1, 2, 3, 4, 5.5f});
  EXPECT_EQ(parse(npy("<f4", false, "(6,)", six))[0].sets[0].axes, 1);
  const std::vector<PositionIds> batch = parse(npy("<f4", false, "(2, 1, 3)", six));
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[1].sets[0].ids, (std::vector<float>{3, 4, 5.5f}));
  const std::vector<PositionIds> fortran = parse(npy("<f4", true, "(2, 1, 3)", six));
  EXPECT_EQ(fortran[1].sets[0].ids, (std::vector<float>{1, 3, 5.5f}));
}

TEST(PositionIdFiles, JsonInEveryForm) {
  EXPECT_EQ(parse("[0, 1.5, 2]")[0].sets[0].ids, (std::vector<float>{0, 1.5f, 2}));
  const PositionIds axes = parse("[[0, 1], [2, 3], [4, 5]]")[0];
  EXPECT_EQ(axes.sets[0].axes, 3);
  EXPECT_EQ(axes.sets[0].ids, (std::vector<float>{0, 2, 4, 1, 3, 5}));
  const PositionIds next = parse(R"({"ids": [[0, 1], [0, 1], [0, 1]], "next": 7.25})")[0];
  EXPECT_EQ(next.sets[0].next, 7.25);
  const PositionIds sets = parse(R"({"sets": [[0, 1], {"ids": [2, 3], "next": 9}], "set_of_layer": [1, 0]})")[0];
  ASSERT_EQ(sets.sets.size(), 2u);
  EXPECT_EQ(sets.sets[1].next, 9.0);
  EXPECT_EQ(sets.set_of_layer, (std::vector<int>{1, 0}));
  EXPECT_EQ(parse(R"([{"ids": [0]}, {"ids": [1]}])").size(), 2u);
  const std::vector<PositionIds> nested = parse("[[[0], [1]], [[2], [3]]]");
  ASSERT_EQ(nested.size(), 2u);
  EXPECT_EQ(nested[1].sets[0].ids, (std::vector<float>{2, 3}));
}

TEST(PositionIdFiles, HostileFilesAreOneSentence) {
  const std::string good = npy("<f4", false, "(2,)", bytes(std::vector<float>{0, 1}));
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(parse_position_ids(good.substr(0, length), "ids").ok()) << length;
  EXPECT_NE(failure(good + "x").find("expected 8 bytes"), std::string::npos);
  EXPECT_NE(failure(npy("<c8", false, "(2,)", "1234")).find("found \"<c8\"; convert"), std::string::npos);
  EXPECT_NE(failure(npy(">f4", false, "(1,)", "1234")).find("found \">f4\""), std::string::npos);
  EXPECT_NE(failure(npy("|O", false, "(1,)", "1234")).find("found \"|O\""), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(4000000000, 4000000000)", "")).find("at most"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(99999999999999999999,)", "")).find("expected a shape"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(-1,)", "")).find("expected a shape"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(0,)", "")).find("empty array"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "()", "1234")).find("0 dimensions"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(1, 1, 1, 1)", "1234")).find("4 dimensions"), std::string::npos);
  EXPECT_NE(failure(npy("<f4", false, "(9, 1)", bytes(std::vector<float>(9)))).find("found 9"), std::string::npos);
  EXPECT_NE(failure("[]").find("expected ids"), std::string::npos);
  EXPECT_NE(failure("{\"next\": 3}").find("a key \"ids\""), std::string::npos);
  EXPECT_NE(failure("[[0, 1], [0]]").find("expected 2 ids like the first axis, found 1"), std::string::npos);
  EXPECT_NE(failure("[0, \"1\"]").find("expected a number"), std::string::npos);
  EXPECT_NE(failure("ids").find("ids"), std::string::npos);
  const Status missing = read_position_ids("/nowhere/ids.npy").status();
  EXPECT_EQ(missing.code(), StatusCode::not_found);
}

// ---- ids at work

TEST(ExplicitIds, ThePolicysOwnIdsGiveItsAnswer) {
  Request request = picture_request();
  Session plain(vision_model());
  const Generation expected = answer(plain, request, 5);
  request.position_ids = same_ids(inspect(vision_model(), request));
  Session session(vision_model());
  const Generation found = answer(session, request, 5);
  EXPECT_EQ(found.logprobs, expected.logprobs);
  EXPECT_EQ(answer(session, request, 5).cached_tokens, found.prompt_tokens - 1);
}

// Fractions and id sets of layers go through prefill, cache and decoding: the answer is the policy's own.
TEST(ExplicitIds, FractionsAndSetsOfLayers) {
  for (const std::string policy : {"circle:age=strategy_4", "videorope_d0.5", "v2pe_s16"}) {
    SCOPED_TRACE(policy);
    Request request = picture_request();
    request.positions = policy;
    const PromptReport report = inspect(vision_model(), request);
    Session plain(vision_model());
    const Generation expected = answer(plain, request, 5);
    request.position_ids = same_ids(report);
    Session session(vision_model());
    EXPECT_EQ(answer(session, request, 5).logprobs, expected.logprobs);
  }
}

TEST(ExplicitIds, NextIsTheIdOfTheFirstGeneratedToken) {
  Request request = picture_request();
  const PromptReport report = inspect(vision_model(), request);
  request.position_ids = same_ids(report);
  request.position_ids->sets[0].next = 77.5;
  std::vector<float> seen;
  GenerateCallbacks callbacks;
  callbacks.on_position = [&](int64_t, const float* ids, int) { seen.push_back(ids[0]); };
  Session session(vision_model());
  ASSERT_TRUE(session.generate(request, greedy(3), callbacks).ok());
  EXPECT_EQ(seen, (std::vector<float>{77.5f, 78.5f}));
  EXPECT_EQ(inspect(vision_model(), request).positions.sets[0].next_decode, 77.5);
}

TEST(ExplicitIds, WithoutNextThePolicysRuleStays) {
  Request request = picture_request();
  const double own = inspect(vision_model(), request).positions.sets[0].next_decode;
  request.position_ids = same_ids(inspect(vision_model(), request));
  for (float& id : request.position_ids->sets[0].ids) id += 100.0f;
  EXPECT_EQ(inspect(vision_model(), request).positions.sets[0].next_decode, own);
}

TEST(ExplicitIds, WrongIdsAreOneSentence) {
  Request request = picture_request();
  const PromptReport report = inspect(vision_model(), request);
  const auto refused = [&](const std::function<void(PositionIds&)>& spoil) {
    PositionIds ids = same_ids(report);
    spoil(ids);
    Request wrong = request;
    wrong.position_ids = std::move(ids);
    const Status status = inspect_prompt(vision_model(), wrong).status();
    EXPECT_FALSE(status.ok());
    Session session(vision_model());
    EXPECT_EQ(session.generate(wrong, greedy(1)).status().message(), status.message());
    return status.message();
  };
  const std::string tokens = std::to_string(report.tokens.size());
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].ids.pop_back(); }).find("expected " + tokens + " tokens x 3"),
            std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].ids.resize(3); }).find("found 3;"), std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets.clear(); }).find("at least one set"), std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].ids[4] = NAN; }).find("for token 1 on axis h, found nan"),
            std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].ids[6] = 16777216.0f; }).find("below 2^24"), std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].ids[6] = -INFINITY; }).find("found -inf"), std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.sets[0].next = 1e9; }).find("the next id"), std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.set_of_layer = {0}; }).find("model's 3 layers, found 1"),
            std::string::npos);
  EXPECT_NE(refused([](PositionIds& ids) { ids.set_of_layer = {0, 4, 0}; }).find("found set 4"), std::string::npos);
  EXPECT_NE(refused([&](PositionIds& ids) {
              ids.sets[0].axes = 1;
              ids.sets[0].ids.resize(report.tokens.size());
            }).find("expected ids on 3 axes, which the frequency plan turns, found 1 axis"),
            std::string::npos);
}

// One axis is enough for a plan that turns with one, and more than enough does no harm.
TEST(ExplicitIds, AxesThatThePlanNeeds) {
  Request request = picture_request();
  request.positions = "vanilla";
  const PromptReport report = inspect(vision_model(), request);
  Session plain(vision_model());
  const Generation expected = answer(plain, request, 3);
  PositionIds wide;
  wide.sets.push_back({3, {}, report.positions.sets[0].next_decode});
  for (int64_t token = 0; token < report.positions.sets[0].tokens(); ++token) {
    const float id = report.positions.sets[0].token(token)[0];
    wide.sets[0].ids.insert(wide.sets[0].ids.end(), {id, -5.0f, 1000.0f});
  }
  request.position_ids = wide;
  Session session(vision_model());
  EXPECT_EQ(answer(session, request, 3).logprobs, expected.logprobs);
}

// A learned table has as many rows as it was trained with: an id outside is an error, never a wrap (positions.md 1.2).
TEST(ExplicitIds, IdsOutsideALearnedTable) {
  const Engine& engine = load(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/additive/llama/model");
  Request request;
  request.has_prompt = true;
  request.prompt = "ok";
  request.positions = "learned";
  const PromptReport report = inspect(engine, request);
  Session session(engine);
  ASSERT_TRUE(session.generate(request, greedy(1)).ok());
  for (const float outside : {-1.0f, 100000.0f, 0.5f}) {
    request.position_ids = same_ids(report);
    request.position_ids->sets[0].ids[0] = outside;
    const Status status = session.generate(request, greedy(1)).status();
    EXPECT_FALSE(status.ok()) << outside;
    EXPECT_NE(status.message().find("expected"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("found"), std::string::npos) << status.message();
  }
}

// ---- what a session does when ids change

TEST(SessionReuse, IdsOfEverySetAreCompared) {
  Request request = picture_request();
  request.positions = "circle:age=strategy_4";
  Session session(vision_model());
  const Generation first = answer(session, request, 2);
  request.position_ids = same_ids(inspect(vision_model(), request));
  PositionSet moved = inspect(vision_model(), request).positions.sets[1];
  constexpr int64_t kMoved = 5;
  request.position_ids->sets[1].ids[kMoved * 3] += 0.5f;
  const Generation second = answer(session, request, 2);
  EXPECT_EQ(second.cached_tokens, kMoved);
  Session fresh(vision_model());
  EXPECT_EQ(second.logprobs, answer(fresh, request, 2).logprobs);
  EXPECT_NE(second.logprobs, first.logprobs);
}

TEST(SessionReuse, RawKeysLetCachedTokensMove) {
  Request request = picture_request();
  request.keys = "raw";
  Session session(vision_model());
  const Generation first = answer(session, request, 3);
  EXPECT_EQ(answer(session, request, 3).logprobs, first.logprobs);
  request.position_ids = same_ids(inspect(vision_model(), request));
  for (size_t i = 0; i < request.position_ids->sets[0].ids.size() / 2; ++i)
    request.position_ids->sets[0].ids[i] += 3.0f;
  const Generation moved = answer(session, request, 3);
  EXPECT_EQ(moved.cached_tokens, moved.prompt_tokens - 1);
  EXPECT_GT(moved.moved_tokens, 0);
  EXPECT_NE(moved.logprobs, first.logprobs);
  // Back at the old ids, nothing of the detour is left.
  request.position_ids.reset();
  EXPECT_EQ(answer(session, request, 3).logprobs, first.logprobs);
}

// One layer deep, hidden states hold nothing of the ids, so moved raw keys are exactly what prefilling again gives.
TEST(SessionReuse, RawKeysOfTheFirstLayerMoveExactly) {
  TempDirectory directory;
  std::filesystem::copy(kTraces + "qwen3_tied/model", directory.path("model"),
                        std::filesystem::copy_options::recursive);
  json config = json::parse(std::ifstream(directory.path("model/config.json")));
  config["num_hidden_layers"] = 1;
  config.erase("layer_types");
  directory.write("model/config.json", config.dump());
  const Engine engine = [&] {
    EngineOptions options;
    options.dtype = "f32";
    Result<Engine> loaded = Engine::load(directory.path("model"), options);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return std::move(*loaded);
  }();
  Request request;
  request.messages = json::array({{{"role", "user"}, {"content", "Count from 1 to 10: 1, 2, 3"}}}).dump();
  request.keys = "raw";
  Session session(engine);
  answer(session, request, 2);
  request.position_ids = same_ids(inspect(engine, request));
  for (float& id : request.position_ids->sets[0].ids) id = 2.0f * id;
  const Generation moved = answer(session, request, 4);
  EXPECT_EQ(moved.moved_tokens, moved.prompt_tokens - 2);  // token 0 stays at 0, and one token is computed
  Request rotated = request;
  rotated.keys = "rotated";
  Session fresh(engine);
  EXPECT_EQ(moved.logprobs, answer(fresh, rotated, 4).logprobs);
}

TEST(SessionReuse, KeptKeysAreNotMistakenForTheOtherKind) {
  Request request = picture_request();
  Session session(vision_model());
  const Generation first = answer(session, request, 3);
  request.keys = "raw";
  const Generation second = answer(session, request, 3);
  EXPECT_EQ(second.cached_tokens, 0);
  EXPECT_EQ(second.logprobs, first.logprobs);
}

// A conversation whose first turn was given ids goes on by itself.
TEST(SessionReuse, ATextConversationContinuesExplicitIds) {
  json messages = json::array({{{"role", "user"}, {"content", "ok"}}});
  Request request;
  request.messages = messages.dump();
  PositionIds ids = same_ids(inspect(text_model(), request));
  for (float& id : ids.sets[0].ids) id *= 1.5f;
  ids.sets[0].next = 40.0;
  request.position_ids = ids;
  Session session(text_model());
  const Generation first = answer(session, request, 3);
  messages.push_back({{"role", "assistant"}, {"content", first.text}});
  messages.push_back({{"role", "user"}, {"content", "Hello?"}});
  request.messages = messages.dump();
  EXPECT_NE(session.generate(request, greedy(2)).status().message().find("give one for each token"), std::string::npos);
  request.position_ids->continues = true;
  const Generation second = answer(session, request, 3);
  EXPECT_GT(second.cached_tokens, 0);
  Session fresh(text_model());
  EXPECT_EQ(answer(fresh, request, 3).logprobs, second.logprobs);
  request.position_ids->sets[0].next.reset();
  EXPECT_NE(session.generate(request, greedy(2)).status().message().find("give \"next\""), std::string::npos);
}

// Requests with one policy share their cosines.
TEST(SharedEncodings, ASecondRequestComputesNoNewRows) {
  const Engine& engine = vision_model();
  Request request = picture_request();
  request.positions = "videorope:delta=0.25";
  const auto rows = [&] {
    return engine::choose_policy(engine.impl(), request.positions)->encoding->ropes[0]->computed_rows();
  };
  Session first(engine);
  answer(first, request, 4);
  const int64_t before = rows();
  EXPECT_GT(before, 0);
  Session second(engine);
  answer(second, request, 4);
  EXPECT_EQ(rows(), before);
}

// ---- batches

json trace_of(const Engine& engine, const json& request) {
  TraceOptions options;
  options.base_directory = kTraces + "qwen3_tied";
  const Result<std::string> answer = trace(engine, request.dump(), options);
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  return answer.ok() ? json::parse(*answer) : json();
}

TEST(TraceRequests, IdsOfEachSample) {
  json request = {{"prompts", {"one two", "three"}}, {"max_new_tokens", 3}};
  const json plain = trace_of(text_model(), request);
  const size_t first = plain["input_ids"][0].size();
  json ids = json::array();
  for (size_t i = 0; i < first; ++i) ids.push_back(0.5 * static_cast<double>(i));
  request["position_ids"] = json::array({{{"ids", ids}, {"next", 100}}, nullptr});
  const json found = trace_of(text_model(), request);
  EXPECT_EQ(found["position_ids"][0], ids);
  EXPECT_EQ(found["decode_position_ids"][0], json({100, 101, 102}));
  EXPECT_EQ(found["logits_last"][1], plain["logits_last"][1]);
  EXPECT_NE(found["logits_last"][0], plain["logits_last"][0]);
  request["position_ids"] = ids;
  const Status status = trace(text_model(), request.dump()).status();
  EXPECT_NE(status.message().find("expected ids of 2 samples, found those of 1"), std::string::npos);
}

// A function that a program registered works in sessions, batches and reports, with the same ids in each.
TEST(RegisteredPolicies, WorkInSessionsBatchesAndReports) {
  ASSERT_TRUE(register_position_policy("every_third", "vanilla", [](const PositionRequest& request) {
                PositionTable table;
                table.sets.resize(1);
                const int64_t tokens = request.spans.back().end;
                for (int64_t token = 0; token < tokens; ++token)
                  table.sets[0].ids.push_back(3.0f * static_cast<float>(token));
                table.sets[0].next_text = table.sets[0].next_decode = 3.0 * static_cast<double>(tokens);
                return Result<PositionTable>(std::move(table));
              }).ok());
  Request request;
  request.has_prompt = true;
  request.prompt = "one two three";
  request.positions = "every_third";
  const PromptReport report = inspect(text_model(), request);
  EXPECT_EQ(report.policy, "every_third");
  EXPECT_EQ(report.positions.sets[0].ids.at(1), 3.0f);
  Session session(text_model());
  const Generation generation = answer(session, request, 3);
  const json found = trace_of(
      text_model(), {{"prompts", {"one two three", "four"}}, {"positions", "every_third"}, {"max_new_tokens", 3}});
  EXPECT_EQ(found["position_ids"][0].get<std::vector<float>>(), report.positions.sets[0].ids);
  EXPECT_EQ(found["greedy_ids"][0].get<std::vector<int32_t>>(), generation.ids);
  EXPECT_EQ(found["decode_position_ids"][0][0].get<double>(), report.positions.sets[0].next_decode);
}

// Its table is checked like any other.
TEST(RegisteredPolicies, BadTablesAreOneSentence) {
  ASSERT_TRUE(register_position_policy("one_axis_only", "mrope", [](const PositionRequest& request) {
                return request.layout("vanilla");
              }).ok());
  Request request = picture_request();
  request.positions = "one_axis_only";
  const std::string message = inspect_prompt(vision_model(), request).status().message();
  EXPECT_NE(message.find("position policy one_axis_only expected ids on 3 axes"), std::string::npos) << message;
}

TEST(TraceRequests, PolicyKeysAndFrequencies) {
  const json request = {{"prompts", {"one two three", "four"}}, {"max_new_tokens", 3}};
  const json plain = trace_of(text_model(), request);
  json changed = request;
  changed["keys"] = "raw";
  changed["frequencies"] = "rerotate";
  EXPECT_EQ(trace_of(text_model(), changed), plain);
  changed["positions"] = "paligemma";
  EXPECT_EQ(trace_of(text_model(), changed)["position_ids"][0][0], 1);
  changed["positions"] = "nothing";
  EXPECT_NE(trace(text_model(), changed.dump()).status().message().find("unknown position policy"), std::string::npos);
}

}  // namespace
}  // namespace azimuth
