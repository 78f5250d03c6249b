#include "base/recent_store.h"

#include <gtest/gtest.h>

#include <string>

namespace azimuth {
namespace {

ContentHash key(int number) {
  ContentHasher hasher("key");
  hasher.number(number);
  return hasher.finish();
}

TEST(RecentStore, WhatWasUsedLeastRecentlyGoesFirst) {
  RecentStore<std::string> store(100);
  for (int i = 0; i < 4; ++i) store.put(key(i), std::to_string(i), 25);
  store.use(key(0));
  store.put(key(4), "4", 30);
  store.trim();
  EXPECT_EQ(store.bytes(), 80u);
  EXPECT_EQ(store.entries(), 3u);
  for (const int gone : {1, 2}) EXPECT_EQ(store.find(key(gone)), nullptr) << gone;
  for (const int kept : {0, 3, 4}) {
    ASSERT_NE(store.find(key(kept)), nullptr) << kept;
    EXPECT_EQ(*store.find(key(kept)), std::to_string(kept));
  }
}

TEST(RecentStore, ALookIsNoUse) {
  RecentStore<int> store(2);
  store.put(key(0), 0, 1);
  store.put(key(1), 1, 1);
  EXPECT_NE(store.find(key(0)), nullptr);
  store.put(key(2), 2, 1);
  store.trim();
  EXPECT_EQ(store.find(key(0)), nullptr);
}

TEST(RecentStore, ReplacingCountsTheNewBytes) {
  RecentStore<int> store(10);
  store.put(key(0), 1, 4);
  store.put(key(0), 2, 6);
  EXPECT_EQ(store.bytes(), 6u);
  EXPECT_EQ(*store.find(key(0)), 2);
  store.put(key(1), 3, 11);
  store.trim();
  EXPECT_EQ(store.entries(), 0u) << "larger than the bound";
  EXPECT_EQ(store.bytes(), 0u);
}

}  // namespace
}  // namespace azimuth
