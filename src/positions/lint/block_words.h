// Words about blocks: checks of several blocks make one finding that names the worst.
#pragma once

#include <string>
#include <vector>

#include "positions/lint/outcome.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {

// "image 0 (tokens 5..28)"
std::string block_name(const Context& context, int span);

using Blocks = std::vector<const BlockScores*>;

template <typename Predicate>
Blocks blocks_where(const Context& context, Predicate is_broken) {
  Blocks blocks;
  for (const BlockScores& block : context.scores.blocks) {
    if (is_broken(block)) blocks.push_back(&block);
  }
  return blocks;
}

// The block with the largest weight(block); the last of equals.
template <typename Weight>
const BlockScores& worst_block(const Blocks& blocks, Weight weight) {
  const BlockScores* worst = blocks.front();
  for (const BlockScores* block : blocks) {
    if (weight(*block) >= weight(*worst)) worst = block;
  }
  return *worst;
}

// One problem about `block`, one of `blocks`: "image 2 (tokens 5..28) <says>; so do 3 other blocks of 8".
Problem problem_about(const Context& context, Level level, const BlockScores& block, size_t blocks,
                      const std::string& says);

// The same about the last of the blocks.
template <typename Words>
Problem problem_of(const Context& context, Level level, const Blocks& blocks, Words says) {
  return problem_about(context, level, *blocks.back(), blocks.size(), says(*blocks.back()));
}

}  // namespace azimuth::positions::lint
