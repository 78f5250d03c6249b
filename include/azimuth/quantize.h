// Writes a checkpoint again with quantised weights, as a directory that opens by memory map (docs/quantisation.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "azimuth/status.h"

namespace azimuth {

struct QuantizeOptions {
  std::string type = "q4";              // or "q8"
  int threads = 0;                      // 0: one per core
  int64_t shard_bytes = 5'000'000'000;  // of one file of weights
  std::function<void(double fraction)> progress;
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread
};

struct QuantizeReport {
  std::string directory;
  int64_t original_bytes = 0;  // of the weight files
  int64_t bytes = 0;
};

// `model` as Engine::load takes it; `directory` is made, or empty. It appears when it is complete; a run that fails
// leaves nothing. One tensor is in memory at a time.
// Errors: invalid_argument where the model is quantised already or the directory is taken; resource_exhausted where the
// disk is too small; what is wrong with the checkpoint.
Result<QuantizeReport> quantize_checkpoint(const std::string& model, const std::string& directory,
                                           const QuantizeOptions& options = {});

}  // namespace azimuth
