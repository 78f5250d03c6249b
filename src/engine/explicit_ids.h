// Explicit ids meet a prompt: they become its PositionTable.
#pragma once

#include "azimuth/position_ids.h"
#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "decoder/position_encoding.h"
#include "spec/text_spec.h"

namespace azimuth::engine {

// The table of a prompt whose ids were given. `laid_out` is what the policy says for it: how decoding goes on where
// `ids` leaves that open. Errors, one sentence each: no sets, a number of ids that is not tokens x axes, ids that are
// no numbers or too large, sets that layers do not find, pictures behind the last id.
Result<PositionTable> explicit_table(const PositionIds& ids, const Prompt& prompt, const PositionTable& laid_out,
                                     int layers);

// Refuses a table that does not fit the prompt or the frequency plans: any table that did not come from a built-in
// layout has to pass. `layers` of the decoder; `where` begins the message ("position ids", "the position hook").
Status check_table(const PositionTable& table, int64_t tokens, const decoder::PositionEncoding& encoding,
                   const TextSpec& text, std::string_view where);

}  // namespace azimuth::engine
