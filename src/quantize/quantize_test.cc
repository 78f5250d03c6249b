#include <gtest/gtest.h>

#include "quantize/format.h"
#include "quantize/kept_wider.h"
#include "quantize/row_bits.h"

namespace azimuth::quantize {
namespace {

using kernels::WeightType;

TEST(KeptWider, PatternsMatchWholeNames) {
  EXPECT_TRUE(matches("decoder.head", "decoder.head"));
  EXPECT_FALSE(matches("decoder.head", "decoder.head.weight"));
  EXPECT_TRUE(matches("a.*.c", "a.b.c"));
  EXPECT_TRUE(matches("a.*.c", "a.c.c.c"));
  EXPECT_FALSE(matches("a.*.c", "a.c"));
  EXPECT_TRUE(matches("a*", "a"));
  EXPECT_FALSE(matches("*b", "abc"));
}

TEST(KeptWider, KnowsSlotsByTheirKind) {
  EXPECT_EQ(type_of_slot("decoder.layers.17.router.weight", WeightType::q4), WeightType::bf16);
  EXPECT_EQ(type_of_slot("decoder.layers.17.shared.router.weight", WeightType::q8), WeightType::bf16);
  EXPECT_EQ(type_of_slot("decoder.head", WeightType::q4), WeightType::q8);
  EXPECT_EQ(type_of_slot("decoder.layers.10.query.weight", WeightType::q4), WeightType::q4);
  EXPECT_EQ(type_of_slot("decoder.layers.0.query.weight", WeightType::q4), WeightType::q8);
  EXPECT_EQ(type_of_slot("decoder.layers.0.router.weight", WeightType::q4), WeightType::bf16);
  EXPECT_EQ(type_of_slot("decoder.layers.20.experts.gate_up", WeightType::q4), WeightType::q4);
}

TEST(KeptWider, NeverNarrows) {
  for (const KeptWider& line : kept_wider()) {
    EXPECT_NE(line.in_q8, WeightType::q4) << line.slots;
    EXPECT_FALSE(line.why.empty());
  }
  for (const WeightType type : {WeightType::f32, WeightType::bf16}) {
    EXPECT_EQ(type_of_slot("decoder.head", type), type);
  }
}

TEST(RowBits, AreSevenInATowersLayersButTheFirst) {
  using kernels::RowBits;
  EXPECT_EQ(row_bits_of_slot("tower.layers.1.down.weight", WeightType::q8), RowBits::seven);
  EXPECT_EQ(row_bits_of_slot("tower.layers.10.down.weight", WeightType::q8), RowBits::seven);
  EXPECT_EQ(row_bits_of_slot("tower.layers.0.down.weight", WeightType::q8), RowBits::eight);
  EXPECT_EQ(row_bits_of_slot("tower.projector.first.weight", WeightType::q8), RowBits::eight);
  EXPECT_EQ(row_bits_of_slot("decoder.layers.1.down.weight", WeightType::q8), RowBits::eight);
  EXPECT_EQ(row_bits_of_slot("tower.layers.1.down.weight", WeightType::q4), RowBits::eight);
  for (const RowBitsOfSlots& line : row_bits()) EXPECT_FALSE(line.why.empty());
}

TEST(StoredMatrix, IsReadAsItIsWritten) {
  const StoredMatrix matrix{WeightType::q4, 3, 192, 64};
  EXPECT_EQ(matrix.to_string(), "q4 3 192 64");
  const auto parsed = StoredMatrix::parse("q4 3 192 64");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->to_string(), matrix.to_string());
  for (const char* bad : {"", "q4", "q4 3 192", "q4 3 192 64 1", "q5 3 192 64", "q4  3 192 64", "q4 -3 192 64",
                          "q4 3 192 64x", "q4 3 192 99999999999999999999"}) {
    EXPECT_FALSE(StoredMatrix::parse(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace azimuth::quantize
