// An engine as Python holds it.
#pragma once

#include <unistd.h>

#include <memory>
#include <utility>

#include "azimuth/engine.h"
#include "call.h"

namespace azimuth::python {

// A pointer that frees nothing in a fork, where the threads are missing that the object would wait for.
template <typename T>
std::shared_ptr<T> owned_by_process(T object) {
  return {new T(std::move(object)), [owner = getpid()](T* pointer) {
            if (getpid() == owner) delete pointer;
          }};
}

class EngineHandle {
 public:
  explicit EngineHandle(Engine engine) : process_(getpid()), engine_(owned_by_process(std::move(engine))) {}

  // Raises behind close(), and in a fork of the process that loaded it. Who runs something keeps the engine meanwhile.
  std::shared_ptr<const Engine> get() const {
    check(check_process(process_));
    if (engine_ == nullptr) raise(invalid_argument("an open engine was expected, found one that close() has let go"));
    return engine_;
  }
  void close() { engine_.reset(); }
  bool closed() const { return engine_ == nullptr; }

 private:
  int process_;
  std::shared_ptr<const Engine> engine_;
};

}  // namespace azimuth::python
