// Tensors that callers bring along (ids, embeddings, positions) are checked where they enter the decoder: a wrong
// shape, count or number is an error that says what was expected, and no memory is read beyond it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "azimuth/positions.h"
#include "base/thread_pool.h"
#include "decoder/decoder.h"
#include "decoder/inject.h"

namespace azimuth {
namespace {

constexpr int64_t kVocab = 5;
constexpr int kHidden = 8;
constexpr int64_t kTokens = 4;

// A decoder of one layer without weights, which no test gets to run.
class BadTensors : public ::testing::Test {
 protected:
  BadTensors() : pool_(1), decoder_(spec(), weights(pool_)) {}

  static TextSpec spec() {
    TextSpec text;
    text.vocab = kVocab;
    text.hidden = kHidden;
    text.layers.push_back({.heads = 1, .kv_heads = 1, .head_dim = 8, .value_dim = 8});
    text.ropes.resize(1);
    return text;
  }

  static decoder::DecoderWeights weights(ThreadPool& pool) {
    const Tensor embedding = Tensor::zeros({kVocab, kHidden});
    decoder::DecoderWeights weights;
    auto packed = kernels::PackedMatrix::pack(embedding.view(), kernels::WeightType::f32, pool);
    EXPECT_TRUE(packed.ok()) << packed.status().message();
    weights.embedding = std::move(packed).value();
    weights.layers.resize(1);
    return weights;
  }

  // A text token, an image of two, and a text token.
  static Prompt prompt() {
    Prompt prompt;
    prompt.ids = {0, 1, 1, 2};
    const auto span = [](SpanKind kind, int64_t begin, int64_t end) {
      Span made;
      made.kind = kind;
      made.begin = begin;
      made.end = end;
      return made;
    };
    prompt.spans = {span(SpanKind::text, 0, 1), span(SpanKind::image, 1, 3), span(SpanKind::text, 3, 4)};
    prompt.spans[1].media = 0;
    prompt.spans[1].features = 2;
    return prompt;
  }

  static std::vector<MediaFeatures> image(const Shape& features, const std::vector<Shape>& levels = {}) {
    std::vector<MediaFeatures> images(1);
    images[0].features = Tensor::zeros(features);
    for (const Shape& level : levels) images[0].deepstack.push_back(Tensor::zeros(level));
    return images;
  }

  std::string inject_error(const std::vector<MediaFeatures>& images) const {
    return decoder::inject(decoder_, prompt(), images, {}).status().message();
  }

  static PositionTable positions(int axes) {
    PositionTable table;
    table.sets.resize(1);
    table.sets[0].axes = axes;
    table.sets[0].ids.assign(static_cast<size_t>(kTokens * axes), 0.0f);
    return table;
  }

  Status forward(const PositionTable& table, const std::vector<int8_t>& axis_of_pair = {0, 0, 0, 0}) {
    decoder::DecoderInput input;
    input.hidden = Tensor::zeros({kTokens, kHidden});
    decoder::CacheState cache = decoder_.new_cache();
    FrequencyPlan plan;
    plan.pairs = 4;
    plan.axis = axis_of_pair;
    plan.inv_freq.assign(4, 1.0f);
    decoder::PositionEncoding encoding;
    encoding.ropes.push_back(std::make_shared<positions::RotaryCache>(plan));
    const decoder::SequenceChunk chunk{&input, &table, &encoding, 0, kTokens, &cache, 0};
    return decoder_.forward({&chunk, 1}, RunContext{pool_, nullptr, nullptr, {}}).status();
  }

  ThreadPool pool_;
  decoder::Decoder decoder_;
};

TEST_F(BadTensors, TokenIdsOutsideOfTheVocabulary) {
  for (const int32_t id : {-1, static_cast<int>(kVocab), std::numeric_limits<int32_t>::max()}) {
    const std::vector<int32_t> ids = {0, id};
    const Status status = decoder_.embed(ids).status();
    EXPECT_EQ(status.code(), StatusCode::out_of_range);
    EXPECT_NE(status.message().find(std::to_string(id) + " at token 1"), std::string::npos) << status.message();
  }
}

TEST_F(BadTensors, FeaturesOfTheWrongCountNameBothNumbers) {
  EXPECT_EQ(inject_error(image({2, kHidden})), "");
  EXPECT_NE(inject_error(image({3, kHidden})).find("3 features, but the prompt has 2 tokens"), std::string::npos);
  EXPECT_NE(inject_error({}).find("features of 0 were given"), std::string::npos);
  std::vector<MediaFeatures> two = image({2, kHidden});
  two.push_back(std::move(image({2, kHidden})[0]));
  EXPECT_NE(inject_error(two).find("image 1 has 2 features, but the prompt has 0 tokens"), std::string::npos);
}

TEST_F(BadTensors, FeaturesOfTheWrongWidth) {
  EXPECT_NE(inject_error(image({2, kHidden + 1})).find("expected shape [2, 8], found [2, 9]"), std::string::npos);
  EXPECT_NE(inject_error(image({2, kHidden, 1})).find("expected shape [2, 8], found [2, 8, 1]"), std::string::npos);
}

TEST_F(BadTensors, DeepStackLevelsOfTheWrongShape) {
  EXPECT_EQ(inject_error(image({2, kHidden}, {Shape({2, kHidden})})), "");
  EXPECT_NE(inject_error(image({2, kHidden}, {Shape({1, kHidden})})).find("expected shape [2, 8], found [1, 8]"),
            std::string::npos);
}

TEST_F(BadTensors, PositionsThatAreNoNumbersOrTooLarge) {
  for (const float id : {NAN, INFINITY, -INFINITY, 16777216.0f, -16777216.0f}) {
    PositionTable table = positions(1);
    table.sets[0].ids[2] = id;
    const Status status = forward(table);
    EXPECT_EQ(status.code(), StatusCode::out_of_range) << id;
    EXPECT_NE(status.message().find("position of token 2 "), std::string::npos) << status.message();
  }
}

TEST_F(BadTensors, PositionsMayBeNegativeOrFractions) {
  PositionTable table = positions(1);
  table.sets[0].ids = {-16777215.0f, -0.5f, 0.25f, 16777215.0f};
  EXPECT_TRUE(table.validate(kTokens).ok());
}

TEST_F(BadTensors, PositionsOfTheWrongLength) {
  PositionTable table = positions(3);
  table.sets[0].ids.pop_back();
  EXPECT_NE(forward(table).message().find("4 tokens x 3 axes = 12 ids, found 11"), std::string::npos);
}

TEST_F(BadTensors, PositionsOfTheWrongAxisCount) {
  const Status status = forward(positions(1), {0, 1, 2, 2});
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_NE(status.message().find("axis 1"), std::string::npos) << status.message();
}

TEST_F(BadTensors, PositionSetsThatDoNotExist) {
  EXPECT_NE(forward(PositionTable{}).message().find("expected one of 0 id sets"), std::string::npos);
  PositionTable table = positions(1);
  table.set_of_layer = {1};
  EXPECT_NE(forward(table).message().find("expected one of 1 id sets, found set 1"), std::string::npos);
  table.set_of_layer = {0, 0};
  EXPECT_NE(forward(table).message().find("each of 1 layers, found 2"), std::string::npos);
}

}  // namespace
}  // namespace azimuth
