// A panorama from its file to an answer of the bundled model.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "azimuth/session.h"
#include "engine/prepare.h"
#include "media/panorama_views.h"
#include "support/bmp_file.h"
#include "support/golden_pixels.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::bmp_file;
using testing_support::TempDirectory;

// The same small panorama for every test, as a file and as pixels.
class Panorama : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineOptions options;
    options.dtype = "f32";
    options.prefix_cache_bytes = 0;  // what a session remembers by itself; caches_test has what its engine does
    Result<Engine> loaded = Engine::load(std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny", options);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    engine_ = std::make_unique<Engine>(std::move(*loaded));
  }
  static void TearDownTestSuite() { engine_.reset(); }

  Panorama() : pixels_(golden::noise(3, 64, 32)) { directory_.write("panorama.bmp", bmp_file(pixels_)); }

  Request request_of(json parts, const std::string& positions = "") const {
    Request request;
    parts.push_back({{"type", "text"}, {"text", "How many circles?"}});
    request.messages = json::array({{{"role", "user"}, {"content", parts}}}).dump();
    request.base_directory = directory_.path();
    request.positions = positions;
    return request;
  }

  static json panorama_part(double hfov = 90.0) {
    return {{"type", "panorama"}, {"panorama", "panorama.bmp"}, {"hfov", hfov}, {"tile_size", 96}, {"global_size", 96}};
  }

  // Its views as pictures that know nothing of each other.
  json view_parts() {
    ThreadPool pool(1);
    const std::vector<media::Image> views =
        media::panorama_views(pixels_, {.hfov = 90.0, .tile_size = 96, .global_size = 96}, pool).value();
    json parts = json::array();
    for (size_t view = 0; view < views.size(); ++view) {
      const std::string name = "view" + std::to_string(view) + ".bmp";
      directory_.write(name, bmp_file(views[view]));
      parts.push_back({{"type", "image"}, {"image", name}});
    }
    return parts;
  }

  static engine::PreparedSample prepared(const Request& request) {
    const Engine::Impl& model = engine_->impl();
    Result<engine::PolicyChoice> policy = engine::choose_policy(model.spec.text, request.positions);
    EXPECT_TRUE(policy.ok()) << policy.status().message();
    Result<engine::PreparedSample> sample = engine::prepare(model, request, *policy);
    EXPECT_TRUE(sample.ok()) << sample.status().message();
    return std::move(*sample);
  }

  static Generation answer(const Request& request) {
    GenerateOptions greedy;
    greedy.temperature = 0.0;
    greedy.max_new_tokens = 8;
    greedy.ignore_eos = true;
    Session session(*engine_);
    Result<Generation> generation = session.generate(request, greedy);
    EXPECT_TRUE(generation.ok()) << generation.status().message();
    return generation.ok() ? std::move(*generation) : Generation{};
  }

  static std::vector<Span> pictures_of(const Prompt& prompt) {
    std::vector<Span> pictures;
    for (const Span& span : prompt.spans) {
      if (span.kind == SpanKind::image) pictures.push_back(span);
    }
    return pictures;
  }

  static std::unique_ptr<Engine> engine_;
  TempDirectory directory_;
  media::Image pixels_;
};

std::unique_ptr<Engine> Panorama::engine_;

TEST_F(Panorama, EachViewIsAMarkedSpanWithTextAround) {
  const Prompt prompt = prepared(request_of({panorama_part()})).prompt;
  const std::vector<Span> views = pictures_of(prompt);
  ASSERT_EQ(views.size(), 5u);
  for (int view = 0; view < 5; ++view) {
    const Span& span = views[static_cast<size_t>(view)];
    EXPECT_EQ(span.media, view);
    EXPECT_EQ(span.view, view);
    EXPECT_EQ(span.views, 5);
    EXPECT_EQ(span.global_view, view == 0);
    EXPECT_EQ(span.tiles, 1);
    EXPECT_EQ(span.grid, (Grid{1, 4, 4}));
    EXPECT_EQ(prompt.spans[static_cast<size_t>(2 * view)].kind, SpanKind::text) << "no text before view " << view;
  }
}

