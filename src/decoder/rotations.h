// Cosines and sines of one forward pass: one table for each layer type (rope) and id set that a layer uses.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "azimuth/hooks.h"
#include "decoder/decoder.h"
#include "positions/rotary_table.h"

namespace azimuth::decoder {

struct Rotation {
  positions::RotaryTable rows;  // of the rows of the pass
  // [chunks]: of every token up to the chunk's end, where its cache holds raw keys. Empty where none does.
  std::vector<positions::RotaryTable> history;
  bool halves = true;  // pairing of channels

  bool has_history(size_t chunk) const { return !history.empty() && !history[chunk].cosines.empty(); }
  void clear();
};

class Rotations {
 public:
  // In place of those of the pass before, and in their memory.
  // Errors: ids with fewer axes than a plan turns; sequences whose layers use other id sets; what a hook answers.
  Status build(const TextSpec& spec, std::span<const SequenceChunk> chunks, const Hooks* hooks);

  // nullptr for a layer that does not rotate.
  const Rotation* of_layer(int layer) const { return of_layer_[static_cast<size_t>(layer)]; }

 private:
  struct Group {
    std::vector<int> layers;
    Rotation rotation;
  };

  Status assign_layers(const TextSpec& spec, std::span<const SequenceChunk> chunks);

  std::map<std::pair<int, int>, Group> groups_;  // by (rope, id set); its nodes stay where they are
  std::vector<const Rotation*> of_layer_;
};

}  // namespace azimuth::decoder
