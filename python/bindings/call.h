// Long work of the engine, while Python goes on.
//
// The work runs in a thread of its own, which never touches Python. The caller's thread waits for it without the
// interpreter's lock, and takes the lock to look for signals forty times a second and to run what the work asks for:
// hooks, policies, progress. So every Python function runs in the thread that made the call, and what it raises, like a
// KeyboardInterrupt, ends the call unchanged.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "azimuth/status.h"
#include "errors.h"

namespace azimuth::python {

namespace nb = nanobind;

// What the two threads share. The work may outlive the call: one that does not see its cancel flag in time is left
// behind and ends by itself.
class Exchange {
 public:
  std::atomic<bool> cancel{false};  // for GenerateCallbacks::cancel and the like

  // In the thread of the work: runs `function` in the caller's thread, with the interpreter's lock, and waits for it.
  // `cancelled` where it threw, or where nobody waits any more; then it does not run.
  Status ask(const std::function<void()>& function);
  // In the thread of the work: makes the caller look whether what it waits for is there.
  void change(const std::function<void()>& change);
  // In the caller's thread, behind a change().
  template <typename Read>
  auto read(const Read& read) {
    const std::lock_guard lock(mutex_);
    return read();
  }

  // The exchange of the work that this thread does; null in other threads.
  static std::shared_ptr<Exchange> current();

 private:
  friend class Call;
  friend struct Running;

  void refuse();  // from here on nothing is asked any more
  void run(const std::function<void()>& work);
  void answer(bool ok);

  std::mutex mutex_;
  std::condition_variable caller_;
  std::condition_variable worker_;
  const std::function<void()>* question_ = nullptr;
  bool taken_ = false;  // the caller's thread runs question_
  bool answer_ok_ = false;
  bool refuses_ = false;
  bool done_ = false;
  std::exception_ptr failure_;  // what the work has thrown: memory ran out
};

class Call {
 public:
  Call();
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const std::shared_ptr<Exchange>& exchange() const { return exchange_; }

  // `work` owns, or shares, everything that it uses, and no Python object: it may outlive the call.
  void start(std::function<void()> work);
  // Waits until the work is done, or until `ready`, which is asked with the exchange's lock held. Throws what a
  // function that the work asked for has thrown, and KeyboardInterrupt.
  void wait(const std::function<bool()>& ready = nullptr);
  bool done();
  // Stops the work; waits for it a moment.
  void stop();

 private:
  std::shared_ptr<Exchange> exchange_;
  int process_;
  bool started_ = false;
};

// The value of `work`, run as above.
template <typename T>
T run_call(Call& call, std::function<Result<T>()> work) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  call.start([result, work = std::move(work)] { result->emplace(work()); });
  call.wait();
  return unwrap(std::move(**result));
}

// Registers what has to happen before the interpreter ends and behind a fork.
void prepare_calls(nb::module_& module);

// The process that this one was forked from is another one: threads of the engine exist in it alone.
Status check_process(int owner);

// Sleeps without the lock for a moment, then looks for signals.
void pause_for_signals();

}  // namespace azimuth::python
