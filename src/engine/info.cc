#include "engine/model.h"
#include "kernels/kv_blocks.h"

namespace azimuth {

ModelInfo Engine::info() const {
  const Impl& impl = *impl_;
  const TextSpec& text = impl.spec.text;
  const LayerSpec& layer = text.layers.front();
  ModelInfo info;
  info.directory = impl.directory;
  info.model_type = impl.spec.model_type;
  info.policy = text.policy;
  info.section = text.ropes.front().section;
  info.rope_theta = text.ropes.front().theta;
  info.frequencies_follow_length = engine::depends_on_length(text);
  info.vocab = text.vocab;
  info.hidden = text.hidden;
  info.layers = static_cast<int64_t>(text.layers.size());
  info.heads = layer.heads;
  info.kv_heads = layer.kv_heads;
  info.head_dim = layer.head_dim;
  info.context_length = text.context_length;
  if (impl.spec.vision) {
    const VisionSpec& vision = *impl.spec.vision;
    info.has_vision = true;
    info.tower_layers = vision.layers + (vision.canvas ? vision.canvas->global_layers : 0);
    info.tower_hidden = vision.hidden;
    info.patch = vision.patch;
    info.merge = vision.projector.merge;
    info.deepstack_levels = static_cast<int64_t>(vision.deepstack.size());
  }
  info.text_parameters = impl.text_parameters;
  info.vision_parameters = impl.vision_parameters;
  info.checkpoint_bytes = impl.checkpoint_bytes;
  info.weight_bytes = impl.weight_bytes;
  for (const LayerSpec& each : text.layers) {
    if (each.kv_source >= 0 || each.mixer != MixerKind::attention) continue;
    info.cache_bytes_per_token +=
        kernels::KvLayout{kernels::KvRole::keys, impl.cache, each.kv_heads, each.head_dim}.token_bytes() +
        kernels::KvLayout{kernels::KvRole::values, impl.cache, each.kv_heads, each.value_dim}.token_bytes();
  }
  info.dtype = impl.options.dtype;
  info.quantised = impl.quantised;
  info.cache = kernels::to_string(impl.cache);
  info.threads = impl.pool->threads();
  return info;
}

}  // namespace azimuth
