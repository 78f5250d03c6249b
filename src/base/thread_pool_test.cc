#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/cancel.h"

namespace azimuth {
namespace {

TEST(ThreadPool, CoversEveryIndexOnceInRangesFixedByTheGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
        std::atomic<bool> aligned{true};
        pool.for_each(count, grain, [&](int64_t begin, int64_t end) {
          if (begin % grain != 0 || end - begin > grain || end > count) aligned = false;
          for (int64_t i = begin; i < end; ++i) ++visits[i];
        });
        EXPECT_TRUE(aligned);
        for (int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[i], 1) << i << " of " << count << " by " << grain;
      }
    }
  }
}

TEST(ThreadPool, FinishesEachLoopBeforeTheNext) {
  ThreadPool pool(4);
  int64_t plain = 0;  // written by every loop's last range only; a race would show under the thread sanitizer
  for (int64_t loop = 0; loop < 20000; ++loop) {
    std::atomic<int64_t> sum{0};
    pool.for_each(8, 1, [&](int64_t begin, int64_t) {
      sum.fetch_add(begin, std::memory_order_relaxed);
      if (begin == 7) plain = loop;
    });
    ASSERT_EQ(sum.load(), 28);
    ASSERT_EQ(plain, loop);
  }
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // Two ranges that wait for each other need two threads.
    std::atomic<int> arrived{0};
    pool.for_each(2, 1, [&](int64_t, int64_t) {
      ++arrived;
      while (arrived.load() < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), 2);
  }
}

TEST(ThreadPool, WaitsForASlowWorker) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> finished{0};
    const std::thread::id caller = std::this_thread::get_id();
    pool.for_each(2, 1, [&](int64_t, int64_t) {
      if (std::this_thread::get_id() != caller) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++finished;
    });
    ASSERT_EQ(finished.load(), 2);
  }
}

TEST(ThreadPool, StopsWhileWorkersSpinOrSleep) {
  for (int round = 0; round < 200; ++round) {
    ThreadPool pool(3);
    if (round % 2) pool.for_each(3, 1, [](int64_t, int64_t) {});
  }
}

// ---- cancelling

TEST(CancelScope, LoopsOfItsThreadSkipTheRestOnceItsFlagIsSet) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    std::atomic<bool> flag{false};
    std::atomic<int64_t> ranges{0};
    const auto body = [&](int64_t, int64_t) {
      if (ranges.fetch_add(1) == 10) flag = true;
    };
    {
      const CancelScope scope(&flag);
      pool.for_each(1000, 1, body);
      EXPECT_LT(ranges, 10 + 1 + threads + 1);
      EXPECT_TRUE(scope.skipped());
      flag = false;
      EXPECT_TRUE(CancelScope::requested()) << "what was skipped stays skipped";
    }
    EXPECT_FALSE(CancelScope::requested());
    flag = true;
    ranges = 0;
    pool.for_each(1000, 1, body);
    EXPECT_EQ(ranges, 1000) << "no scope, no cancelling";
  }
}

TEST(CancelScope, OtherThreadsOfThePoolGoOn) {
  ThreadPool pool(2);
  std::atomic<bool> flag{true};
  std::atomic<int64_t> ranges{0};
  std::thread other([&] {
    for (int loop = 0; loop < 200; ++loop) pool.for_each(50, 1, [&](int64_t, int64_t) { ++ranges; });
  });
  const CancelScope scope(&flag);
  for (int loop = 0; loop < 200; ++loop) {
    pool.for_each(50, 1, [](int64_t, int64_t) { FAIL() << "a loop whose flag was set before it began"; });
  }
  other.join();
  EXPECT_EQ(ranges, 200 * 50);
}

TEST(CancelScope, AnInnerOneTellsTheOuterOne) {
  ThreadPool pool(1);
  std::atomic<bool> never{false};
  std::atomic<bool> flag{true};
  const CancelScope outer(&never);
  {
    const CancelScope none(nullptr);
    EXPECT_EQ(CancelScope::current(), &outer);
    const CancelScope inner(&flag);
    pool.for_each(1, 1, [](int64_t, int64_t) { FAIL(); });
  }
  EXPECT_TRUE(outer.skipped());
}

}  // namespace
}  // namespace azimuth
