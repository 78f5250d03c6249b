#include "engine/sequence.h"

#include <algorithm>

namespace azimuth::engine {
int64_t chunk_end(const Prompt& prompt, int64_t begin, int64_t limit) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  int64_t end = std::min(begin + limit, tokens);
  for (const auto& [first, last] : prompt.closed_regions) {
    if (end <= first || last <= end) continue;
    end = first > begin ? first : last;
  }
  return end;
}

Status prefill(const decoder::Decoder& decoder, std::span<Sequence> sequences, const RunContext& context,
               const HiddenSink& sink, int64_t pass_tokens) {
  int64_t total = 0;
  for (const Sequence& sequence : sequences) total += sequence.input.tokens() - sequence.cache.length();
  int64_t done = 0;
  size_t next = 0;
  while (next < sequences.size()) {
    std::vector<decoder::SequenceChunk> chunks;
    int64_t rows = 0;
    for (size_t i = next; i < sequences.size() && rows < pass_tokens; ++i) {
      Sequence& sequence = sequences[i];
      const int64_t begin = sequence.cache.length();
      if (begin == sequence.input.tokens()) continue;
      const int64_t end = chunk_end(sequence.prompt, begin, pass_tokens - rows);
      chunks.push_back({&sequence.input, &sequence.positions, sequence.encoding.get(), begin, end, &sequence.cache,
                        static_cast<int>(i)});
      rows += end - begin;
    }
    if (chunks.empty()) break;
    AZ_ASSIGN_OR_RETURN(const Tensor hidden, decoder.forward(chunks, context.share(done, rows, total)));
    int64_t row = 0;
    for (const decoder::SequenceChunk& chunk : chunks) {
      AZ_RETURN_IF_ERROR(sink(chunk.sequence, chunk.begin, hidden.row(row), chunk.tokens()));
      row += chunk.tokens();
    }
    done += rows;
    while (next < sequences.size() && sequences[next].cache.length() == sequences[next].input.tokens()) ++next;
  }
  return ok_status();
}

Result<Tensor> decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences,
                           std::span<const int32_t> ids, std::span<const int64_t> steps, const RunContext& context) {
  std::vector<decoder::DecoderInput> inputs(sequences.size());
  std::vector<PositionTable> tables(sequences.size());
  std::vector<decoder::SequenceChunk> chunks;
  for (size_t i = 0; i < sequences.size(); ++i) {
    inputs[i].ids = {ids[i]};
    AZ_ASSIGN_OR_RETURN(inputs[i].hidden, decoder.embed(inputs[i].ids));
    tables[i].set_of_layer = sequences[i]->positions.set_of_layer;
    for (const PositionSet& set : sequences[i]->positions.sets) {
      PositionSet step;
      step.axes = set.axes;
      step.ids.resize(static_cast<size_t>(set.axes));
      set.decode_ids(steps[i], step.ids.data());
      tables[i].sets.push_back(std::move(step));
    }
    chunks.push_back(
        {&inputs[i], &tables[i], sequences[i]->encoding.get(), 0, 1, &sequences[i]->cache, static_cast<int>(i)});
  }
  return decoder.forward(chunks, context);
}

}  // namespace azimuth::engine
