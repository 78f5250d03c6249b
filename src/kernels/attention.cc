// Attention by blocks of keys with an online softmax (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022).
//
// A task owns one KV head and a tile of rows, a row being one query head of one query. For each block of 64 keys that
// any row sees: keys are transposed into panels, scores are products of packed query rows with these panels, one call
// per row turns scores into weights, and weights times values are added to the row's sums. A row's arithmetic is the
// same chain of operations whichever rows share its tile: keys that all rows of a tile see are summed for the tile at
// once, the others row by row, in the order of keys.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/kernels.h"
#include "kernels/workspace.h"

namespace azimuth::kernels {
namespace {

constexpr int kBlock = static_cast<int>(kAttentionBlock);
constexpr int kTaskRows = 96;
constexpr int kMaxTileRows = 16;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Keys of one block, counted from the block's start.
struct Clip {
  int begin = 0;
  int end = 0;
  bool empty() const { return begin >= end; }
};

Clip clip_to_block(const KeyRange& range, int64_t block) {
  const int64_t start = block * kBlock;
  return {static_cast<int>(std::clamp<int64_t>(range.begin - start, 0, kBlock)),
          static_cast<int>(std::clamp<int64_t>(range.end - start, 0, kBlock))};
}

class Task {
 public:
  Task(const AttentionArgs& args, int kv_head, int64_t query_begin, int64_t query_end, Workspace& workspace)
      : args_(args),
        table_(active_table()),
        kv_head_(kv_head),
        query_begin_(query_begin),
        group_(args.query_heads / args.kv_heads),
        rows_(static_cast<int>(query_end - query_begin) * group_),
        tile_rows_(table_.f32.tile_rows),
        sum_stride_(round_up(args.value_dim, 16)) {
    const size_t queries = static_cast<size_t>(rows_) * args.head_dim;
    const size_t keys = static_cast<size_t>(kBlock) * args.head_dim;
    const size_t sums = static_cast<size_t>(rows_) * sum_stride_;
    float* next = workspace.ensure<float>(round_up(queries, 16) + keys + sums + kMaxTileRows * kBlock + 2 * rows_);
    packed_queries_ = next;
    keys_ = packed_queries_ + round_up(queries, 16);
    scores_ = keys_ + keys;
    sums_ = scores_ + kMaxTileRows * kBlock;
    maxima_ = sums_ + sums;
    totals_ = maxima_ + rows_;
  }

  void run() {
    pack_queries();
    std::fill_n(sums_, rows_ * sum_stride_, 0.0f);
    std::fill_n(maxima_, rows_, -std::numeric_limits<float>::infinity());
    std::fill_n(totals_, rows_, 0.0f);
    const KeyRange all = union_of_ranges();
    for (int64_t block = all.begin / kBlock; block * kBlock < all.end; ++block)
      if (any_row_sees(block)) add_block(block);
    for (int row = 0; row < rows_; ++row) finish(row);
  }

 private:
  int64_t query(int row) const { return query_begin_ + row / group_; }
  int head(int row) const { return kv_head_ * group_ + row % group_; }
  KeyRange range(int row) const {
    const KeyRange& range = args_.ranges[query(row)];
    const int64_t limit = static_cast<int64_t>(args_.key_blocks.size()) * kBlock;
    return {std::clamp<int64_t>(range.begin, 0, limit), std::clamp<int64_t>(range.end, 0, limit)};
  }
  int tile_size(int first) const { return std::min(tile_rows_, rows_ - first); }

  // [tiles][head_dim][rows of the tile]
  void pack_queries() {
    for (int first = 0; first < rows_; first += tile_rows_) {
      const int count = tile_size(first);
      float* rows = keys_;  // not in use yet; [count, head_dim]
      for (int r = 0; r < count; ++r)
        std::copy_n(args_.queries + query(first + r) * args_.query_stride + int64_t{head(first + r)} * args_.head_dim,
                    args_.head_dim, rows + int64_t{r} * args_.head_dim);
      table_.f32.pack_rows(rows, args_.head_dim, count, args_.head_dim,
                           packed_queries_ + int64_t{first} * args_.head_dim);
    }
  }

  KeyRange union_of_ranges() const {
    KeyRange all{std::numeric_limits<int64_t>::max(), 0};
    for (int row = 0; row < rows_; row += group_) {
      const KeyRange r = range(row);
      if (r.begin >= r.end) continue;
      all.begin = std::min(all.begin, r.begin);
      all.end = std::max(all.end, r.end);
    }
    return all.begin < all.end ? all : KeyRange{};
  }

  bool any_row_sees(int64_t block) const {
    for (int row = 0; row < rows_; row += group_)
      if (!clip_to_block(range(row), block).empty()) return true;
    return false;
  }

  void add_block(int64_t block) {
    const float* values = args_.value_blocks[block] + static_cast<int64_t>(kv_head_) * kBlock * args_.value_dim;
    fetch(values, static_cast<int64_t>(kBlock) * args_.value_dim);
    table_.transpose_keys(args_.key_blocks[block] + static_cast<int64_t>(kv_head_) * kBlock * args_.head_dim,
                          args_.head_dim, keys_);
    for (int first = 0; first < rows_; first += tile_rows_) add_tile(block, first, values);
  }

