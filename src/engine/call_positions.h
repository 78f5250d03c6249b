// Positions of one call of forward(), whose tokens may go on behind those of a cache.
#pragma once

#include <vector>

#include "engine/cache_impl.h"
#include "engine/prepare.h"

namespace azimuth::engine {

// All spans of a sequence that goes on behind its first `tokens` tokens: text that meets text is one span, media are
// numbered on.
std::vector<Span> joined(const std::vector<Span>& before, const std::vector<Span>& behind, int64_t tokens);

// `behind` goes on where `before` ends.
PositionTable appended(const PositionTable& before, const PositionTable& behind);

// Positions of the call's tokens alone, behind those of the cache (sample.positions); and those of the tokens in the
// cache (`cached`), which raw keys may be given anew. `before`: what the cache holds, or nullptr. Errors: unsupported
// where the policy would move tokens whose keys are rotated; invalid argument where replaced ids have another form.
Status lay_out_call(const Engine::Impl& model, const Request& request, const PolicyChoice& policy,
                    const CachedSequence* before, PreparedSample& sample, PositionTable& cached);

}  // namespace azimuth::engine
