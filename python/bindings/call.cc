#include "call.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "log_lines.h"

namespace azimuth::python {

namespace {

using namespace std::chrono_literals;

constexpr auto kSignalPoll = 25ms;
// From the cancel flag to the moment when work that does not see it is left behind. Together with kSignalPoll well
// below the 200 ms that Ctrl-C may take.
constexpr auto kPatience = 60ms;
constexpr auto kEndPoll = 10ms;
constexpr auto kPatienceAtTheEnd = 2s;

// The end of the interpreter, from the moment when work is stopped.
struct Ending {
  std::atomic<bool> begun{false};
  std::thread::id thread;      // that ends it; the others are daemons
  std::atomic<int> inside{0};  // threads that are in a call and may run Python

  bool stops_this_thread() const { return begun.load() && std::this_thread::get_id() != thread; }
};
Ending ending;
thread_local int calls_inside = 0;  // of this thread: a hook may make calls of its own

// A daemon thread that outlives the interpreter may not go back into it: older versions would tear it out of these C++
// frames, which ends the process.
[[noreturn]] void park() {
  ending.inside.fetch_sub(calls_inside);
  for (;;) std::this_thread::sleep_for(1h);
}

// The interpreter's lock, given back while this object lives.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  ~WithoutLock() {
    if (ending.stops_this_thread()) park();
    PyEval_RestoreThread(state_);
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  PyThreadState* state_;
};

// A thread in a call.
class Inside {
 public:
  Inside() {
    ending.inside.fetch_add(1);
    ++calls_inside;
    if (!ending.begun.load()) return;
    const WithoutLock unlocked;  // a daemon stays here
  }
  ~Inside() {
    --calls_inside;
    ending.inside.fetch_sub(1);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

thread_local std::shared_ptr<Exchange> current_exchange;

}  // namespace

// All work that runs now, so that none of it runs when the process takes itself apart.
struct Running {
  std::mutex mutex;
  std::condition_variable ended;
  std::set<std::shared_ptr<Exchange>> exchanges;

  void add(std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    exchanges.insert(std::move(exchange));
  }
  void remove(const std::shared_ptr<Exchange>& exchange) {
    const std::lock_guard lock(mutex);
    exchanges.erase(exchange);
    ended.notify_all();
  }
  bool wait_briefly() {
    std::unique_lock lock(mutex);
    ended.wait_for(lock, kEndPoll);
    return exchanges.empty();
  }
  void stop_all() {
    const std::lock_guard lock(mutex);
    for (const auto& exchange : exchanges) exchange->refuse();
  }
};

namespace {

Running* running = new Running;  // of this process; never destroyed, its threads may look at it until the very end

// At the interpreter's end: waits for work, and for threads in calls, which may have a hook to finish. A second Ctrl-C
// does not wait.
void stop_running_work() {
  ending.thread = std::this_thread::get_id();
  ending.begun.store(true);
  running->stop_all();
  const auto patience = std::chrono::steady_clock::now() + kPatienceAtTheEnd;
  for (;;) {
    {
      const WithoutLock unlocked;
      if (running->wait_briefly() && (ending.inside.load() == 0 || std::chrono::steady_clock::now() > patience)) {
        return;
      }
    }
    if (PyErr_CheckSignals() != 0) _exit(130);
  }
}

}  // namespace

std::shared_ptr<Exchange> Exchange::current() {
  return current_exchange;
}

Status Exchange::ask(const std::function<void()>& function) {
  std::unique_lock lock(mutex_);
  if (refuses_) return cancelled("stopped on request");
  question_ = &function;
  caller_.notify_all();
  worker_.wait(lock, [this] { return question_ == nullptr; });
  return answer_ok_ ? ok_status() : cancelled("stopped by a Python function that raised");
}

void Exchange::change(const std::function<void()>& change) {
  const std::lock_guard lock(mutex_);
  change();
  caller_.notify_all();
}

void Exchange::refuse() {
  cancel.store(true);
  const std::lock_guard lock(mutex_);
  refuses_ = true;
  if (taken_) return;  // answered when it has run
  question_ = nullptr;
  answer_ok_ = false;
  worker_.notify_all();
}

void Exchange::answer(bool ok) {
  const std::lock_guard lock(mutex_);
  taken_ = false;
  question_ = nullptr;
  answer_ok_ = ok && !refuses_;
  worker_.notify_all();
}

void Exchange::run(const std::function<void()>& work) {
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  failure_ = failure;
  done_ = true;
  caller_.notify_all();
}

Call::Call() : exchange_(std::make_shared<Exchange>()), process_(getpid()) {}

Call::~Call() {
  if (started_) stop();
}

void Call::start(std::function<void()> work) {
  const Inside inside;
  if (ending.begun.load()) raise(cancelled("the interpreter is ending; ask before"));
  running->add(exchange_);
  auto body = [exchange = exchange_, work = std::move(work)]() mutable {
    current_exchange = exchange;
    exchange->run(work);
    work = nullptr;  // engines and sessions that only this work still held are gone before the process may end
    current_exchange = nullptr;
    running->remove(exchange);
  };
  try {
    std::thread(std::move(body)).detach();
  } catch (...) {
    running->remove(exchange_);
    throw;
  }
  started_ = true;
}

void Call::wait(const std::function<bool()>& ready) {
  check(check_process(process_));
  const Inside inside;
  for (;;) {
    const std::function<void()>* question = nullptr;
    bool over = false;
    {
      const WithoutLock unlocked;
      std::unique_lock lock(exchange_->mutex_);
      const auto news = [&] { return exchange_->question_ != nullptr || exchange_->done_ || (ready && ready()); };
      over = exchange_->caller_.wait_for(lock, kSignalPoll, news);
      question = exchange_->question_;
      exchange_->taken_ = question != nullptr;
    }
    try {
      if (question != nullptr) (*question)();
      check(check_process(process_));  // a hook may fork, too
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      deliver_log_lines();
    } catch (...) {
      if (question != nullptr) exchange_->answer(false);
      stop();
      throw;
    }
    if (question != nullptr) {
      exchange_->answer(true);
    } else if (over) {
      if (exchange_->failure_) std::rethrow_exception(exchange_->failure_);
      return;
    }
  }
}

bool Call::done() {
  check(check_process(process_));
  const std::lock_guard lock(exchange_->mutex_);
  return exchange_->done_;
}

void Call::stop() {
  if (getpid() != process_) return;  // in a fork there is no such work
  const Inside inside;
  exchange_->refuse();
  const WithoutLock unlocked;
  std::unique_lock lock(exchange_->mutex_);
  exchange_->caller_.wait_for(lock, kPatience, [this] { return exchange_->done_; });
}

void prepare_calls(nb::module_& module) {
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&stop_running_work));
  // Work of the parent does not run in the child, and whoever held these locks is not there to give them back.
  pthread_atfork(nullptr, nullptr, [] { running = new Running; });
  module.def("process_id", [] { return getpid(); });
}

Status check_process(int owner) {
  if (getpid() == owner) return ok_status();
  return invalid_argument("an engine that was loaded in process " + std::to_string(owner) + " was used in process " +
                          std::to_string(getpid()) +
                          ", its fork; an engine's threads stay behind in a fork, so load it in the child, or start "
                          "the child with multiprocessing's method \"spawn\"");
}

void pause_for_signals() {
  const Inside inside;
  {
    const WithoutLock unlocked;
    std::this_thread::sleep_for(10ms);
  }
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace azimuth::python
