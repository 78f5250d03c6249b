#include "decoder/cache_part.h"

#include <gtest/gtest.h>

namespace azimuth::decoder {
namespace {

constexpr int64_t kBlock = kernels::kAttentionBlock;

// Two layers of keys, of which the second reads the first one's.
TextSpec spec() {
  TextSpec out;
  LayerSpec layer;
  layer.heads = layer.kv_heads = 1;
  layer.head_dim = layer.value_dim = 2;
  out.layers = {layer, layer};
  out.layers[1].kv_source = 0;
  return out;
}

void fill(CacheState& cache, float first, int64_t tokens) {
  LayerCache& layer = cache.layer(0);
  for (int64_t i = layer.keys.length(); i < tokens; ++i) {
    const float row[] = {first + static_cast<float>(i), 0.0f};
    layer.keys.append(row, 1, 2);
    layer.values.append(row, 1, 2);
  }
}

TEST(CachePart, SharesBlocksInsteadOfCopyingThem) {
  CacheState cache(spec());
  fill(cache, 0.0f, 2 * kBlock + 5);
  CacheState other(spec());
  append_part(share_part(cache, 0, kBlock), other);
  append_part(share_part(cache, kBlock, 2 * kBlock + 3), other);
  EXPECT_EQ(other.length(), 2 * kBlock + 3);
  EXPECT_EQ(other.layer(0).keys.blocks(), cache.layer(0).keys.blocks());
  EXPECT_EQ(other.layer(1).keys.length(), 0) << "it reads another layer's";
  EXPECT_EQ(share_part(cache, 0, kBlock).bytes() - 2 * sizeof(CachePart::Layer),
            size_t{2 * kBlock * 2 * sizeof(float)});
}

// A block that is shared before it is full belongs to everybody's past and to nobody's future.
TEST(CachePart, WhoWritesOnCopiesTheLastBlock) {
  CacheState cache(spec());
  fill(cache, 0.0f, kBlock + 5);
  const CachePart part = share_part(cache, kBlock, kBlock + 3);
  CacheState other(spec());
  append_part(share_part(cache, 0, kBlock), other);
  append_part(part, other);
  fill(other, 1000.0f, kBlock + 8);
  fill(cache, 2000.0f, kBlock + 8);
  const auto key = [](const CacheState& of, int64_t token) {
    float row[2];
    of.layer(0).keys.read(0, token, row);
    return row[0];
  };
  EXPECT_EQ(key(cache, kBlock + 4), static_cast<float>(kBlock + 4));
  EXPECT_EQ(key(cache, kBlock + 6), 2000.0f + static_cast<float>(kBlock + 6));
  EXPECT_EQ(key(other, kBlock + 2), static_cast<float>(kBlock + 2));
  EXPECT_EQ(key(other, kBlock + 4), 1000.0f + static_cast<float>(kBlock + 4));
  float kept[2];
  part.layers[0].keys.read(0, 2, kept);
  EXPECT_EQ(kept[0], static_cast<float>(kBlock + 2));
}

}  // namespace
}  // namespace azimuth::decoder
