// The numbers that checks judge (positions.md, section 5).
#pragma once

#include <optional>

#include "azimuth/lint.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {

// Tokens after the prompt that count as its text: as many as a short answer has.
inline constexpr int64_t kGeneratedTokens = 64;

// `input` has been checked: finite ids, as many as its spans have tokens.
LintScores score(const LintInput& input);

std::vector<BlockScores> score_blocks(const LintInput& input);

// Triple that the first text token behind span `span` has; where only visual spans follow, the one it would have.
Triple text_after(const LintInput& input, size_t span);
// Triple of the token before the span, plus 1; at the start of a prompt, of a first text token.
Triple text_before(const LintInput& input, size_t span);

// Slope of log(growth) over log(side), for square pictures of 4, 8 and 16 cells a side.
std::optional<double> growth_exponent(const LintInput& input);

// What t, h and w get of a plan; none where it turns nothing. `axes`: of the ids; those on one axis drive all three.
std::optional<std::array<AxisSpectrum, 3>> spectrum_of(const FrequencyPlan& plan, int axes);

// True where consecutive text tokens differ by 1 and are equal on all axes, and a text-only prompt has the base
// model's ids; none where there is no text to tell by. The first token that is not so goes to `token`.
std::optional<bool> keeps_text_ids(const LintInput& input, int64_t* token = nullptr);
bool has_integral_text(const LintInput& input, int64_t* token = nullptr);
// True where text tokens turn as in the base model; none where its spectrum is not known.
std::optional<bool> keeps_text_frequencies(const LintInput& input);
// The first generated token goes on at the last text id plus 1, in every id set.
bool decodes_continuously(const LintInput& input, size_t* set = nullptr);

}  // namespace azimuth::positions::lint
