// 3-D structure of blocks (positions.md 5.1): injective, lattice, cross_block.
#include <algorithm>

#include "positions/lint/block_words.h"
#include "positions/lint/outcome.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

struct KeyOfBlock {
  TripleKey key;
  int span;
  auto operator<=>(const KeyOfBlock&) const = default;
};

std::vector<KeyOfBlock> keys_of_blocks(const Context& context) {
  std::vector<KeyOfBlock> keys;
  for (const BlockScores& block : context.scores.blocks) {
    const Span& span = context.input.spans[static_cast<size_t>(block.span)];
    for (int64_t token = span.begin; token < span.end; ++token) {
      keys.push_back({key_of(triple_of(context.first_set(), token)), block.span});
    }
  }
  std::ranges::sort(keys);
  return keys;
}

std::string rank_text(const BlockScores& block) {
  return std::to_string(block.rank) + "/" + std::to_string(block.extents);
}

}  // namespace

Outcome check_injective(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  const auto broken = blocks_where(context, [](const BlockScores& block) { return !block.injective; });
  Outcome outcome;
  outcome.value = broken.empty() ? "every cell has coordinates of its own" : "cells share coordinates";
  if (broken.empty()) return outcome;
  const Level level = context.input.layout.declares_curved ? Level::partly : Level::breaks;
  outcome.problems.push_back(
      problem_of(context, level, broken, [](const BlockScores&) { return "has cells with the same coordinates"; }));
  return outcome;
}

Outcome check_lattice(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  Outcome outcome;
  const BlockScores& last = context.scores.blocks.back();
  outcome.value = "rank " + rank_text(last) + (last.lattice ? ", equal steps" : ", unequal steps");
  const auto flat = blocks_where(context, [](const BlockScores& block) { return block.rank < block.extents; });
  if (!flat.empty()) {
    outcome.problems.push_back(problem_of(context, Level::breaks, flat, [](const BlockScores& block) {
      return "is laid out flat: steps along its " + std::to_string(block.extents) + " axes span rank " +
             std::to_string(block.rank);
    }));
  }
  const auto bent =
      blocks_where(context, [](const BlockScores& block) { return !block.lattice && block.rank == block.extents; });
  if (!bent.empty()) {
    const bool curved = context.input.layout.declares_curved;
    outcome.problems.push_back(
        problem_of(context, curved ? Level::partly : Level::breaks, bent, [curved](const BlockScores&) {
          return std::string("has steps that differ from cell to cell") + (curved ? ", by design" : "");
        }));
  }
  return outcome;
}

Outcome check_cross_block(const Context& context) {
  if (context.scores.blocks.size() < 2) return not_checked("fewer than two blocks");
  const std::vector<KeyOfBlock> keys = keys_of_blocks(context);
  int64_t shared = 0;
  const KeyOfBlock* first = nullptr;
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i].key != keys[i - 1].key || keys[i].span == keys[i - 1].span) continue;
    if (first == nullptr) first = &keys[i - 1];
    ++shared;
  }
  Outcome outcome;
  outcome.value = std::to_string(shared) + " triples in more than one block";
  if (shared == 0) return outcome;
  const KeyOfBlock& second = *(first + 1);
  const Span& span = context.input.spans[static_cast<size_t>(second.span)];
  const bool declared = context.input.layout.declares_shared;
  outcome.problems.push_back({declared ? Level::remark : Level::breaks,
                              std::to_string(shared) + " coordinates belong to cells of several blocks, first to " +
                                  block_name(context, first->span) + " and " + block_name(context, second.span) +
                                  (declared ? "; the policy shares ids on purpose" : ""),
                              second.span, span.begin, span.end});
  return outcome;
}

}  // namespace azimuth::positions::lint
