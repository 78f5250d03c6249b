#include "quantize/kept_wider.h"

#include <array>

namespace azimuth::quantize {
namespace {

using kernels::WeightType;

constexpr std::array kTable = {
    KeptWider{"decoder.layers.*router.weight", WeightType::bf16, WeightType::bf16,
              "a router's error sends a token to other experts; few weights"},
    KeptWider{"decoder.layers.*.linear.write.weight", WeightType::bf16, WeightType::bf16,
              "how much linear attention writes, which its state keeps; few weights"},
    KeptWider{"decoder.layers.*.linear.decay.weight", WeightType::bf16, WeightType::bf16,
              "what linear attention forgets, an exponent that errors pile up in; few weights"},
    KeptWider{"decoder.embedding", WeightType::q8, WeightType::q8,
              "read row by row, and the head of models that tie it: errors reach logits directly"},
    KeptWider{"decoder.head", WeightType::q8, WeightType::q8, "errors reach logits directly"},
    KeptWider{"decoder.per_layer_projection.weight", WeightType::q8, WeightType::q8,
              "one matrix that feeds every layer"},
    KeptWider{"tower.patch.weight", WeightType::bf16, WeightType::bf16, "reads pixels themselves; few weights"},
    KeptWider{"tower.projector.*", WeightType::q8, WeightType::q8,
              "every picture passes through it; few weights beside tower and decoder"},
    KeptWider{"tower.deepstack.*", WeightType::q8, WeightType::q8,
              "every picture passes through it; few weights beside tower and decoder"},
};

}  // namespace

std::span<const KeptWider> kept_wider() {
  return kTable;
}

bool matches(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t skipped = star; skipped <= text.size(); ++skipped) {
    if (matches(rest, text.substr(skipped))) return true;
  }
  return false;
}

WeightType type_of_slot(std::string_view slot, WeightType type) {
  if (!kernels::is_quantised(type)) return type;
  for (const KeptWider& line : kTable) {
    if (matches(line.slots, slot)) return type == WeightType::q8 ? line.in_q8 : line.in_q4;
  }
  return type;
}

}  // namespace azimuth::quantize
