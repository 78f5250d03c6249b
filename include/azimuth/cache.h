// What a model remembers of one sequence, in the caller's hands: forward() goes on behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/status.h"

namespace azimuth {

// Keys and values, states of linear attention, ids and positions of the tokens so far. A cache belongs to its engine,
// which must outlive it, and to one sequence; calls on one cache come one at a time, copies (fork) are independent.
class Cache {
 public:
  // Empty. Position policy, kind of keys, frequencies and compat are those of the first request that fills it; later
  // requests keep them.
  explicit Cache(const Engine& engine);
  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;
  ~Cache();

  int64_t length() const;            // tokens
  size_t bytes() const;              // of keys, values and states; blocks that copies share count in each
  std::vector<int32_t> ids() const;  // [length]; -1 for tokens that came as embeddings without ids
  std::string policy() const;        // spelling; "" while empty

  // A copy that goes its own way. Full blocks of keys and values are shared, so that it costs one block a layer.
  Cache fork() const;

  // Forgets the tokens from `tokens` on. Errors: out_of_range beyond length(); unsupported where linear attention
  // keeps no single tokens (fork at that length instead), and inside a region whose tokens see each other.
  Status trim(int64_t tokens);

  // A .safetensors file that load() reads back bit for bit: what it holds, for which model, weight type, cache type,
  // kind of keys, policy and ids, is in its metadata. Errors: data_loss where it cannot be written.
  Status save(const std::string& path) const;
  // Errors: not_found, data_loss; invalid_argument for the file of another model, weight type, cache type or build of
  // the format, each named.
  static Result<Cache> load(const Engine& engine, const std::string& path);

  struct Impl;
  Impl& impl() const { return *impl_; }  // for the engine's own files

 private:
  explicit Cache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace azimuth
