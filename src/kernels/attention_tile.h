// What one level does of attention: some rows against one block of keys. Plain data only: files compiled for wide
// instructions include this header.
#pragma once

#include <stdint.h>

namespace azimuth::kernels {

// Rows of one KV head, a row being one query head of one query, and one block of 64 keys. Rows, sums and totals have
// room up to the next multiple of 16 rows. A row's result depends on its own numbers and range alone, bit for bit.
struct AttentionTile {
  int rows;
  int head_dim;
  int value_dim;
  int key_channels;    // as stored (KvLayout::channels)
  int value_channels;  // as stored
  float scale;
  float soft_cap;
  const void* queries;        // as pack_queries leaves them
  const uint8_t* begins;      // [rows]: the keys that each row sees, of 64; begin == end where it sees none
  const uint8_t* ends;        // [rows]
  bool whole;                 // every row sees all 64
  const void* keys;           // of one head, as KvBlocks keeps them
  const void* values;         // the same
  const float* key_scales;    // [64], of q8
  const float* value_scales;  // [64], of q8
  const void* next;           // memory that will be read after this block, asked for meanwhile; or nullptr
  const void* next_values;
  int64_t next_bytes;
  int64_t next_value_bytes;
  // The online softmax of each row: sum of weights times values, largest score, sum of weights in 16 parts.
  float* sums;         // [rows, sum_stride]
  int64_t sum_stride;  // value_dim, up to the next multiple of 16
  float* maxima;       // [rows]
  float* totals;       // [rows, 16]
  void* scratch;       // kAttentionScratch bytes and 4 * 64 for each channel of keys and values
};

constexpr int kTotalParts = 16;
constexpr int kMostTileRows = 16;               // of attention_rows.h, at any level
enum class Stored : uint8_t { f32, bf16, q8 };  // CacheType, for files that do not include kernels.h
constexpr int64_t kAttentionScratch = 32768;

// For one type of cache.
struct AttentionKernels {
  const char* name;
  bool base2;  // maxima are logarithms to base 2, else natural ones
  // rows [rows, head_dim] f32 -> 4 bytes for each row (up to the next multiple of 16) and stored channel.
  void (*pack_queries)(const float* rows, int count, int head_dim, void* out);
  void (*add_block)(const AttentionTile& tile);
  // Called by a thread behind its last block; may be nullptr.
  void (*finish)();
};

}  // namespace azimuth::kernels
