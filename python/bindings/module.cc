#include "bindings.h"
#include "call.h"

NB_MODULE(_core, module) {
  namespace nb = nanobind;
  using namespace azimuth::python;
  nb::set_leak_warnings(false);  // threads that the interpreter stops at its end keep what they have
  module.doc() = "The engine behind the package azimuth; use that one.";
  prepare_calls(module);
  // A signature names only types that are bound already.
  bind_log(module);
  bind_arrays(module);
  bind_prompt(module);
  bind_positions(module);
  bind_hooks(module);
  bind_media(module);
  bind_request(module);
  bind_engine(module);
  bind_tokenizer(module);
  bind_inspect(module);
  bind_session(module);
  bind_features(module);
  bind_forward(module);
  bind_score(module);
  bind_policies(module);
  bind_lint(module);
  bind_attend(module);
  bind_report(module);
  bind_trace(module);
  bind_quantize(module);
}