  // Asks for memory that will be read after the keys: a few rows alone would wait for it.
  static void fetch(const float* from, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(from + i, 0, 2);
  }

  // Adds one block of keys to the sums of one tile of rows.
  void add_tile(int64_t block, int first, const float* values) {
    const int count = tile_size(first);
    Clip clips[kMaxTileRows];
    Clip seen{kBlock, 0};    // by any row
    Clip common{0, kBlock};  // by all rows
    for (int r = 0; r < count; ++r) {
      clips[r] = clip_to_block(range(first + r), block);
      common = {std::max(common.begin, clips[r].begin), std::min(common.end, clips[r].end)};
      if (clips[r].empty()) continue;
      seen = {std::min(seen.begin, clips[r].begin), std::max(seen.end, clips[r].end)};
    }
    if (seen.empty()) return;
    score_tile(first, count, seen);
    for (int r = 0; r < count; ++r)
      if (!clips[r].empty()) soften(first + r, r, clips[r]);
    if (common.empty()) common = {kBlock, kBlock};
    for (int r = 0; r < count; ++r)
      weigh(first + r, r, 1, {clips[r].begin, std::min(clips[r].end, common.begin)}, values);
    weigh(first, 0, count, common, values);
    for (int r = 0; r < count; ++r)
      weigh(first + r, r, 1, {std::max(clips[r].begin, common.end), clips[r].end}, values);
  }

  // scores [count, kBlock] of the panels that hold a key which some row sees
  void score_tile(int first, int count, Clip seen) {
    const int width = table_.f32.panel_width;
    const float* queries = packed_queries_ + static_cast<int64_t>(first) * args_.head_dim;
    for (int key = seen.begin / width * width; key < seen.end; key += width)
      table_.f32.tile(queries, keys_ + static_cast<int64_t>(key) * args_.head_dim, args_.head_dim, count, scores_ + key,
                      kBlock, nullptr, false, keys_, 0);
  }

  void soften(int row, int r, Clip clip) {
    const float correction = table_.softmax_block(scores_ + r * kBlock, clip.begin, clip.end, args_.scale,
                                                  args_.soft_cap, maxima_ + row, totals_ + row);
    if (correction == 1.0f) return;
    table_.scale(sums_ + row * sum_stride_, sum_stride_, correction);
  }

  void weigh(int row, int r, int count, Clip clip, const float* values) {
    if (clip.empty()) return;
    const int width = table_.f32.panel_width;
    for (int j = 0; j < args_.value_dim; j += width)
      table_.weigh_values(scores_ + r * kBlock + clip.begin,
                          values + static_cast<int64_t>(clip.begin) * args_.value_dim + j, args_.value_dim,
                          clip.end - clip.begin, count, std::min(width, args_.value_dim - j),
                          sums_ + row * sum_stride_ + j, sum_stride_);
  }

  void finish(int row) const {
    const KeyRange r = range(row);
    const bool empty = r.begin >= r.end;
    float* out = args_.output + query(row) * args_.output_stride + static_cast<int64_t>(head(row)) * args_.value_dim;
    const float* sums = sums_ + row * sum_stride_;
    for (int j = 0; j < args_.value_dim; ++j) out[j] = empty ? 0.0f : sums[j] / totals_[row];
    if (args_.log_sum_exp != nullptr)
      args_.log_sum_exp[query(row) * args_.query_heads + head(row)] = maxima_[row] + std::log(totals_[row]);
  }

  const AttentionArgs& args_;
  const KernelTable& table_;
  const int kv_head_;
  const int64_t query_begin_;
  const int group_;  // query heads per KV head
  const int rows_;
  const int tile_rows_;
  const int64_t sum_stride_;
  float* packed_queries_ = nullptr;
  float* keys_ = nullptr;    // [kBlock / panel_width][head_dim][panel_width]
  float* scores_ = nullptr;  // [kMaxTileRows, kBlock]
  float* sums_ = nullptr;    // [rows, sum_stride]
  float* maxima_ = nullptr;  // [rows]
  float* totals_ = nullptr;  // [rows]
};

}  // namespace

void attention(const AttentionArgs& args, ThreadPool& pool) {
  if (args.query_count <= 0 || args.query_heads <= 0 || args.kv_heads <= 0) return;
  const int group = args.query_heads / args.kv_heads;
  const int64_t queries = std::max(1, kTaskRows / group);
  const int64_t tiles = (args.query_count + queries - 1) / queries;
  auto run = [&](int64_t begin, int64_t end) {
    static thread_local Workspace workspace;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t % tiles * queries;
      Task(args, static_cast<int>(t / tiles), first, std::min(first + queries, args.query_count), workspace).run();
    }
  };
  pool.for_each(args.kv_heads * tiles, 1, std::cref(run));
}

}  // namespace azimuth::kernels
