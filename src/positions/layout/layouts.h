// The built-in policies, each defined in the file of its name, and the layouts that several of them share.
#pragma once

#include "positions/policy.h"

namespace azimuth::positions {

// clang-format off
Policy alibi_policy();
Policy cable_policy();
Policy circle_policy();
Policy gemma3_policy();
Policy gemma4_policy();
Policy glin_policy();
Policy hope_policy();
Policy il_policy();
Policy interpolated_policy();
Policy learned_policy();
Policy mhrope_policy();
Policy mmrope_policy();
Policy mrope25_policy();
Policy mrope_i_policy();
Policy mrope_i_reset_policy();
Policy mrope_policy();
Policy omni_policy();
Policy paligemma_policy();
Policy pano1d_policy();
Policy pano1d_share_policy();
Policy pano_mrope_policy();
Policy pano_wrap_policy();
Policy region_relative_policy();
Policy shared_policy();
Policy shaw_policy();
Policy sinusoidal_policy();
Policy t5_policy();
Policy transformer_xl_policy();
Policy v2pe_policy();
Policy vanilla_policy();
Policy videorope_policy();
// clang-format on

void layout_vanilla(const LayoutInput& input, LayoutRun& run, PositionSet& set);
void layout_mrope(const LayoutInput& input, LayoutRun& run, PositionSet& set);
void layout_mrope25(const LayoutInput& input, LayoutRun& run, PositionSet& set);
// Spatial reset: cell (i, r, c) gets (P + delta i, r, c), and text goes on behind the largest extent.
void layout_spatial_reset(const LayoutInput& input, LayoutRun& run, PositionSet& set);
// Rows and columns centred on a diagonal that runs through time: (P + step i, ... + r - floor((H-1)/2), ...).
void layout_centred(double step, const LayoutInput& input, LayoutRun& run, PositionSet& set);

// Parameters that several policies share.
Parameter compat_parameter();
Parameter delta_parameter(const std::string& fallback);
Parameter text0_parameter();
Parameter overlap_parameter();
// Text advances t only where the flag text0 is set.
uint8_t text0_axes(const Parameters& parameters);
// Whole ids of spatial-reset layouts: where delta and interval are whole.
bool spatial_reset_is_integral(const Parameters& parameters);

}  // namespace azimuth::positions