TEST_F(Panorama, EqualsItsViewsAsPicturesOfTheirOwn) {
  const Request whole = request_of({panorama_part()});
  const Request apart = request_of(view_parts());
  const engine::PreparedSample a = prepared(whole);
  const engine::PreparedSample b = prepared(apart);
  EXPECT_EQ(a.rendered, b.rendered);
  EXPECT_EQ(a.prompt.ids, b.prompt.ids);
  EXPECT_EQ(a.positions.sets[0].ids, b.positions.sets[0].ids);
  EXPECT_EQ(a.positions.sets[0].next_decode, b.positions.sets[0].next_decode);
  ASSERT_EQ(a.images.size(), b.images.size());
  for (size_t i = 0; i < a.images.size(); ++i) {
    const Tensor& x = a.images[i].tiles[0].pixels;
    const Tensor& y = b.images[i].tiles[0].pixels;
    ASSERT_EQ(x.shape(), y.shape());
    EXPECT_TRUE(std::equal(x.data(), x.data() + x.elements(), y.data())) << "view " << i;
  }
  const Generation said = answer(whole);
  const Generation said_apart = answer(apart);
  EXPECT_EQ(said.ids, said_apart.ids);
  EXPECT_EQ(said.logprobs, said_apart.logprobs);
  EXPECT_EQ(said.steps, 8);
}

// PanoRoPE moves the columns of tile v by round(v s W), s = 0.5 here, and nothing else.
TEST_F(Panorama, PositionPolicyTurnsTheTiles) {
  const engine::PreparedSample plain = prepared(request_of({panorama_part()}, "mrope"));
  const engine::PreparedSample turned = prepared(request_of({panorama_part()}, "pano_mrope:overlap=0.5"));
  const PositionSet& before = plain.positions.sets[0];
  const PositionSet& after = turned.positions.sets[0];
  ASSERT_EQ(before.tokens(), after.tokens());
  for (const Span& span : turned.prompt.spans) {
    const float shift = span.views > 1 && !span.global_view ? 2.0f * static_cast<float>(span.view - 1) : 0.0f;
    for (int64_t token = span.begin; token < span.end; ++token) {
      EXPECT_EQ(after.token(token)[0], before.token(token)[0]);
      EXPECT_EQ(after.token(token)[1], before.token(token)[1]);
      EXPECT_EQ(after.token(token)[2], before.token(token)[2] + shift) << "token " << token;
    }
  }
}

TEST_F(Panorama, EveryPolicyOfPanoramasAnswers) {
  const std::vector<int32_t> own = answer(request_of({panorama_part()})).ids;
  EXPECT_EQ(own.size(), 8u);
  for (const char* policy : {"pano1d", "pano1d_share", "pano_mrope", "pano_wrap", "region_relative"}) {
    const Generation said = answer(request_of({panorama_part()}, policy));
    EXPECT_EQ(said.steps, 8) << policy;
    for (const double logprob : said.logprobs) EXPECT_TRUE(std::isfinite(logprob)) << policy;
  }
}

TEST_F(Panorama, ViewsAreCountedPerPanorama) {
  directory_.write("picture.bmp", bmp_file(golden::noise(8, 48, 48)));
  const json picture = {{"type", "image"}, {"image", "picture.bmp"}};
  const std::vector<Span> spans =
      pictures_of(prepared(request_of({picture, panorama_part(120.0), picture, panorama_part(180.0 - 1e-9)})).prompt);
  ASSERT_EQ(spans.size(), 1u + 4 + 1 + 4);
  const std::vector<int> views = {0, 0, 1, 2, 3, 0, 0, 1, 2, 3};
  for (size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].media, static_cast<int>(i));
    EXPECT_EQ(spans[i].view, views[i]);
    EXPECT_EQ(spans[i].views, i == 0 || i == 5 ? 1 : 4);
    EXPECT_EQ(spans[i].global_view, i == 1 || i == 6);
  }
}

TEST_F(Panorama, RawPromptHasAPlaceholderForEachView) {
  Request request = request_of({});
  request.messages.clear();
  request.has_prompt = true;
  request.panoramas = json::array({panorama_part(120.0)}).dump();
  for (int view = 0; view < 4; ++view) request.prompt += "<|vision_start|><|image_pad|><|vision_end|>";
  EXPECT_EQ(pictures_of(prepared(request).prompt).back().view, 3);
  request.prompt += "<|image_pad|>";
  Session session(*engine_);
  EXPECT_EQ(session.generate(request).status().code(), StatusCode::invalid_argument);
}

TEST_F(Panorama, AskingAgainReadsTheCache) {
  Session session(*engine_);
  const Request request = request_of({panorama_part()}, "pano_mrope");
  GenerateOptions greedy;
  greedy.temperature = 0.0;
  greedy.max_new_tokens = 4;
  const Result<Generation> first = session.generate(request, greedy);
  const Result<Generation> second = session.generate(request, greedy);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->cached_tokens, 0);
  EXPECT_EQ(second->cached_tokens, second->prompt_tokens - 1);
  EXPECT_EQ(first->logprobs, second->logprobs);
}

}  // namespace
}  // namespace azimuth
