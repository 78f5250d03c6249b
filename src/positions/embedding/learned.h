// A learned table of position vectors (positions.md 1.2).
#pragma once

#include <memory>

#include "positions/embedding/added_embedding.h"
#include "tensor/tensor.h"

namespace azimuth::positions {

struct LearnedOptions {
  int64_t offset = 0;  // rows in front of position 0 (OPT: 2)
  // 0: ids choose rows, and must be whole numbers. Otherwise the rows from `offset` on are stretched linearly, first on
  // first and last on last, to this many positions.
  int64_t interpolate = 0;
};

class LearnedEmbedding : public AddedEmbedding {
 public:
  // table [rows, width]. invalid_argument where the offset leaves no row, or interpolation would shorten the table.
  static Result<LearnedEmbedding> create(std::shared_ptr<const Tensor> table, const LearnedOptions& options);

  // out_of_range for an id that has no row: never a wrap.
  Status add(const float* ids, int64_t stride, int64_t tokens, float* rows) const override;

 private:
  LearnedEmbedding(std::shared_ptr<const Tensor> table, const LearnedOptions& options)
      : table_(std::move(table)), options_(options) {}
  int64_t positions() const;  // that have a vector: [0, positions)
  Status check(float id) const;

  std::shared_ptr<const Tensor> table_;
  LearnedOptions options_;
};

}  // namespace azimuth::positions
