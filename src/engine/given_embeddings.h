// Calls of forward() whose tokens come as embeddings, with or without their ids.
#pragma once

#include "azimuth/array.h"
#include "engine/prepare.h"

namespace azimuth::engine {

// The prompt of such a call. `embeddings`: [tokens, hidden], finite. Where the request holds no text, rows that are,
// bit for bit, what placeholders embed as tell where media stand. Errors: invalid argument.
Result<PreparedSample> prepare_embeddings(const Engine::Impl& model, const Request& request,
                                          const FloatArray& embeddings);

}  // namespace azimuth::engine
