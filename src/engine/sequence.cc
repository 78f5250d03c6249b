#include "engine/sequence.h"

#include <algorithm>
#include <cmath>

#include "engine/policy_choice.h"

namespace azimuth::engine {
namespace {

void append_ids(const PositionTable& from, PositionTable& to) {
  for (size_t i = 0; i < to.sets.size(); ++i) {
    PositionSet& set = to.sets[i];
    set.ids.insert(set.ids.end(), from.sets[i].ids.begin(), from.sets[i].ids.end());
  }
}

// Ids of all tokens up to generated token `steps`, not included.
PositionTable positions_until(const PositionTable& prompt, int64_t steps) {
  PositionTable all = prompt;
  append_ids(generated_positions(prompt, 0, steps), all);
  return all;
}

Status make_step(const decoder::Decoder& decoder, const Sequence& sequence, int index, int32_t id, int64_t step,
                 const RunContext& context, Step& out) {
  out.input.ids.assign(1, id);
  AZ_RETURN_IF_ERROR(decoder.embed(out.input.ids, out.input.hidden));
  // A generated token sees the features that the last one of the prompt sees.
  const std::vector<kernels::KeyRange>& ranges = sequence.input.features.ranges;
  out.input.features.ranges.assign(ranges.empty() ? 0 : 1, ranges.empty() ? kernels::KeyRange() : ranges.back());
  generated_positions(sequence.positions, step, 1, out.positions);
  if (sequence.cache.key_storage() == decoder::KeyStorage::raw) {
    out.cached = positions_until(sequence.positions, step);
  }
  return enter_decoder(context, index, sequence.cache.length(), {}, out.positions, out.input);
}

// ---- frequencies that follow the length

// The length that each sequence has with its new token. transformers looks at the largest id of its whole batch.
void grown_lengths(std::span<Sequence* const> sequences, std::span<const Step> steps, std::vector<int64_t>& lengths) {
  lengths.clear();
  int64_t longest = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    lengths.push_back(std::max(sequences[i]->growth.length, length_of(steps[i].positions)));
    longest = std::max(longest, lengths[i]);
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i]->growth.mode == FrequencyMode::as_reference) lengths[i] = longest;
  }
}

// Gives the sequence the frequencies of `length`; true where its tokens have to be computed again for that.
Result<bool> grow(const TextSpec& text, int64_t length, Sequence& sequence) {
  FrequencyGrowth& growth = sequence.growth;
  if (!growth.encoding_for || length <= growth.length) return false;
  if (effective_length(text, length) == effective_length(text, growth.length)) {
    growth.length = length;
    return false;
  }
  AZ_ASSIGN_OR_RETURN(std::shared_ptr<const decoder::PositionEncoding> encoding, growth.encoding_for(length));
  growth.length = length;
  const bool same = same_frequencies(*encoding, *sequence.encoding);
  sequence.encoding = std::move(encoding);
  if (same) return false;
  if (growth.mode == FrequencyMode::rerotate) return true;
  growth.mixed = true;
  return false;
}

// Computes the prompt, the generated tokens and the new one with the sequence's encoding. Returns the last row.
Result<Tensor> prefill_again(const decoder::Decoder& decoder, const Step& step, Sequence& sequence, int index,
                             const RunContext& context) {
  FrequencyGrowth& growth = sequence.growth;
  const int64_t hidden = decoder.spec().hidden;
  const auto generated = static_cast<int64_t>(growth.ids.size());
  const int64_t prompt = sequence.input.tokens();
  Sequence whole{sequence.prompt,
                 {},
                 positions_until(sequence.positions, generated + 1),
                 sequence.encoding,
                 decoder.new_cache(sequence.cache.key_storage())};
  whole.prompt.ids.insert(whole.prompt.ids.end(), growth.ids.begin(), growth.ids.end());
  whole.prompt.ids.push_back(step.input.ids[0]);
  whole.input.ids = whole.prompt.ids;
  whole.input.hidden = Tensor({prompt + generated + 1, hidden});
  float* rows = std::copy_n(sequence.input.hidden.data(), prompt * hidden, whole.input.hidden.data());
  rows = std::copy(growth.rows.begin(), growth.rows.end(), rows);
  std::copy_n(step.input.hidden.data(), hidden, rows);
  whole.input.regions = sequence.input.regions;
  whole.input.features = sequence.input.features;
  if (!whole.input.features.ranges.empty()) {
    whole.input.features.ranges.resize(whole.input.ids.size(), sequence.input.features.ranges.back());
  }
  for (const decoder::LayerStream& stream : sequence.input.streams)
    whole.input.streams.push_back({stream.layer, stream.tokens, stream.rows.clone()});
  whole.last_row_only = true;
  Tensor last({1, hidden});
  const auto keep_last = [&](int, int64_t, const float* from, int64_t count) {
    std::copy_n(from + (count - 1) * hidden, hidden, last.data());
    return ok_status();
  };
  AZ_RETURN_IF_ERROR(prefill(decoder, {&whole, 1}, context, keep_last, kPrefillTokens, index));
  sequence.cache = std::move(whole.cache);
  ++growth.prefills;
  return last;
}

