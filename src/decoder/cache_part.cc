#include "decoder/cache_part.h"

#include <algorithm>

namespace azimuth::decoder {
namespace {

bool is_outside(const CacheState& cache, int layer) {
  return cache.layer_spec(layer).mixer == MixerKind::cross_attention;
}

// A layer that keeps nothing by token has no blocks to share.
kernels::KvBlocks share(const kernels::KvBlocks& blocks, CacheIndex begin, CacheIndex end) {
  if (blocks.length() < end) return {};
  return blocks.share(begin, end);
}

}  // namespace

size_t CachePart::bytes() const {
  size_t total = layers.size() * sizeof(Layer);
  for (const Layer& layer : layers) total += layer.keys.bytes() + layer.values.bytes() + layer.state.bytes();
  for (const auto& state : recurrent) {
    if (state) total += (state->inputs.size() + state->memory.size()) * sizeof(float);
  }
  return total;
}

bool divides(const CacheState& cache) {
  for (int i = 0; i < cache.layers(); ++i) {
    if (cache.layer(i).first != 0) return false;
  }
  return true;
}

bool has_recurrent_states(const CacheState& cache) {
  for (int i = 0; i < cache.layers(); ++i) {
    if (cache.layer(i).recurrent) return true;
  }
  return false;
}

CachePart share_part(const CacheState& cache, CacheIndex begin, CacheIndex end) {
  CachePart part;
  part.tokens = end - begin;
  part.layers.resize(static_cast<size_t>(cache.layers()));
  for (int i = 0; i < cache.layers(); ++i) {
    if (is_outside(cache, i)) continue;
    const LayerCache& from = cache.layer(i);
    CachePart::Layer& to = part.layers[static_cast<size_t>(i)];
    to.keys = share(from.keys, begin, end);
    to.values = share(from.values, begin, end);
    to.state = share(from.state, begin, end);
  }
  if (end == cache.length() && has_recurrent_states(cache)) part.recurrent = cache.recurrent_states();
  return part;
}

CachePart share_outside(const CacheState& cache) {
  CachePart part;
  for (int i = 0; i < cache.layers(); ++i) {
    if (!is_outside(cache, i) || cache.layer(i).keys.length() == 0) continue;
    part.layers.resize(static_cast<size_t>(cache.layers()));
    part.layers[static_cast<size_t>(i)] = {cache.layer(i).keys, cache.layer(i).values, {}};
  }
  return part;
}

void append_part(const CachePart& part, CacheState& cache) {
  for (size_t i = 0; i < part.layers.size(); ++i) {
    LayerCache& to = cache.layer(static_cast<int>(i));
    const CachePart::Layer& from = part.layers[i];
    // The state of a score term gets its shape with its first rows.
    if (to.state.length() == 0) {
      to.state = from.state;
    } else {
      to.state.append_shared(from.state);
    }
    to.keys.append_shared(from.keys);
    to.values.append_shared(from.values);
  }
  if (!part.recurrent.empty()) cache.restore(part.recurrent);
}

}  // namespace azimuth::decoder
