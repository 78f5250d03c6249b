// Source: transformers, processing_mllama.py (get_cross_attention_token_mask) and modeling_mllama.py
// (_prepare_cross_attention_mask). A token sees the pictures of the last run of adjacent ones at or before it; tokens
// in front of all pictures see everything, tiles that are empty included, and their MLP is closed.
#include "decoder/outer_features.h"

#include <algorithm>
#include <vector>

namespace azimuth::decoder {
namespace {

// A picture in the order of the prompt, and its share of the rows.
struct Picture {
  int64_t token = 0;
  const MediaFeatures* media = nullptr;
  int64_t begin = 0;  // rows of its filled tiles
  int64_t end = 0;
};

std::vector<Picture> pictures_of(const Prompt& prompt, std::span<const MediaFeatures* const> images) {
  std::vector<Picture> pictures;
  int64_t row = 0;
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text || span.delivery != Delivery::cross) continue;
    const MediaFeatures* const media = images[static_cast<size_t>(span.media)];
    pictures.push_back({span.begin, media, row, row + media->filled_rows});
    row += media->filled_rows;
  }
  return pictures;
}

// Rows of filled tiles, picture after picture, then the others.
Tensor gather(const std::vector<Picture>& pictures, int64_t hidden) {
  int64_t rows = 0;
  for (const Picture& picture : pictures) rows += picture.media->features.shape()[0];
  Tensor all({rows, hidden});
  float* to = all.data();
  for (const Picture& picture : pictures) {
    to = std::copy_n(picture.media->features.data(), picture.media->filled_rows * hidden, to);
  }
  for (const Picture& picture : pictures) {
    const Tensor& features = picture.media->features;
    const int64_t filled = picture.media->filled_rows;
    to = std::copy_n(features.row(filled), (features.shape()[0] - filled) * hidden, to);
  }
  return all;
}

}  // namespace

OuterFeatures outer_features(const Prompt& prompt, std::span<const MediaFeatures* const> images, int64_t hidden) {
  OuterFeatures out;
  const std::vector<Picture> pictures = pictures_of(prompt, images);
  if (pictures.empty()) return out;
  out.rows = std::make_shared<const Tensor>(gather(pictures, hidden));
  out.first_token = pictures.front().token;
  kernels::KeyRange range{0, out.rows->shape()[0]};
  size_t next = 0;
  for (int64_t token = 0; token < static_cast<int64_t>(prompt.ids.size()); ++token) {
    if (next < pictures.size() && pictures[next].token == token) {
      const bool adjacent = next > 0 && pictures[next - 1].token == token - 1;
      if (!adjacent) range.begin = pictures[next].begin;
      range.end = pictures[next].end;
      ++next;
    }
    out.ranges.push_back(range);
  }
  return out;
}

}  // namespace azimuth::decoder