void remember(const Step& step, Sequence& sequence) {
  FrequencyGrowth& growth = sequence.growth;
  if (!growth.encoding_for || growth.mode != FrequencyMode::rerotate) return;
  growth.ids.push_back(step.input.ids[0]);
  growth.rows.insert(growth.rows.end(), step.input.hidden.data(),
                     step.input.hidden.data() + step.input.hidden.elements());
}

}  // namespace

int64_t length_of(const PositionTable& positions) {
  float largest = -1.0f;
  for (const PositionSet& set : positions.sets) {
    if (!set.ids.empty()) largest = std::max(largest, *std::ranges::max_element(set.ids));
  }
  return static_cast<int64_t>(std::ceil(static_cast<double>(largest) + 1.0));
}

void token_position(const PositionSet& set, int64_t index, float* out) {
  if (index < set.tokens()) {
    std::copy_n(set.token(index), set.axes, out);
  } else {
    set.decode_ids(index - set.tokens(), out);
  }
}

void generated_positions(const PositionTable& prompt, int64_t first_step, int64_t steps, PositionTable& table) {
  table.set_of_layer = prompt.set_of_layer;
  table.sets.resize(prompt.sets.size());
  for (size_t i = 0; i < prompt.sets.size(); ++i) {
    const PositionSet& set = prompt.sets[i];
    PositionSet& generated = table.sets[i];
    generated.axes = set.axes;
    generated.ids.resize(static_cast<size_t>(steps * set.axes));
    for (int64_t step = 0; step < steps; ++step)
      set.decode_ids(first_step + step, generated.ids.data() + step * set.axes);
  }
}

PositionTable generated_positions(const PositionTable& prompt, int64_t first_step, int64_t steps) {
  PositionTable table;
  generated_positions(prompt, first_step, steps, table);
  return table;
}

Status enter_decoder(const RunContext& context, int sequence, int64_t first_token, std::span<const Span> spans,
                     const PositionTable& positions, decoder::DecoderInput& input) {
  if (context.hooks == nullptr || !context.hooks->on_decoder_input) return ok_status();
  DecoderEntry entry{
      sequence,  first_token, input.tokens(), {input.hidden.data(), static_cast<size_t>(input.hidden.elements())},
      input.ids, {},          spans,          positions};
  for (decoder::LayerStream& stream : input.streams) {
    entry.streams.push_back(
        {stream.layer, stream.tokens, {stream.rows.data(), static_cast<size_t>(stream.rows.elements())}});
  }
  return context.hooks->on_decoder_input(entry);
}

Status enter_decoder(const RunContext& context, int sequence, Sequence& prompt) {
  return enter_decoder(context, sequence, 0, prompt.prompt.spans, prompt.positions, prompt.input);
}

int64_t chunk_end(const Prompt& prompt, int64_t begin, int64_t limit) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  int64_t end = std::min(begin + limit, tokens);
  for (const auto& [first, last] : prompt.closed_regions) {
    if (end <= first || last <= end) continue;
    end = first > begin ? first : last;
  }
  return end;
}

