#include "base/content_hash.h"

#include <sodium.h>

#include <algorithm>
#include <vector>

namespace azimuth {
namespace {

constexpr size_t kPart = size_t{1} << 18;  // values of a part of what large() takes, 1 MiB

// Chooses the fastest code for this processor, once. A failure (no source of random numbers) leaves the plain one.
void prepare_library() {
  static const int ready = sodium_init();
  static_cast<void>(ready);
}

}  // namespace

struct ContentHasher::State {
  crypto_generichash_state blake;
};

ContentHasher::ContentHasher(std::string_view domain) : state_(std::make_unique<State>()) {
  prepare_library();
  crypto_generichash_init(&state_->blake, nullptr, 0, std::tuple_size_v<decltype(ContentHash::bytes)>);
  text(domain);
}

ContentHasher::~ContentHasher() = default;

void ContentHasher::append(const void* data, size_t bytes) {
  crypto_generichash_update(&state_->blake, static_cast<const unsigned char*>(data), bytes);
}

void ContentHasher::text(std::string_view value) {
  number(static_cast<int64_t>(value.size()));
  append(value.data(), value.size());
}

void ContentHasher::large(std::span<const float> values, ThreadPool& pool) {
  const size_t parts = (values.size() + kPart - 1) / kPart;
  std::vector<ContentHash> hashes(parts);
  pool.for_each(static_cast<int64_t>(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto part = static_cast<size_t>(begin); part < static_cast<size_t>(end); ++part) {
      const std::span<const float> some = values.subspan(part * kPart, std::min(kPart, values.size() - part * kPart));
      ContentHash& hash = hashes[part];
      crypto_generichash(hash.bytes.data(), hash.bytes.size(), reinterpret_cast<const unsigned char*>(some.data()),
                         some.size_bytes(), nullptr, 0);
    }
  });
  number(static_cast<int64_t>(values.size()));
  for (const ContentHash& each : hashes) hash(each);
}

ContentHash ContentHasher::finish() {
  ContentHash out;
  crypto_generichash_final(&state_->blake, out.bytes.data(), out.bytes.size());
  return out;
}

}  // namespace azimuth
