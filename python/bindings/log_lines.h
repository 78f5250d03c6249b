// What the engine tells people goes to Python's logging, logger "azimuth". Lines come from any thread and wait here
// until a thread has the interpreter's lock.
#pragma once

namespace azimuth::python {

// With the lock: hands over the lines that have come.
void deliver_log_lines();

}  // namespace azimuth::python
