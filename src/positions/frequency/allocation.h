// Which coordinate turns which rotary pair (positions.md, section 4).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::positions {

enum class AllocationKind : uint8_t {
  one_axis,       // every pair turns with t, or the only axis
  chunked,        // the fastest pairs with t, then h, then w (Qwen2-VL)
  interleaved,    // t h w t h w ..., what is left over with t (Qwen3-VL)
  videorope,      // h w h w ..., the slowest with t (VideoRoPE)
  videorope_jjj,  // the same shifted by one pair, as Multimodal-RoPEs computes it
  hope,           // as videorope, and the pairs of t never turn (HoPE)
  mmrope,         // t t h w h w h w, repeated (Lumos-1)
  per_head,       // whole KV heads turn with t, then h, then w (MHRoPE)
};

// The kind of this name, as the parameter "plan" takes it. not_found lists the names.
Result<AllocationKind> find_allocation(std::string_view name);
std::string_view to_string(AllocationKind kind);
const std::vector<std::string>& allocation_names();
// How many axes ids need for this kind: 1 or 3.
int axes_of(AllocationKind kind);
// Whether a section says how many pairs (or KV heads) each axis gets, and is refused where it cannot have them.
bool keeps_section(AllocationKind kind);
// The section that was published for this kind, for 64 pairs (8 KV heads for per_head); empty where none is read.
std::vector<int> published_section(AllocationKind kind);

// The axis of each pair of each group of KV heads; -1 for a pair that never turns.
struct AxisMap {
  int groups = 1;
  std::vector<int8_t> axis;  // [groups, pairs]
};

// `section`: rotary pairs per axis t, h, w, or KV heads per axis for per_head; ignored by one_axis and mmrope.
// Errors: a section that is not three counts, that does not add up, or that the kind cannot give (the interleave that
// the reference would silently cut).
// `cuts`: gives such an interleave the pairs that there are, as the reference does.
Result<AxisMap> allocate(AllocationKind kind, std::span<const int> section, int pairs, int kv_heads, bool cuts = false);

// `section` scaled so that it adds up to `pairs`: largest remainder, ties in the order t, h, w.
std::vector<int> scale_section(std::span<const int> section, int pairs);

}  // namespace azimuth::positions
