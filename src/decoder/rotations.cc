#include "decoder/rotations.h"

#include <string>

namespace azimuth::decoder {
namespace {

int set_of(const PositionTable& table, int layer) {
  return table.set_of_layer.empty() ? 0 : table.set_of_layer[static_cast<size_t>(layer)];
}

// A plan may turn pairs by fewer axes than the ids have, never by more.
Status check_axes(const FrequencyPlan& plan, const PositionSet& set) {
  for (const int8_t axis : plan.axis) {
    if (axis < set.axes) continue;
    return invalid_argument("positions expected an id on axis " + std::to_string(axis) +
                            ", which turns rotary pairs, found " + std::to_string(set.axes) +
                            " axes; give ids for all axes of the policy");
  }
  return ok_status();
}

// A run of tokens of one sequence under one rope and id set.
struct Run {
  const SequenceChunk& chunk;
  int rope;
  int id_set;
  std::span<const int> layers;
};

RotaryIds describe(const Run& run, int64_t first_token, int64_t tokens, int axes, const float* ids) {
  RotaryIds out;
  out.rope = run.rope;
  out.id_set = run.id_set;
  out.layers = run.layers;
  out.sequence = run.chunk.sequence;
  out.first_token = first_token;
  out.tokens = tokens;
  out.axes = axes;
  out.ids = {ids, static_cast<size_t>(tokens * axes)};
  return out;
}

// Hook 3: the last rows of `table` are those of `ids`.
Status edit_rows(const Hooks* hooks, const RotaryIds& ids, positions::RotaryTable& table) {
  if (hooks == nullptr || !hooks->on_rotary) return ok_status();
  const size_t width = static_cast<size_t>(table.groups) * static_cast<size_t>(table.pairs);
  const size_t count = width * static_cast<size_t>(ids.tokens);
  RotaryRows rows;
  static_cast<RotaryIds&>(rows) = ids;
  rows.groups = table.groups;
  rows.pairs = table.pairs;
  rows.cosines = {table.cosines.data() + table.cosines.size() - count, count};
  rows.sines = {table.sines.data() + table.sines.size() - count, count};
  return hooks->on_rotary(rows);
}

// The chunk's own rows, behind those of the chunks before it.
Status append_rows(const Run& run, const Hooks* hooks, positions::RotaryTable& table) {
  const SequenceChunk& chunk = run.chunk;
  const PositionSet& set = chunk.positions->sets[static_cast<size_t>(run.id_set)];
  chunk.encoding->ropes[static_cast<size_t>(run.rope)]->append(set.token(chunk.begin), chunk.tokens(), set.axes, table);
  return edit_rows(hooks, describe(run, chunk.cache->length(), chunk.tokens(), set.axes, set.token(chunk.begin)),
                   table);
}

// Rows of all tokens up to the chunk's end, of which the last are then the chunk's own.
Status append_history(const Run& run, const Hooks* hooks, positions::RotaryTable& history,
                      positions::RotaryTable& table) {
  const SequenceChunk& chunk = run.chunk;
  const auto index = static_cast<size_t>(run.id_set);
  const PositionSet& fresh = chunk.positions->sets[index];
  const CacheIndex cached = chunk.cache->length();
  std::vector<float> ids;
  if (cached > 0) {
    const bool known = chunk.cached_positions != nullptr && index < chunk.cached_positions->sets.size() &&
                       chunk.cached_positions->sets[index].axes == fresh.axes &&
                       chunk.cached_positions->sets[index].tokens() >= cached;
    if (!known) {
      return invalid_argument("a cache of " + std::to_string(cached) +
                              " raw keys expected the positions of its tokens, found fewer; give them with the chunk");
    }
    const PositionSet& old = chunk.cached_positions->sets[index];
    ids.assign(old.ids.begin(), old.ids.begin() + static_cast<std::ptrdiff_t>(cached * old.axes));
  }
  ids.insert(ids.end(), fresh.token(chunk.begin), fresh.token(chunk.end));
  const int64_t tokens = cached + chunk.tokens();
  chunk.encoding->ropes[static_cast<size_t>(run.rope)]->append(ids.data(), tokens, fresh.axes, history);
  AZ_RETURN_IF_ERROR(edit_rows(hooks, describe(run, 0, tokens, fresh.axes, ids.data()), history));
  table.groups = history.groups;
  table.pairs = history.pairs;
  const auto skip = static_cast<std::ptrdiff_t>(cached * history.groups * history.pairs);
  table.cosines.insert(table.cosines.end(), history.cosines.begin() + skip, history.cosines.end());
  table.sines.insert(table.sines.end(), history.sines.begin() + skip, history.sines.end());
  return ok_status();
}

Status append_chunk(const Run& run, const Hooks* hooks, size_t index, size_t chunks, Rotation& rotation) {
  const SequenceChunk& chunk = run.chunk;
  const PositionSet& set = chunk.positions->sets[static_cast<size_t>(run.id_set)];
  const FrequencyPlan& plan = chunk.encoding->plan(run.rope);
  AZ_RETURN_IF_ERROR(check_axes(plan, set));
  rotation.halves = plan.pairing == Pairing::halves;
  if (hooks != nullptr && hooks->on_rotary_ids) {
    hooks->on_rotary_ids(describe(run, chunk.cache->length(), chunk.tokens(), set.axes, set.token(chunk.begin)));
  }
  if (chunk.cache->key_storage() == KeyStorage::rotated) return append_rows(run, hooks, rotation.rows);
  rotation.history.resize(chunks);
  return append_history(run, hooks, rotation.history[index], rotation.rows);
}

}  // namespace

void Rotation::clear() {
  rows.cosines.clear();
  rows.sines.clear();
  history.clear();
}

// Which layers turn by which rope and id set.
Status Rotations::assign_layers(const TextSpec& spec, std::span<const SequenceChunk> chunks) {
  for (auto& [key, group] : groups_) group.layers.clear();
  for (int layer = 0; layer < static_cast<int>(spec.layers.size()); ++layer) {
    const int set = set_of(*chunks[0].positions, layer);
    for (const SequenceChunk& chunk : chunks) {
      if (set_of(*chunk.positions, layer) == set) continue;
      return invalid_argument("sequences of one batch expected the same id set per layer; run them one by one");
    }
    const int rope = spec.layers[static_cast<size_t>(layer)].rope;
    if (rope >= 0) groups_[{rope, set}].layers.push_back(layer);
  }
  return ok_status();
}

Status Rotations::build(const TextSpec& spec, std::span<const SequenceChunk> chunks, const Hooks* hooks) {
  AZ_RETURN_IF_ERROR(assign_layers(spec, chunks));
  of_layer_.assign(spec.layers.size(), nullptr);
  for (auto& [key, group] : groups_) {
    group.rotation.clear();
    for (size_t i = 0; i < chunks.size() && !group.layers.empty(); ++i) {
      AZ_RETURN_IF_ERROR(
          append_chunk({chunks[i], key.first, key.second, group.layers}, hooks, i, chunks.size(), group.rotation));
    }
    for (const int layer : group.layers) of_layer_[static_cast<size_t>(layer)] = &group.rotation;
  }
  return ok_status();
}

}  // namespace azimuth::decoder
