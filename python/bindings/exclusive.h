// What serves one call at a time: sessions, caches.
#pragma once

#include <unistd.h>

#include <memory>
#include <mutex>
#include <utility>

#include "engine.h"

namespace azimuth::python {

template <typename T>
class Exclusive {
 public:
  // `value` belongs to `of`, which is the engine of `handle`.
  Exclusive(std::shared_ptr<EngineHandle> handle, std::shared_ptr<const Engine> of, T value)
      : handle_(std::move(handle)),
        state_(new State{std::move(of), std::move(value)}, [owner = getpid()](State* state) {
          if (getpid() == owner) delete state;
        }) {}

  const std::shared_ptr<EngineHandle>& handle() const { return handle_; }
  const std::shared_ptr<const Engine>& engine() const { return state_->engine; }

  // The value, for the work of `exchange` and as long as the pointer lives. Raises `refusal` where another call has it;
  // waits where that one was stopped and left its work behind.
  std::shared_ptr<T> take(const std::shared_ptr<Exchange>& exchange, const char* refusal) const {
    handle_->get();
    while (!enter(exchange, refusal)) pause_for_signals();
    return {&state_->value, [state = state_](T*) {
              const std::lock_guard lock(state->mutex);
              state->holder = nullptr;
            }};
  }

 private:
  struct State {
    std::shared_ptr<const Engine> engine;  // destroyed behind the value
    T value;
    std::mutex mutex = {};
    std::shared_ptr<Exchange> holder = {};
  };

  bool enter(const std::shared_ptr<Exchange>& exchange, const char* refusal) const {
    const std::lock_guard lock(state_->mutex);
    if (state_->holder != nullptr) {
      if (!state_->holder->cancel.load()) raise(invalid_argument(refusal));
      return false;
    }
    state_->holder = exchange;
    return true;
  }

  std::shared_ptr<EngineHandle> handle_;
  std::shared_ptr<State> state_;
};

}  // namespace azimuth::python
