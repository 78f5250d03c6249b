// Sessions and engine loading through the public interface alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "azimuth/engine.h"
#include "azimuth/session.h"
#include "azimuth/trace.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing_support::TempDirectory;

const std::string kCase = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_vl_two_images";
const std::string kTextCase = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_tied";

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Engine load(const std::string& model, const std::string& dtype = "f32") {
  EngineOptions options;
  options.dtype = dtype;
  options.prefix_cache_bytes = 0;  // what a session remembers by itself; caches_test has what its engine does
  Result<Engine> engine = Engine::load(model, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

json picture_question(const std::string& text) {
  return {{"role", "user"},
          {"content",
           {{{"type", "image"}, {"image", "media/sample0_turn0_image0.png"}}, {{"type", "text"}, {"text", text}}}}};
}

Request request_of(const json& messages) {
  Request request;
  request.messages = messages.dump();
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

Generation answer(Session& session, const Request& request, const GenerateOptions& options,
                  const GenerateCallbacks& callbacks = {}) {
  Result<Generation> generation = session.generate(request, options, callbacks);
  EXPECT_TRUE(generation.ok()) << generation.status().message();
  return std::move(*generation);
}

TEST(Session, GreedyAnswerIsTheReferences) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  Request request = request_of(json::parse(read(kCase + "/request.json"))["conversations"][0]);
  const json expected = json::parse(read(kCase + "/expected.json"));
  const Generation found = answer(session, request, greedy(12));
  EXPECT_EQ(found.ids, expected["greedy_ids"][0].get<std::vector<int32_t>>());
  EXPECT_EQ(found.text, expected["greedy_text"][0].get<std::string>());
  EXPECT_EQ(found.finish, FinishReason::length);
  EXPECT_EQ(found.prompt_tokens, static_cast<int64_t>(expected["input_ids"][0].size()));
}

TEST(Session, StreamedPiecesAreTheText) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  std::string streamed;
  std::vector<std::string> stages;
  GenerateCallbacks callbacks;
  callbacks.on_text = [&](std::string_view piece) { streamed += piece; };
  callbacks.on_progress = [&](std::string_view stage, double) {
    if (stages.empty() || stages.back() != stage) stages.emplace_back(stage);
  };
  const Generation found =
      answer(session, request_of(json::array({picture_question("What is it?")})), greedy(20), callbacks);
  EXPECT_EQ(streamed, found.text);
  EXPECT_EQ(stages, (std::vector<std::string>{"vision", "prefill"}));
  EXPECT_EQ(found.logprobs.size(), found.ids.size());
  EXPECT_EQ(found.entropies.size(), found.ids.size());
}

// A second turn computes only its new tokens, and says exactly what a fresh session would say.
TEST(Session, FollowUpEqualsAFreshSession) {
  const Engine engine = load(kCase + "/model");
  json messages = json::array({picture_question("What is it?")});
  Session session(engine);
  const Generation first = answer(session, request_of(messages), greedy(6));
  messages.push_back({{"role", "assistant"}, {"content", first.text}});
  messages.push_back({{"role", "user"}, {"content", "And where?"}});
  const Generation reused = answer(session, request_of(messages), greedy(8));
  Session fresh(engine);
  const Generation alone = answer(fresh, request_of(messages), greedy(8));
  EXPECT_GT(reused.cached_tokens, first.prompt_tokens / 2);
  EXPECT_EQ(alone.cached_tokens, 0);
  EXPECT_EQ(reused.ids, alone.ids);
  EXPECT_EQ(reused.logprobs, alone.logprobs);
}

// The same words about another picture must not be answered from the first picture's cache.
TEST(Session, AnotherPictureIsNotMistakenForTheFirst) {
  const Engine engine = load(kCase + "/model");
  const auto question = [](const char* picture) {
    return json::array(
        {{{"role", "user"},
          {"content", {{{"type", "image"}, {"image", picture}}, {{"type", "text"}, {"text", "What is it?"}}}}}});
  };
  // Two pictures of one size, so that ids and positions of both prompts are equal.
  const std::string white =
      "data:image/bmp;base64,Qk1GAAAAAAAAADYAAAAoAAAAAgAAAAIAAAABABgAAAAAABAAAAATCwAAEwsAAAAAAAAAAAAA////////AAD///////"
      "8AAA==";
  const std::string black =
      "data:image/"
      "bmp;base64,Qk1GAAAAAAAAADYAAAAoAAAAAgAAAAIAAAABABgAAAAAABAAAAATCwAAEwsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
  Session session(engine);
  answer(session, request_of(question(white.c_str())), greedy(4));
  const Generation second = answer(session, request_of(question(black.c_str())), greedy(4));
  Session fresh(engine);
  EXPECT_EQ(second.logprobs, answer(fresh, request_of(question(black.c_str())), greedy(4)).logprobs);
}

// Pictures that stay outside of the sequence are seen by tokens in front of them, so that nothing in the cache fits
// others.
TEST(Session, ACrossAttendedPictureIsNotMistakenForAnother) {
  const std::string folder = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/mllama_runs_of_images";
  const Engine engine = load(folder + "/model");
  Request first = request_of(json::parse(read(folder + "/request.json"))["conversations"][0]);
  first.base_directory = folder;
  json messages = json::parse(first.messages);
  json& parts = messages[0]["content"];
  std::vector<size_t> places;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i]["type"] == "image") places.push_back(i);
  }
  ASSERT_GE(places.size(), 2u);
  std::swap(parts[places.front()], parts[places.back()]);
  Request second = first;
  second.messages = messages.dump();
  Session session(engine);
  answer(session, first, greedy(4));
  const Generation again = answer(session, first, greedy(4));
  EXPECT_GT(again.cached_tokens, 0) << "the same pictures";
  const Generation other = answer(session, second, greedy(8));
  Session fresh(engine);
  EXPECT_EQ(other.ids, answer(fresh, second, greedy(8)).ids);
  EXPECT_EQ(other.cached_tokens, 0);
}

