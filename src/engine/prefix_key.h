// What stands for the start of a sequence: a chain of keys, one for each run of blocks that a cache may be cut behind.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/content_hash.h"
#include "engine/media_key.h"
#include "engine/sequence.h"

namespace azimuth::engine {

// Tokens [begin, end) of a sequence, between two closed boundaries; `begin` is a multiple of kernels::kAttentionBlock.
struct PrefixUnit {
  int64_t begin = 0;
  int64_t end = 0;
  ContentHash key;  // of these tokens and of all before them
};

struct PrefixChain {
  ContentHash root;               // of what the keys and values of all tokens depend on
  std::vector<PrefixUnit> units;  // one behind the other; of whole blocks
  // From the end of a unit, or from 0, to the end of the last picture or video, where another question about it goes
  // on. Where that is no end of a unit.
  std::optional<PrefixUnit> tail;

  // Without what ends behind `tokens`.
  PrefixChain up_to(int64_t tokens) const;
  // Units and tail, in the order of their ends.
  std::vector<PrefixUnit> parts() const;
};

// What an engine computes keys and values with, beside the sequence itself.
struct PrefixSetting {
  std::string dtype;
  Compat compat = Compat::azimuth;
  std::string policy;  // spelling
};

// The chain of `ids`: the sequence's prompt and, behind it, generated tokens. A token's keys and values depend on what
// is in the key of its unit, and on nothing else:
// - the root: kernels, dtype, compat, policy, its frequencies as they are now, how keys are stored, which layers use
//   which id set, whether there are images (which changes some tokens' rows), and pictures outside of the sequence
//   (tokens before them see them, too);
// - each unit: token ids, the bits of their positions in all id sets, which rows of which media stand for them,
//   and the regions within which tokens see those behind them, of which none is cut.
PrefixChain prefix_chain(const PrefixSetting& setting, const Sequence& sequence, std::span<const int32_t> ids,
                         const MediaKeys& media);

}  // namespace azimuth::engine
