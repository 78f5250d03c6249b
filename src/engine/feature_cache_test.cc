#include "engine/feature_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace azimuth::engine {
namespace {

ContentHash key(int number) {
  ContentHasher hasher("picture");
  hasher.number(number);
  return hasher.finish();
}

// 4 rows of 5 and one level of DeepStack: 160 bytes.
SharedMediaFeatures features(float value) {
  MediaFeatures out;
  out.features = Tensor({4, 5});
  out.features.data()[0] = value;
  out.deepstack.push_back(Tensor({4, 5}));
  return std::make_shared<const MediaFeatures>(std::move(out));
}

TEST(FeatureCache, FindsWhatWasKeptAndSharesIt) {
  FeatureCache cache(1000);
  EXPECT_EQ(cache.find(key(0)), nullptr);
  const SharedMediaFeatures kept = features(1.0f);
  cache.keep(key(0), kept);
  EXPECT_EQ(cache.find(key(0)), kept);
  EXPECT_EQ(cache.find(key(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 160u) << "DeepStack counts";
  cache.clear();
  EXPECT_EQ(cache.find(key(0)), nullptr);
}

TEST(FeatureCache, ForgetsThePictureThatWasUsedLeastRecently) {
  FeatureCache cache(500);
  for (int i = 0; i < 3; ++i) cache.keep(key(i), features(0.0f));
  EXPECT_NE(cache.find(key(0)), nullptr);
  cache.keep(key(3), features(0.0f));
  EXPECT_EQ(cache.bytes(), 480u);
  EXPECT_EQ(cache.find(key(1)), nullptr);
  for (const int i : {0, 2, 3}) EXPECT_NE(cache.find(key(i)), nullptr) << i;
}

TEST(FeatureCache, WhatIsTooLargePushesNothingOut) {
  FeatureCache cache(200);
  cache.keep(key(0), features(0.0f));
  MediaFeatures large;
  large.features = Tensor({100, 5});
  cache.keep(key(1), std::make_shared<const MediaFeatures>(std::move(large)));
  EXPECT_NE(cache.find(key(0)), nullptr);
  EXPECT_EQ(cache.find(key(1)), nullptr);
  FeatureCache none(0);
  none.keep(key(0), features(0.0f));
  EXPECT_EQ(none.find(key(0)), nullptr);
}

TEST(FeatureCache, ThreadsMayUseItTogether) {
  FeatureCache cache(800);
  const auto work = [&](int first) {
    for (int i = 0; i < 500; ++i) {
      const int number = (first + i) % 9;
      const SharedMediaFeatures found = cache.find(key(number));
      if (found == nullptr) {
        cache.keep(key(number), features(static_cast<float>(number)));
      } else {
        EXPECT_EQ(found->features.data()[0], static_cast<float>(number));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), 800u);
}

}  // namespace
}  // namespace azimuth::engine
