#include "base/content_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace azimuth {
namespace {

std::string hex(const ContentHash& hash) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : hash.bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

template <typename Fill>
ContentHash hash_of(const Fill& fill) {
  ContentHasher hasher("test");
  fill(hasher);
  return hasher.finish();
}

// Python: hashlib.blake2b((4).to_bytes(8, "little") + b"test" + (5).to_bytes(8, "little"), digest_size=32)
TEST(ContentHash, IsBlake2b) {
  EXPECT_EQ(hex(hash_of([](ContentHasher& hasher) { hasher.number(5); })),
            "c0b1a7d87459c025581e0985f7b82282dba02f19fcb97df5491e2f045671eb7e");
}

TEST(ContentHash, ValuesLengthsAndOrderCount) {
  const std::vector<int32_t> ab = {1, 2};
  const std::vector<int32_t> none;
  std::set<ContentHash> seen;
  const auto add = [&](auto fill) { EXPECT_TRUE(seen.insert(hash_of(fill)).second) << seen.size(); };
  add([](ContentHasher&) {});
  add([](ContentHasher& h) { h.number(1); });
  add([](ContentHasher& h) { h.text("ab"), h.text("c"); });
  add([](ContentHasher& h) { h.text("a"), h.text("bc"); });
  add([](ContentHasher& h) { h.text(""), h.text("abc"); });
  add([&](ContentHasher& h) { h.values(std::span(ab)), h.values(std::span(none)); });
  add([&](ContentHasher& h) { h.values(std::span(none)), h.values(std::span(ab)); });
  add([](ContentHasher& h) { h.hash({}); });
  EXPECT_NE(ContentHasher("other").finish(), ContentHasher("test").finish());
}

TEST(ContentHash, MuchIsHashedAlikeByAnyNumberOfThreads) {
  std::vector<float> values(3 * (size_t{1} << 18) + 5);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 251);
  const auto large = [&](int threads) {
    ThreadPool pool(threads);
    return hash_of([&](ContentHasher& h) { h.large(values, pool); });
  };
  const ContentHash one = large(1);
  EXPECT_EQ(large(3), one);
  for (const size_t changed : {size_t{0}, size_t{1} << 18, values.size() - 1}) {
    values[changed] += 1.0f;
    EXPECT_NE(large(2), one) << changed;
    values[changed] -= 1.0f;
  }
  values.push_back(0.0f);
  EXPECT_NE(large(1), one);
}

}  // namespace
}  // namespace azimuth
