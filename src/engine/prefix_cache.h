// Keys and values of the starts of sequences that an engine has seen, by their content.
#pragma once

#include <memory>
#include <mutex>

#include "base/recent_store.h"
#include "decoder/cache_part.h"
#include "engine/prefix_key.h"

namespace azimuth::engine {

// One of each engine, for all of its sessions. Safe to share by threads. Entries share the blocks of the caches that
// they come from; nothing is copied on the way in or out.
//
// A chain is kept from its start on: its end is forgotten first, because every use of a unit is one of those before it.
// A cache with linear attention can go on only where its recurrent states were kept, too: at the tokens at which keep()
// saw it.
class PrefixCache {
 public:
  explicit PrefixCache(size_t max_bytes) : store_(max_bytes) {}

  // Fills `cache`, which is empty, with the longest start of `chain` that is known and has at most `limit` tokens.
  // Returns its tokens.
  int64_t take(const PrefixChain& chain, int64_t limit, decoder::CacheState& cache);
  // Keeps those units of `chain` that `cache` holds and that are not known yet.
  void keep(const PrefixChain& chain, const decoder::CacheState& cache);
  void clear();
  size_t bytes() const;

 private:
  using Part = std::shared_ptr<const decoder::CachePart>;

  std::vector<PrefixUnit> known(const PrefixChain& chain, bool recurrent) const;
  std::vector<Part> find(const PrefixChain& chain, bool recurrent);
  void put(const ContentHash& key, decoder::CachePart part);
  void use(const ContentHash& root, const std::vector<PrefixUnit>& units);

  mutable std::mutex mutex_;
  RecentStore<Part> store_;
};

// Where the passes of a prefill should end, so that keep() finds recurrent states worth keeping: behind the last
// picture or video, where another question about it goes on, and behind the last block of the prompt.
std::vector<int64_t> snapshot_stops(const PrefixChain& chain, const Prompt& prompt);

}  // namespace azimuth::engine