namespace {

// The first stop behind `begin`, or the end of the prompt.
int64_t next_stop(const Sequence& sequence, int64_t begin) {
  const auto stop = std::ranges::upper_bound(sequence.stops, begin);
  return stop == sequence.stops.end() ? sequence.input.tokens() : *stop;
}

}  // namespace

Status prefill(const decoder::Decoder& decoder, std::span<Sequence> sequences, const RunContext& context,
               const HiddenSink& sink, int64_t pass_tokens, int first_sequence) {
  int64_t total = 0;
  for (const Sequence& sequence : sequences) total += sequence.input.tokens() - sequence.cache.length();
  int64_t done = 0;
  size_t next = 0;
  decoder::PassWorkspace work;
  while (next < sequences.size()) {
    std::vector<decoder::SequenceChunk> chunks;
    int64_t rows = 0;
    for (size_t i = next; i < sequences.size() && rows < pass_tokens; ++i) {
      Sequence& sequence = sequences[i];
      const int64_t begin = sequence.cache.length();
      if (begin == sequence.input.tokens()) continue;
      const int64_t stop = next_stop(sequence, begin);
      const int64_t end = chunk_end(sequence.prompt, begin, std::min(pass_tokens - rows, stop - begin));
      chunks.push_back({&sequence.input, &sequence.positions, sequence.encoding.get(), begin, end, &sequence.cache,
                        first_sequence + static_cast<int>(i), &sequence.positions, sequence.last_row_only});
      rows += end - begin;
    }
    if (chunks.empty()) break;
    AZ_RETURN_IF_ERROR(decoder.forward(chunks, context.share(done, rows, total), work));
    int64_t row = 0;
    for (const decoder::SequenceChunk& chunk : chunks) {
      AZ_RETURN_IF_ERROR(sink(chunk.sequence, chunk.begin, work.hidden.row(row), chunk.tokens()));
      row += chunk.tokens();
    }
    done += rows;
    while (next < sequences.size() && sequences[next].cache.length() == sequences[next].input.tokens()) ++next;
  }
  return ok_status();
}

Status decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences, std::span<const int32_t> ids,
                   std::span<const int64_t> steps, const RunContext& context, StepWorkspace& work) {
  work.inputs.resize(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    AZ_RETURN_IF_ERROR(
        make_step(decoder, *sequences[i], static_cast<int>(i), ids[i], steps[i], context, work.inputs[i]));
  }
  grown_lengths(sequences, work.inputs, work.lengths);
  work.hidden.resize({static_cast<int64_t>(sequences.size()), decoder.spec().hidden});
  work.chunks.clear();
  for (size_t i = 0; i < sequences.size(); ++i) {
    Sequence& sequence = *sequences[i];
    const Step& step = work.inputs[i];
    const int index = static_cast<int>(i);
    AZ_ASSIGN_OR_RETURN(const bool again, grow(decoder.spec(), work.lengths[i], sequence));
    if (again) {
      AZ_ASSIGN_OR_RETURN(const Tensor row, prefill_again(decoder, step, sequence, index, context));
      std::copy_n(row.data(), row.elements(), work.hidden.row(index));
      continue;
    }
    work.chunks.push_back(
        {&step.input, &step.positions, sequence.encoding.get(), 0, 1, &sequence.cache, index, &step.cached});
  }
  AZ_RETURN_IF_ERROR(decoder.forward(work.chunks, context, work.pass));
  const Tensor& rows = work.pass.hidden;
  for (size_t k = 0; k < work.chunks.size(); ++k)
    std::copy_n(rows.row(static_cast<int64_t>(k)), rows.row_elements(), work.hidden.row(work.chunks[k].sequence));
  for (size_t i = 0; i < sequences.size(); ++i) remember(work.inputs[i], *sequences[i]);
  return ok_status();
}

Result<Tensor> decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences,
                           std::span<const int32_t> ids, std::span<const int64_t> steps, const RunContext& context) {
  StepWorkspace work;
  AZ_RETURN_IF_ERROR(decode_step(decoder, sequences, ids, steps, context, work));
  return std::move(work.hidden);
}

}  // namespace azimuth::engine
