#include "engine/weights.h"

#include <gtest/gtest.h>

namespace azimuth::engine {
namespace {

using kernels::RowBits;
using kernels::WeightType;

// Has one matrix for every slot.
class OneMatrixReader final : public WeightReader {
 public:
  OneMatrixReader(const WeightMap& map, WeightType type) : WeightReader(map, nullptr), type_(type) {}

  bool in_files(const std::string&) const override { return true; }
  Result<bool> equal(const std::string&, const std::string&) override { return false; }

 protected:
  Status read_tensor(const std::string&, Tensor& out) override {
    out = Tensor::zeros({1});
    return ok_status();
  }
  Status read_matrix(const std::string&, kernels::PackedMatrix& out) override {
    const Tensor weights = Tensor::zeros({2, 3});
    ThreadPool pool(1);
    AZ_ASSIGN_OR_RETURN(out, kernels::PackedMatrix::pack(weights.view(), type_, pool));
    return ok_status();
  }
  Status read_matrices(const std::string&, int64_t, std::vector<kernels::PackedMatrix>&) override {
    return ok_status();
  }

 private:
  WeightType type_;
};

TEST(WeightReader, GivesMatricesTheRowBitsOfTheirSlots) {
  const WeightMap map;
  const auto bits_of = [&](const std::string& slot, WeightType type) {
    kernels::PackedMatrix matrix;
    EXPECT_TRUE(OneMatrixReader(map, type).read(slot, matrix).ok());
    return matrix.row_bits();
  };
  EXPECT_EQ(bits_of("tower.layers.1.query.weight", WeightType::q8), RowBits::seven);
  EXPECT_EQ(bits_of("tower.layers.0.query.weight", WeightType::q8), RowBits::eight);
  EXPECT_EQ(bits_of("decoder.layers.1.query.weight", WeightType::q8), RowBits::eight);
  EXPECT_EQ(bits_of("tower.layers.1.query.weight", WeightType::bf16), RowBits::eight);
}

}  // namespace
}  // namespace azimuth::engine
