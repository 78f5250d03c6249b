#include "positions/lint/block_words.h"

namespace azimuth::positions::lint {

std::string block_name(const Context& context, int span) {
  const Span& block = context.input.spans[static_cast<size_t>(span)];
  std::string name = block.kind == SpanKind::image ? "image" : "video";
  if (block.media >= 0) name += " " + std::to_string(block.media);
  if (block.tiles > 1) name += ", tile " + std::to_string(block.tile);
  return name + " (" + shown_tokens(block.begin, block.end) + ")";
}

Problem problem_about(const Context& context, Level level, const BlockScores& block, size_t blocks,
                      const std::string& says) {
  const Span& span = context.input.spans[static_cast<size_t>(block.span)];
  std::string message = block_name(context, block.span) + " " + says;
  if (blocks > 1) {
    message += "; of " + std::to_string(context.scores.blocks.size()) + " blocks, " + std::to_string(blocks) +
               " are concerned";
  }
  return {level, std::move(message), block.span, span.begin, span.end};
}

}  // namespace azimuth::positions::lint