TEST(Session, SeedsRepeatAndDiffer) {
  const Engine engine = load(kCase + "/model");
  GenerateOptions options = greedy(16);
  options.temperature = 1.5;
  const auto draw = [&](uint64_t seed) {
    options.seed = seed;
    Session session(engine);
    return answer(session, request_of(json::array({picture_question("Tell me.")})), options).ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Session, StopStringEndsTheAnswerAndIsNoPartOfIt) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  const Request request = request_of(json::array({picture_question("What is it?")}));
  const Generation whole = answer(session, request, greedy(20));
  ASSERT_GT(whole.text.size(), 6u);
  GenerateOptions options = greedy(20);
  options.stop = {whole.text.substr(3, 3)};
  const Generation cut = answer(session, request, options);
  EXPECT_EQ(cut.finish, FinishReason::stop);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(options.stop[0])));
}

TEST(Session, StopIdIsAStopAndEndOfTextIsNot) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  const Request request = request_of(json::array({picture_question("What is it?")}));
  const Generation whole = answer(session, request, greedy(6));
  ASSERT_EQ(whole.ids.size(), 6u);
  GenerateOptions options = greedy(6);
  options.stop_ids = {whole.ids[2]};
  const Generation cut = answer(session, request, options);
  EXPECT_EQ(cut.finish, FinishReason::stop);
  EXPECT_LE(cut.ids.size(), 2u);
}

TEST(Session, CancelledInMidAnswerKeepsWhatWasSaidAndTheSession) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  const Request request = request_of(json::array({picture_question("What is it?")}));
  std::atomic<bool> cancel{false};
  GenerateCallbacks callbacks;
  callbacks.cancel = &cancel;
  callbacks.on_position = [&](int64_t step, const float*, int) { cancel = step == 2; };
  const Generation found = answer(session, request, greedy(50), callbacks);
  EXPECT_EQ(found.finish, FinishReason::cancelled);
  EXPECT_LT(found.ids.size(), 6u);
  Session fresh(engine);
  EXPECT_EQ(answer(session, request, greedy(8)).logprobs, answer(fresh, request, greedy(8)).logprobs);
}

TEST(Session, CancelledWhileLookingIsAnErrorThatLeavesTheSessionUsable) {
  const Engine engine = load(kCase + "/model");
  Session session(engine);
  const Request request = request_of(json::array({picture_question("What is it?")}));
  std::atomic<bool> cancel{true};
  GenerateCallbacks callbacks;
  callbacks.cancel = &cancel;
  EXPECT_EQ(session.generate(request, greedy(4), callbacks).status().code(), StatusCode::cancelled);
  EXPECT_TRUE(session.generate(request, greedy(4)).ok());
}

