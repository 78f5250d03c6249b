// Ids of a token as (t, h, w), and words for numbers and tokens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/positions.h"

namespace azimuth::positions::lint {

using Triple = std::array<double, 3>;
using TripleKey = std::array<int64_t, 3>;  // of a triple, rounded to 1e-4

// Ids on one axis are three equal ones; axes beyond the third are left out.
Triple triple_of(const PositionSet& set, int64_t token);
// A text token at `id`: on the axes that text advances, 0 on the others.
Triple text_triple(const PositionSet& set, double id);
TripleKey key_of(const Triple& triple);

// Distance between neighbouring f32 numbers at `id`: what rounding an id can move it by, twice.
double rounding_at(double id);

// "8", "0.33", "1e+07".
std::string shown(double number);
// "0.25, 0.62, 0.38"
std::string shown(const Triple& triple);
// "token 5", "tokens 5..28".
std::string shown_tokens(int64_t begin, int64_t end);
// Name of an axis: t, h, w, or its number.
std::string axis_name(int axis);

}  // namespace azimuth::positions::lint
