#include "engine/prefix_cache.h"

#include <algorithm>
#include <iterator>

namespace azimuth::engine {
namespace {

int64_t end_of(const std::vector<PrefixUnit>& units) {
  return units.empty() ? 0 : units.back().end;
}

}  // namespace

// The units that are known, from the first one on, of which a cache can go on behind the last.
std::vector<PrefixUnit> PrefixCache::known(const PrefixChain& chain, bool recurrent) const {
  // Recurrent states are where the cache was looked at, and lead on from there only.
  const auto leads_on = [&](const PrefixUnit& unit) {
    return !recurrent || !(*store_.find(unit.key))->recurrent.empty();
  };
  std::vector<PrefixUnit> units;
  for (const PrefixUnit& unit : chain.units) {
    if (store_.find(unit.key) == nullptr) break;
    units.push_back(unit);
  }
  std::vector<PrefixUnit> with_tail;
  const int64_t tail_begin = chain.tail ? chain.tail->begin : 0;
  if (chain.tail && tail_begin <= end_of(units) && store_.find(chain.tail->key) != nullptr && leads_on(*chain.tail)) {
    std::ranges::copy_if(units, std::back_inserter(with_tail),
                         [&](const auto& unit) { return unit.end <= tail_begin; });
    with_tail.push_back(*chain.tail);
  }
  while (!units.empty() && !leads_on(units.back())) units.pop_back();
  return end_of(units) < end_of(with_tail) ? with_tail : units;
}

// The outside part, if there is one, and a part per unit.
std::vector<PrefixCache::Part> PrefixCache::find(const PrefixChain& chain, bool recurrent) {
  const std::vector<PrefixUnit> units = known(chain, recurrent);
  std::vector<Part> parts;
  if (units.empty()) return parts;
  if (const Part* outside = store_.find(chain.root)) parts.push_back(*outside);
  for (const PrefixUnit& unit : units) parts.push_back(*store_.find(unit.key));
  use(chain.root, units);
  return parts;
}

int64_t PrefixCache::take(const PrefixChain& chain, int64_t limit, decoder::CacheState& cache) {
  std::vector<Part> parts;
  {
    const std::scoped_lock lock(mutex_);
    parts = find(chain.up_to(limit), has_recurrent_states(cache));
  }
  int64_t tokens = 0;
  for (const Part& part : parts) {
    append_part(*part, cache);
    tokens += part->tokens;
  }
  return tokens;
}

void PrefixCache::put(const ContentHash& key, decoder::CachePart part) {
  const size_t bytes = part.bytes();
  store_.put(key, std::make_shared<const decoder::CachePart>(std::move(part)), bytes);
}

// Last unit first, so that no unit is forgotten before those that it leads to.
void PrefixCache::use(const ContentHash& root, const std::vector<PrefixUnit>& units) {
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) store_.use(unit->key);
  store_.use(root);
}

void PrefixCache::keep(const PrefixChain& chain, const decoder::CacheState& cache) {
  if (!divides(cache)) return;
  const std::vector<PrefixUnit> held = chain.up_to(cache.length()).parts();
  const bool recurrent = has_recurrent_states(cache);
  if (held.empty() || (recurrent && held.back().end != cache.length())) return;
  const std::scoped_lock lock(mutex_);
  if (store_.max_bytes() == 0) return;
  if (store_.find(chain.root) == nullptr) {
    if (decoder::CachePart outside = share_outside(cache); !outside.layers.empty()) put(chain.root, std::move(outside));
  }
  for (const PrefixUnit& unit : held) {
    const Part* const found = store_.find(unit.key);
    const bool adds_states = recurrent && unit.end == cache.length();
    if (found == nullptr || (adds_states && (*found)->recurrent.empty())) {
      put(unit.key, share_part(cache, unit.begin, unit.end));
    }
  }
  use(chain.root, held);
  store_.trim();
}

void PrefixCache::clear() {
  const std::scoped_lock lock(mutex_);
  store_.clear();
}

size_t PrefixCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return store_.bytes();
}

std::vector<int64_t> snapshot_stops(const PrefixChain& chain, const Prompt& prompt) {
  int64_t media_end = 0;
  for (const Span& span : prompt.spans) {
    if (span.kind != SpanKind::text) media_end = span.end;
  }
  const int64_t last = static_cast<int64_t>(prompt.ids.size()) - 1;  // one token is always computed
  std::vector<int64_t> stops;
  for (const int64_t limit : {std::min(media_end, last), last}) {
    const std::vector<PrefixUnit> before = chain.up_to(limit).parts();
    if (!before.empty() && (stops.empty() || stops.back() != before.back().end)) stops.push_back(before.back().end);
  }
  return stops;
}

}  // namespace azimuth::engine
