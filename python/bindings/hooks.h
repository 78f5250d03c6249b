// Hooks written in Python, as the engine's Hooks.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "azimuth/hooks.h"
#include "call.h"

namespace azimuth::python {

namespace nb = nanobind;

// The functions of `hooks`, an azimuth.Hooks or None, which the caller keeps alive until the call is over. What is
// returned refers to them without owning them, so that the engine may copy it in any thread.
Hooks engine_hooks(nb::handle hooks, const std::shared_ptr<Exchange>& exchange);

}  // namespace azimuth::python
