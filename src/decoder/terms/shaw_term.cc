#include "decoder/terms/shaw_term.h"

#include "decoder/dot.h"

namespace azimuth::decoder {

int64_t ShawTerm::table_row(const ScoreRow& row, CacheIndex key) const {
  return clip_.row(static_cast<int64_t>(id(row, key) - id(row, row.query)));
}

void ShawTerm::add_products(const ScoreRow& row) const {
  const Tensor& table = *keys_[static_cast<size_t>(row.layer)];
  // Most keys lie beyond the clip and share a vector: its product is kept until another one is asked for.
  int64_t current = -1;
  float product = 0.0f;
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    if (const int64_t index = table_row(row, key); index != current) {
      current = index;
      product = dot(row.vector, table.row(index), table.row_elements());
    }
    row.scores[key - row.keys.begin] += product;
  }
}

void ShawTerm::add_values(const ScoreRow& row, float* output) const {
  if (values_.empty()) return;
  const Tensor& table = *values_[static_cast<size_t>(row.layer)];
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    const float weight = row.scores[key - row.keys.begin];
    const float* vector = table.row(table_row(row, key));
    for (int64_t channel = 0; channel < table.row_elements(); ++channel) output[channel] += weight * vector[channel];
  }
}

}  // namespace azimuth::decoder
