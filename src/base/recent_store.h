// Values by the hash of their content, bounded by bytes: the ones that were used least recently go first.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/content_hash.h"

namespace azimuth {

// Not synchronised: the caches around it do more than one thing at a time.
template <typename Value>
class RecentStore {
 public:
  explicit RecentStore(size_t max_bytes) : max_bytes_(max_bytes) {}

  size_t max_bytes() const { return max_bytes_; }
  size_t bytes() const { return bytes_; }
  size_t entries() const { return index_.size(); }

  // nullptr where there is none. Does not count as a use.
  const Value* find(const ContentHash& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->value;
  }

  void use(const ContentHash& key) {
    const auto found = index_.find(key);
    if (found != index_.end()) entries_.splice(entries_.begin(), entries_, found->second);
  }

  // In place of what was there before; counts as a use. The bound holds again after trim().
  void put(const ContentHash& key, Value value, size_t bytes) {
    remove(key);
    entries_.push_front({key, std::move(value), bytes});
    index_.emplace(key, entries_.begin());
    bytes_ += bytes;
  }

  void trim() {
    while (bytes_ > max_bytes_) remove(entries_.back().key);
  }

  void clear() {
    entries_.clear();
    index_.clear();
    bytes_ = 0;
  }

 private:
  struct Entry {
    ContentHash key;
    Value value;
    size_t bytes;
  };

  void remove(const ContentHash key) {  // by value: the entry takes its own key along
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    bytes_ -= found->second->bytes;
    entries_.erase(found->second);
    index_.erase(found);
  }

  size_t max_bytes_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<ContentHash, typename std::list<Entry>::iterator, ContentHashBits> index_;
};

}  // namespace azimuth
