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

constexpr auto kSignalPoll = 50ms;
// From the cancel flag to the moment when work that does not see it is left behind. Together with kSignalPoll well
// below the 200 ms that Ctrl-C may take.
constexpr auto kPatience = 80ms;

bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// The interpreter's lock, given back while this object lives.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  ~WithoutLock() {
    // A daemon thread cannot have the lock again: older interpreters would tear it out of these C++ frames.
    while (interpreter_ends()) std::this_thread::sleep_for(1h);
    PyEval_RestoreThread(state_);
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  PyThreadState* state_;
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
    return ended.wait_for(lock, kSignalPoll, [this] { return exchanges.empty(); });
  }
  void stop_all() {
    const std::lock_guard lock(mutex);
    for (const auto& exchange : exchanges) exchange->refuse();
  }
};

namespace {

Running* running = new Running;  // of this process; never destroyed, its threads may look at it until the very end

// At the interpreter's end: a second Ctrl-C does not wait for work that takes long to stop.
void stop_running_work() {
  running->stop_all();
  for (;;) {
    {
      const WithoutLock unlocked;
      if (running->wait_briefly()) return;
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
  const std::lock_guard lock(exchange_->mutex_);
  return exchange_->done_;
}

void Call::stop() {
  if (getpid() != process_) return;  // in a fork there is no such work
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
  {
    const WithoutLock unlocked;
    std::this_thread::sleep_for(10ms);
  }
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace azimuth::python
