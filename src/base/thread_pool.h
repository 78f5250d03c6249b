// A fixed set of worker threads that run one data-parallel loop at a time.
//
// Several threads may have loops run: one that comes while another's loop is open runs its own alone, so that sessions
// of one engine can answer at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace azimuth {

class ThreadPool {
 public:
  // `threads` >= 1 counts the calling thread; 0 means one per available core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(begin, end) on disjoint ranges that cover [0, count), each at most `grain` long and starting at a
  // multiple of `grain`, and returns when all are done. Ranges do not depend on the number of threads, so a body
  // whose ranges are independent gives the same bits for every pool. Not re-entrant: a body must not call for_each.
  template <typename Body>
  void for_each(int64_t count, int64_t grain, const Body& body) {
    run(count, grain, std::cref(body));  // of a reference, a std::function takes no memory
  }

 private:
  void run(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace azimuth
