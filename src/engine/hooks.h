// The caller's hooks, as the engine's stages use them.
#pragma once

#include "azimuth/hooks.h"
#include "spec/run_context.h"

namespace azimuth::engine {

// Shows hooks what a run's stages compute. It must outlive the contexts that it is attached to, and the hooks it.
class HookTaps {
 public:
  explicit HookTaps(const Hooks& hooks);
  HookTaps(const HookTaps&) = delete;
  HookTaps& operator=(const HookTaps&) = delete;

  void attach(RunContext& context) const;

 private:
  const Hooks& hooks_;
  Tap tap_;
};

// Shows `tensor` to the context's tap, where `shown` is false, and hands it to the hook that may write it.
Status pass_tensor(const RunContext& context, const TapPoint& point, Tensor& tensor, bool shown = false);

}  // namespace azimuth::engine
