#include "decoder/per_layer_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace azimuth::decoder {
namespace {

kernels::PackedMatrix packed(const Tensor& matrix, ThreadPool& pool) {
  return std::move(*kernels::PackedMatrix::pack(matrix.view(), kernels::WeightType::f32, pool));
}

// One layer of width 1, whose table has the row number as its value; the projection gives zeros.
class PerLayerInputs : public testing::Test {
 protected:
  PerLayerInputs() {
    spec_.hidden = 2;
    spec_.per_layer_vocab = 5;
    spec_.layers.resize(1);
    spec_.layers[0].per_layer_width = 1;
    Tensor table({5, 1});
    for (int i = 0; i < 5; ++i) table.row(i)[0] = static_cast<float>(i);
    weights_.per_layer_embedding = packed(table, pool_);
    weights_.per_layer_projection.weight = packed(Tensor::zeros({1, 2}), pool_);
    weights_.per_layer_norm = Tensor::zeros({1});
  }

  Result<Tensor> run(std::vector<int32_t> ids) {
    DecoderInput input;
    input.hidden = Tensor::zeros({2, 2});
    input.ids = std::move(ids);
    SequenceChunk chunk;
    chunk.input = &input;
    chunk.end = 2;
    PerLayerWorkspace work;
    AZ_RETURN_IF_ERROR(per_layer_inputs(spec_, weights_, {&chunk, 1}, input.hidden, work, pool_));
    return std::move(work.inputs);
  }

  ThreadPool pool_{1};
  TextSpec spec_;
  DecoderWeights weights_;
};

TEST_F(PerLayerInputs, PlaceholdersOfMediaTakeTheRowOfThePad) {
  spec_.media_ids = {4};
  spec_.pad_id = 1;
  const Result<Tensor> inputs = run({3, 4});
  ASSERT_TRUE(inputs.ok()) << inputs.status().message();
  EXPECT_FLOAT_EQ(inputs->row(0)[0], 3.0f * std::sqrt(0.5f));
  EXPECT_FLOAT_EQ(inputs->row(1)[0], std::sqrt(0.5f));
}

TEST_F(PerLayerInputs, AsksForIds) {
  EXPECT_THAT(run({3}).status().message(), testing::HasSubstr("expected the id of every token"));
  EXPECT_THAT(run({3, 5}).status().message(), testing::HasSubstr("in [0, 5)"));
}

}  // namespace
}  // namespace azimuth::decoder
