#include "quantize/kept_wider.h"

#include <array>

namespace azimuth::quantize {
namespace {

using kernels::WeightType;

constexpr std::array kTable = {
    KeptWider{"decoder.layers.*router.weight", WeightType::bf16, WeightType::bf16,
              "an error sends a token to other experts; few weights"},
    KeptWider{"decoder.layers.*.linear.write.weight", WeightType::bf16, WeightType::bf16,
              "what linear attention writes stays in its state; very few weights"},
    KeptWider{"decoder.layers.*.linear.decay.weight", WeightType::bf16, WeightType::bf16,
              "what linear attention forgets is an exponent that errors pile up in; very few weights"},
    KeptWider{"decoder.embedding", WeightType::q8, WeightType::q8,
              "its error enters every layer, and the logits where the head is tied; one row a token is read"},
    KeptWider{"decoder.head", WeightType::q8, WeightType::q8, "its error is that of the logits"},
    KeptWider{"tower.patch.weight", WeightType::bf16, WeightType::bf16, "reads the pixels themselves; few weights"},
    KeptWider{"decoder.layers.0.*", WeightType::q8, WeightType::q8,
              "its error enters every other layer; one layer of many"},
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
