// A loaded model. Load it once; sessions, traces and benchmarks run on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/status.h"

namespace azimuth {

struct EngineOptions {
  // Of the weights in memory: f32 (exact), bf16, q8 or q4 (docs/quantisation.md). "": what a quantised directory holds,
  // and default_dtype for other checkpoints.
  std::string dtype;
  std::string default_dtype = "bf16";
  // Of keys and values: f32, bf16 or q8 (8 bits and a scale for each token and head). "": f32 beside f32 weights, else
  // bf16. Encodings that change scores keep f32 whatever is said here.
  std::string cache;
  int threads = 0;  // 0: one per core
  Compat compat = Compat::azimuth;
  std::string resize;                // "": as the checkpoint says; "torchvision" or "pillow" otherwise
  bool apply_orientation = true;     // turn pictures by their EXIF orientation
  int64_t max_pixels = 178'956'970;  // of one decoded picture
  // What an engine remembers for all of its sessions, in bytes; 0: nothing. No result depends on it.
  int64_t feature_cache_bytes = int64_t{256} << 20;  // features of pictures and videos, by the content of their pixels
  int64_t prefix_cache_bytes = int64_t{1} << 30;     // keys and values of the starts of prompts, in blocks of 64 tokens
  bool load_weights = true;                          // false: enough for prompts and positions, nothing can be computed
  std::function<void(double fraction)> progress;     // of loading
  const std::atomic<bool>* cancel = nullptr;         // of loading; set it from any thread
};

struct ModelInfo {
  std::string directory;
  std::string model_type;
  std::string policy;        // the checkpoint's own position policy
  std::vector<int> section;  // rotary pairs per axis; empty for one axis
  double rope_theta = 0.0;
  bool frequencies_follow_length = false;  // dynamic NTK, LongRoPE: see Request::frequencies
  int64_t vocab = 0;
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t context_length = 0;
  bool has_vision = false;
  int64_t tower_layers = 0;
  int64_t tower_hidden = 0;
  int64_t patch = 0;
  int64_t merge = 0;
  int64_t deepstack_levels = 0;
  int64_t text_parameters = 0;  // the tied head counts once
  int64_t vision_parameters = 0;
  int64_t checkpoint_bytes = 0;
  int64_t weight_bytes = 0;  // in memory, or in the map, as the type has them
  int64_t cache_bytes_per_token = 0;
  std::string dtype;
  bool quantised = false;  // the directory holds its weights in this type already
  std::string cache;
  int threads = 0;
};

class Engine {
 public:
  // `model` is a directory in Hugging Face's layout, or "org/name" in the hub cache.
  // Errors: not_found with the download command; what is wrong with a file, tensor or config key.
  static Result<Engine> load(const std::string& model, const EngineOptions& options = {});

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  ModelInfo info() const;

  struct Impl;
  Impl& impl() const { return *impl_; }  // for the engine's own files

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// model_types that load() accepts, sorted.
std::vector<std::string> known_model_types();
// One line for each kernel: its name and the implementation chosen for this processor.
std::vector<std::string> kernel_report();

}  // namespace azimuth
