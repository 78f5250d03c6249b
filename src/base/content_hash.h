// A hash of content that stands for the content: two things with the same hash are taken for the same thing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/thread_pool.h"

namespace azimuth {

// 256 bits of BLAKE2b. Strong, because a wrong match would not be an error but an answer about somebody else's picture
// (docs/decisions/0029).
struct ContentHash {
  std::array<uint8_t, 32> bytes{};
  bool operator==(const ContentHash&) const = default;
  bool operator<(const ContentHash& other) const { return bytes < other.bytes; }
};

// For unordered containers: the bits are as good as random already.
struct ContentHashBits {
  size_t operator()(const ContentHash& hash) const {
    size_t bits = 0;
    std::memcpy(&bits, hash.bytes.data(), sizeof bits);
    return bits;
  }
};

// Collects content. Whatever has a variable length is preceded by it, so that no two sequences of calls that differ in
// a value or in a length are one.
class ContentHasher {
 public:
  // `domain`: what is hashed, so that things of different kinds never meet.
  explicit ContentHasher(std::string_view domain);
  ~ContentHasher();
  ContentHasher(const ContentHasher&) = delete;
  ContentHasher& operator=(const ContentHasher&) = delete;

  void number(int64_t value) { append(&value, sizeof value); }
  void text(std::string_view value);
  void hash(const ContentHash& value) { append(value.bytes.data(), value.bytes.size()); }
  // The bits of plain values.
  template <typename T>
  void values(std::span<const T> values) {
    static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);
    number(static_cast<int64_t>(values.size()));
    append(values.data(), values.size_bytes());
  }
  // The same for much of it, by the threads of `pool`. The hash does not depend on their number, but is not that of
  // values().
  void large(std::span<const float> values, ThreadPool& pool);

  ContentHash finish();  // once

 private:
  void append(const void* data, size_t bytes);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace azimuth
