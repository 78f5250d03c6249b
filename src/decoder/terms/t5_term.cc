#include "decoder/terms/t5_term.h"

namespace azimuth::decoder {

void T5Term::add_bias(const ScoreRow& row) const {
  const float query_id = id(row, row.query);
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    const int bucket = buckets_.bucket(static_cast<int64_t>(id(row, key) - query_id));
    row.scores[key - row.keys.begin] += bias_->row(bucket)[row.head];
  }
}

}  // namespace azimuth::decoder
