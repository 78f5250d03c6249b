#include "decoder/terms/t5_term.h"

namespace azimuth::decoder {

void T5Term::add_bias(const ScoreRow& row) const {
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    const int bucket = buckets_.bucket(static_cast<int64_t>(id_offset(row, key)));
    row.scores[key - row.keys.begin] += bias_->row(bucket)[row.head];
  }
}

}  // namespace azimuth::decoder