TEST(Session, PositionsOfGeneratedTokensGoOnBehindThePrompt) {
  const Engine engine = load(kCase + "/model");
  const Request request = request_of(json::array({picture_question("What is it?")}));
  const Result<PromptReport> prompt = inspect_prompt(engine, request);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  std::vector<float> seen;
  GenerateCallbacks callbacks;
  callbacks.on_position = [&](int64_t, const float* ids, int axes) {
    for (int axis = 1; axis < axes; ++axis) EXPECT_EQ(ids[axis], ids[0]);
    seen.push_back(ids[0]);
  };
  Session session(engine);
  answer(session, request, greedy(3), callbacks);
  const double next = prompt->positions.sets[0].next_decode;
  EXPECT_EQ(seen, (std::vector<float>{static_cast<float>(next), static_cast<float>(next + 1)}));
}

TEST(Session, BosIsAddedToRawPromptsAndNotToRenderedText) {
  EngineOptions options;
  options.load_weights = false;
  const Result<Engine> engine =
      Engine::load(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/llama_yarn_f32/model", options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  Request request;
  request.prompt = "Hi";
  request.has_prompt = true;
  const Result<PromptReport> raw = inspect_prompt(*engine, request);
  ASSERT_TRUE(raw.ok()) << raw.status().message();
  request.messages = R"([{"role":"user","content":"said before"}])";  // the prompt is their rendered text
  const Result<PromptReport> rendered = inspect_prompt(*engine, request);
  ASSERT_TRUE(rendered.ok()) << rendered.status().message();
  EXPECT_EQ(raw->tokens[0], "<|begin_of_text|>");
  EXPECT_NE(rendered->tokens[0], "<|begin_of_text|>");
  EXPECT_EQ(rendered->tokens.size() + 1, raw->tokens.size());
}

TEST(Session, AnotherPolicyMovesTheAnswer) {
  const Engine engine = load(kCase + "/model");
  Request request = request_of(json::array({picture_question("What is it?")}));
  Session session(engine);
  const Generation own = answer(session, request, greedy(4));
  request.positions = "vanilla";
  const Generation flat = answer(session, request, greedy(4));
  EXPECT_EQ(flat.cached_tokens, 0) << "keys in the cache were rotated for another policy";
  EXPECT_NE(own.logprobs, flat.logprobs);
  request.positions = "mrop";
  EXPECT_NE(session.generate(request).status().message().find("nearest is \"mrope\""), std::string::npos);
}

TEST(Session, BadRequestsAreOneSentence) {
  const Engine engine = load(kCase + "/model");
  const Engine text_engine = load(kTextCase + "/model");
  Session session(engine);
  Session text_session(text_engine);
  const auto message = [](Session& where, const Request& request) {
    const Status status = where.generate(request).status();
    EXPECT_FALSE(status.ok());
    return status.message();
  };
  EXPECT_NE(message(session, {}).find("expected messages, a prompt or ids"), std::string::npos);
  EXPECT_NE(message(session, request_of(json::array())).find("at least one message"), std::string::npos);
  EXPECT_NE(message(text_session, request_of(json::array({picture_question("x")}))).find("this model takes no images"),
            std::string::npos);
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "word ";
  const std::string too_long = message(session, request_of(json::array({{{"role", "user"}, {"content", words}}})));
  EXPECT_NE(too_long.find("4096"), std::string::npos) << too_long;
  const json part = {{"type", "video"}, {"video", "clip.mp4"}};
  const json video = json::array({{{"role", "user"}, {"content", json::array({part})}}});
  EXPECT_NE(message(session, request_of(video)).find("clip.mp4"), std::string::npos);
  GenerateOptions options;
  options.temperature = -1.0;
  EXPECT_EQ(session.generate(request_of(json::array({picture_question("x")})), options).status().code(),
            StatusCode::invalid_argument);
}

TEST(Session, RawPromptTakesItsPictures) {
  const Engine engine = load(kCase + "/model");
  Request request;
  request.base_directory = kCase;
  request.has_prompt = true;
  request.prompt = "<|vision_start|><|image_pad|><|vision_end|>What?";
  request.images = {"media/sample0_turn0_image0.png"};
  Session session(engine);
  EXPECT_TRUE(session.generate(request, greedy(2)).ok());
  request.images.push_back("media/sample0_turn0_image1.jpg");
  const std::string message = session.generate(request, greedy(2)).status().message();
  EXPECT_NE(message.find("1 image"), std::string::npos) << message;
  EXPECT_NE(message.find("2 images"), std::string::npos) << message;
}

// ---- loading

// A copy of the case's model in which one file can be changed.
class BrokenModel : public ::testing::Test {
 protected:
  BrokenModel() { fs::copy(kCase + "/model", directory_.path("model"), fs::copy_options::recursive); }
  json config() const { return json::parse(read(directory_.path("model/config.json"))); }
  void write_config(const json& config) { directory_.write("model/config.json", config.dump()); }
  std::string failure() const {
    const Result<Engine> engine = Engine::load(directory_.path("model"));
    EXPECT_FALSE(engine.ok());
    return engine.ok() ? "" : engine.status().message();
  }
  TempDirectory directory_;
};

TEST_F(BrokenModel, UnknownModelTypeNamesTheKnownOnes) {
  json changed = config();
  changed["model_type"] = "qwen9_vl";
  write_config(changed);
  EXPECT_NE(failure().find("\"qwen9_vl\", which this build does not run; known are "), std::string::npos);
}

TEST_F(BrokenModel, MissingWeightsAreNamed) {
  json changed = config();
  changed["text_config"]["num_hidden_layers"] = 4;
  write_config(changed);
  const std::string message = failure();
  EXPECT_NE(message.find("layers.3.input_layernorm.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("of shape [48]"), std::string::npos) << message;
}

TEST_F(BrokenModel, MisshapenWeightsNameBothShapes) {
  json changed = config();
  changed["text_config"]["intermediate_size"] = 53;
  write_config(changed);
  const std::string message = failure();
  EXPECT_NE(message.find("expected shape [53, 48], found [52, 48]"), std::string::npos) << message;
}

TEST_F(BrokenModel, SectionThatDoesNotAddUpIsRefused) {
  json changed = config();
  changed["text_config"]["rope_parameters"]["mrope_section"] = {4, 3, 2};
  write_config(changed);
  EXPECT_NE(failure().find("adds up to 9, but the head has 10"), std::string::npos);
}

TEST_F(BrokenModel, ProcessorOfAnotherTowerIsRefused) {
  json processor = json::parse(read(directory_.path("model/processor_config.json")));
  processor["image_processor"]["patch_size"] = 7;
  directory_.write("model/processor_config.json", processor.dump());
  EXPECT_NE(failure().find("found patch 7"), std::string::npos);
}

TEST_F(BrokenModel, CutShortWeightsAreRefused) {
  fs::resize_file(directory_.path("model/model.safetensors"),
                  fs::file_size(directory_.path("model/model.safetensors")) / 2);
  EXPECT_NE(failure().find("model.safetensors"), std::string::npos);
}

TEST(EngineLoad, MissingModelSaysHowToGetIt) {
  const Status status = Engine::load("some/model-that-is-nowhere").status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("hf download some/model-that-is-nowhere"), std::string::npos) << status.message();
}

TEST(EngineLoad, Bf16StaysCloseToF32) {
  const Engine exact = load(kCase + "/model");
  const Engine rounded = load(kCase + "/model", "bf16");
  Session a(exact);
  Session b(rounded);
  const Request request = request_of(json::array({picture_question("What is it?")}));
  const double difference = answer(a, request, greedy(1)).logprobs[0] - answer(b, request, greedy(1)).logprobs[0];
  EXPECT_LT(std::abs(difference), 0.5);  // the same distribution, seen through 8 bits of mantissa
  EXPECT_NE(difference, 0.0);
}

// ---- trace

TEST(Trace, WritesFullArrays) {
  const Engine engine = load(kCase + "/model");
  TempDirectory arrays;
  TraceOptions options;
  options.base_directory = kCase;
  options.npy_directory = arrays.path();
  ASSERT_TRUE(trace(engine, read(kCase + "/request.json"), options).ok());
  const std::string logits = read(arrays.path("0.logits_last.npy"));
  ASSERT_EQ(logits.substr(1, 5), "NUMPY");
  EXPECT_EQ(logits.size(), 128 + 341 * sizeof(float));
  EXPECT_TRUE(fs::exists(arrays.path("0.image1_features.npy")));
  options.npy_directory = arrays.path("missing");
  EXPECT_NE(trace(engine, read(kCase + "/request.json"), options).status().message().find("could not write"),
            std::string::npos);
}

TEST(Trace, RequestsWithoutTextAreErrors) {
  const Engine engine = load(kCase + "/model");
  EXPECT_FALSE(trace(engine, "{}").ok());
  EXPECT_FALSE(trace(engine, "[1]").ok());
  EXPECT_FALSE(trace(engine, "{\"prompts\": []}").ok());
  EXPECT_FALSE(trace(engine, "{\"prompts\": [\"a\"], \"images\": [[], []]}").ok());
  EXPECT_TRUE(
      trace(engine, "{\"prompts\": [\"a\"], \"max_new_tokens\": 1, \"nothing\": 1, \"padding_side\": null}").ok());
}

}  // namespace
}  // namespace azimuth
