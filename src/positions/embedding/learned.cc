#include "positions/embedding/learned.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace azimuth::positions {
namespace {

std::string plain(float id) {
  return std::floor(id) == id && std::fabs(id) < 1e15f ? std::to_string(static_cast<int64_t>(id)) : std::to_string(id);
}

}  // namespace

Result<LearnedEmbedding> LearnedEmbedding::create(std::shared_ptr<const Tensor> table, const LearnedOptions& options) {
  const int64_t rows = table->shape()[0];
  if (options.offset < 0 || options.offset >= rows) {
    return invalid_argument("learned positions expected an offset in [0, " + std::to_string(rows) +
                            "), the rows of the table, found " + std::to_string(options.offset));
  }
  if (options.interpolate != 0 && options.interpolate < rows - options.offset) {
    return invalid_argument("learned positions expected to be interpolated to at least the table's " +
                            std::to_string(rows - options.offset) + " positions, found " +
                            std::to_string(options.interpolate));
  }
  return LearnedEmbedding(std::move(table), options);
}

int64_t LearnedEmbedding::positions() const {
  return options_.interpolate > 0 ? options_.interpolate : table_->shape()[0] - options_.offset;
}

Status LearnedEmbedding::check(float id) const {
  const bool inside = id >= 0.0f && id <= static_cast<float>(positions() - 1);
  if (inside && (options_.interpolate > 0 || std::floor(id) == id)) return ok_status();
  const std::string found = ", found " + plain(id);
  if (inside) {
    return invalid_argument("learned positions expected whole ids" + found +
                            "; with interpolate=N fractions are read between rows");
  }
  return out_of_range("learned positions expected ids in [0, " + std::to_string(positions()) +
                      "), the rows of the table" + found + "; shorten the prompt, or stretch the table: interpolate=N");
}

Status LearnedEmbedding::add(const float* ids, int64_t stride, int64_t tokens, float* rows) const {
  for (int64_t token = 0; token < tokens; ++token) AZ_RETURN_IF_ERROR(check(ids[token * stride]));
  const int64_t width = table_->row_elements();
  const int64_t last = table_->shape()[0] - options_.offset - 1;
  // Source rows per position; 1 without interpolation.
  const double step = options_.interpolate > 1 ? static_cast<double>(last) / static_cast<double>(positions() - 1) : 1.0;
  for (int64_t token = 0; token < tokens; ++token, rows += width) {
    const double source = static_cast<double>(ids[token * stride]) * step;
    const int64_t low = std::min(static_cast<int64_t>(source), last);
    const auto share = static_cast<float>(source - static_cast<double>(low));
    const float* from = table_->row(options_.offset + low);
    const float* to = table_->row(options_.offset + std::min(low + 1, last));
    for (int64_t channel = 0; channel < width; ++channel) {
      rows[channel] += share == 0.0f ? from[channel] : (1.0f - share) * from[channel] + share * to[channel];
    }
  }
  return ok_status();
}

}  // namespace azimuth::positions
