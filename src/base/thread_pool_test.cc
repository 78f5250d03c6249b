#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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

}  // namespace
}  // namespace azimuth
