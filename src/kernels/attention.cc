// Attention by blocks of keys with an online softmax (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022).
//
// A task owns one KV head and a run of rows, a row being one query head of one query, and goes over the blocks of 64
// keys that any row sees; what happens in a block is the level's (attention_tile.h). Every span of 16 blocks, at
// absolute multiples, is summed from nothing and merged into the row's sums, in order: where there are fewer tasks than
// threads, the spans are tasks of their own without changing a bit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "kernels/dispatch.h"
#include "kernels/kernels.h"
#include "kernels/kv_blocks.h"
#include "kernels/workspace.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kBlock = kAttentionBlock;
constexpr int64_t kSpanBlocks = 16;
constexpr int64_t kSpan = kSpanBlocks * kBlock;
constexpr int kTaskRows = 128;
constexpr int kRowGroup = 16;  // rows are padded to a multiple of it
constexpr float kNothing = -std::numeric_limits<float>::infinity();

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// What the online softmax of some rows has come to.
struct Sums {
  float* values;  // [rows, stride]
  float* maxima;  // [rows]
  float* totals;  // [rows, kTotalParts]
  int64_t stride;

  static int64_t floats(int64_t rows, int64_t stride) { return rows * (stride + 1 + kTotalParts); }
  Sums(float* memory, int64_t rows, int64_t value_stride)
      : values(memory),
        maxima(values + rows * value_stride + rows * kTotalParts),
        totals(values + rows * value_stride),
        stride(value_stride) {}

  void clear(int64_t rows) {
    std::fill_n(values, rows * stride, 0.0f);
    std::fill_n(maxima, rows, kNothing);
    std::fill_n(totals, rows * kTotalParts, 0.0f);
  }
  void copy_row(int64_t row, const Sums& from) {
    std::copy_n(from.values + row * stride, stride, values + row * stride);
    std::copy_n(from.totals + row * kTotalParts, kTotalParts, totals + row * kTotalParts);
    maxima[row] = from.maxima[row];
  }
  // Adds the sums of later keys.
  void merge_row(int64_t row, const Sums& later, bool base2) {
    const float highest = std::max(maxima[row], later.maxima[row]);
    const auto factor = [&](float maximum) {
      return base2 ? std::exp2(maximum - highest) : std::exp(maximum - highest);
    };
    const float mine = factor(maxima[row]), other = factor(later.maxima[row]);
    float* a = values + row * stride;
    const float* b = later.values + row * stride;
    for (int64_t i = 0; i < stride; ++i) a[i] = a[i] * mine + b[i] * other;
    a = totals + row * kTotalParts;
    b = later.totals + row * kTotalParts;
    for (int i = 0; i < kTotalParts; ++i) a[i] = a[i] * mine + b[i] * other;
    maxima[row] = highest;
  }
};

// Shapes and memory that all tasks of one call share.
struct Plan {
  const AttentionArgs& args;
  const AttentionKernels& kernels;
  KvLayout keys;
  KvLayout values;
  int group;        // query heads per KV head
  int64_t queries;  // of a task
  int64_t rows;     // most rows of a task, padded
  int64_t stride;   // of sums

  explicit Plan(const AttentionArgs& a)
      : args(a),
        kernels(active_table().attention[static_cast<size_t>(a.cache)]),
        keys{KvRole::keys, a.cache, a.kv_heads, a.head_dim},
        values{KvRole::values, a.cache, a.kv_heads, a.value_dim},
        group(a.query_heads / a.kv_heads),
        queries(std::max(1, kTaskRows / group)),
        rows(round_up(std::min(queries, a.query_count) * group, kRowGroup)),
        stride(round_up(a.value_dim, 16)) {}

  int64_t tiles() const { return (args.query_count + queries - 1) / queries; }
  int64_t query_floats() const { return rows * round_up(args.head_dim, 32); }
  int64_t scratch_floats() const {
    return kAttentionScratch / 4 + kBlock * (round_up(args.head_dim, 32) + round_up(args.value_dim, 32));
  }
};

class Task {
 public:
  Task(const Plan& plan, int kv_head, int64_t tile)
      : plan_(plan),
        args_(plan.args),
        kv_head_(kv_head),
        query_begin_(tile * plan.queries),
        rows_((std::min(query_begin_ + plan.queries, args_.query_count) - query_begin_) * plan.group) {
    common_ = {0, rows_ > 0 ? range(0).end : 0};
    for (int64_t row = 0; row < rows_; row += plan.group) {
      const KeyRange r = range(row);
      common_ = {std::max(common_.begin, r.begin), std::min(common_.end, r.end)};
      if (r.begin >= r.end) continue;
      seen_.begin = seen_.end == 0 ? r.begin : std::min(seen_.begin, r.begin);
      seen_.end = std::max(seen_.end, r.end);
    }
  }

  // Spans of keys that some row sees.
  int64_t first_span() const { return seen_.begin / kSpan; }
  int64_t last_span() const { return (seen_.end + kSpan - 1) / kSpan; }

  // Queries in the form that the level reads, and memory for it.
  struct Work {
    float* packed;
    std::byte* scratch;
    uint8_t* begins;  // [rows], and as many ends
  };
  static int64_t work_floats(const Plan& plan) { return plan.query_floats() + plan.scratch_floats() + plan.rows; }
  Work pack(float* memory) const {
    Work work{memory, reinterpret_cast<std::byte*>(memory + plan_.query_floats()),
              reinterpret_cast<uint8_t*>(memory + plan_.query_floats() + plan_.scratch_floats())};
    // Rows go one by one where the level has them together: the scratch memory is not in use yet, but may be small.
    static thread_local Workspace staging;
    float* rows = staging.ensure<float>(static_cast<size_t>(rows_ * args_.head_dim));
    for (int64_t row = 0; row < rows_; ++row)
      std::copy_n(args_.queries + query(row) * args_.query_stride + head(row) * args_.head_dim, args_.head_dim,
                  rows + row * args_.head_dim);
    plan_.kernels.pack_queries(rows, static_cast<int>(rows_), args_.head_dim, work.packed);
    return work;
  }

  // Adds the keys of one span to cleared sums. The block behind the span's last one, which is often read next, is asked
  // for as well.
  void add_span(int64_t span, const Work& work, Sums sums) const {
    const int64_t last = (seen_.end + kBlock - 1) / kBlock;
    const int64_t end = std::min((span + 1) * kSpanBlocks, last);
    int64_t block = std::max(span * kSpanBlocks, seen_.begin / kBlock);
    while (block < end && !any_row_sees(block)) ++block;
    while (block < end) {
      int64_t next = block + 1;
      while (next < last && !any_row_sees(next)) ++next;
      add_block(block, next < last ? next : -1, work, sums);
      block = next;
    }
  }

  // Spans in order, into `sums`, by way of `part`.
  void run(const Work& work, Sums sums, Sums part) const {
    sums.clear(plan_.rows);
    const int64_t first = first_span(), last = last_span();
    for (int64_t span = first; span < last; ++span) {
      if (span == first) {
        add_span(span, work, sums);
      } else {
        part.clear(plan_.rows);
        add_span(span, work, part);
        merge(span, sums, part);
      }
    }
  }

  void merge(int64_t span, Sums& sums, const Sums& part) const {
    for (int64_t row = 0; row < rows_; ++row) {
      const KeyRange r = range(row);
      if (std::max(r.begin, span * kSpan) >= std::min(r.end, (span + 1) * kSpan)) continue;
      if (r.begin >= span * kSpan) {
        sums.copy_row(row, part);  // its first keys
      } else {
        sums.merge_row(row, part, plan_.kernels.base2);
      }
    }
  }

  void finish(const Sums& sums) const {
    for (int64_t row = 0; row < rows_; ++row) finish_row(row, sums);
  }

 private:
  int64_t query(int64_t row) const { return query_begin_ + row / plan_.group; }
  int64_t head(int64_t row) const { return int64_t{kv_head_} * plan_.group + row % plan_.group; }
  KeyRange range(int64_t row) const {
    const KeyRange& range = args_.ranges[query(row)];
    const int64_t limit = static_cast<int64_t>(args_.key_blocks.size()) * kBlock;
    return {std::clamp<int64_t>(range.begin, 0, limit), std::clamp<int64_t>(range.end, 0, limit)};
  }

  bool all_rows_see(int64_t block) const {
    return common_.begin <= block * kBlock && (block + 1) * kBlock <= common_.end;
  }
  bool any_row_sees(int64_t block) const {
    if (all_rows_see(block)) return true;
    for (int64_t row = 0; row < rows_; row += plan_.group) {
      const KeyRange r = range(row);
      if (std::max(r.begin, block * kBlock) < std::min(r.end, (block + 1) * kBlock)) return true;
    }
    return false;
  }

  const std::byte* keys(int64_t block) const {
    return args_.key_blocks[static_cast<size_t>(block)] + static_cast<size_t>(kv_head_) * plan_.keys.head_bytes();
  }
  const std::byte* values(int64_t block) const {
    return args_.value_blocks[static_cast<size_t>(block)] + static_cast<size_t>(kv_head_) * plan_.values.head_bytes();
  }

  void add_block(int64_t block, int64_t next, const Work& work, Sums& sums) const {
    uint8_t* const begins = work.begins;
    uint8_t* const ends = work.begins + plan_.rows;
    AttentionTile tile = {};
    tile.whole = true;
    if (all_rows_see(block)) {
      std::fill_n(begins, rows_, uint8_t{0});
      std::fill_n(ends, rows_, uint8_t{kBlock});
    }
    for (int64_t row = 0; row < rows_ && !all_rows_see(block); ++row) {
      const KeyRange r = range(row);
      begins[row] = static_cast<uint8_t>(std::clamp<int64_t>(r.begin - block * kBlock, 0, kBlock));
      ends[row] = static_cast<uint8_t>(std::clamp<int64_t>(r.end - block * kBlock, 0, kBlock));
      if (begins[row] >= ends[row]) begins[row] = ends[row] = 0;
      tile.whole = tile.whole && begins[row] == 0 && ends[row] == kBlock;
    }
    tile.rows = static_cast<int>(rows_);
    tile.head_dim = args_.head_dim;
    tile.value_dim = args_.value_dim;
    tile.key_channels = plan_.keys.channels();
    tile.value_channels = plan_.values.channels();
    tile.scale = args_.scale;
    tile.soft_cap = args_.soft_cap;
    tile.queries = work.packed;
    tile.begins = begins;
    tile.ends = ends;
    tile.keys = keys(block);
    tile.values = values(block);
    tile.key_scales = reinterpret_cast<const float*>(keys(block) + plan_.keys.scales_offset());
    tile.value_scales = reinterpret_cast<const float*>(values(block) + plan_.values.scales_offset());
    if (next >= 0) {
      tile.next = keys(next);
      tile.next_values = values(next);
      tile.next_bytes = static_cast<int64_t>(plan_.keys.head_bytes());
      tile.next_value_bytes = static_cast<int64_t>(plan_.values.head_bytes());
    }
    tile.sums = sums.values;
    tile.sum_stride = sums.stride;
    tile.maxima = sums.maxima;
    tile.totals = sums.totals;
    tile.scratch = work.scratch;
    plan_.kernels.add_block(tile);
    if (args_.cache != CacheType::f32) mark_bad_values(block, begins, ends, sums);
  }

  // Rows that see a value which is not finite: the block holds zeros in its place.
  void mark_bad_values(int64_t block, const uint8_t* begins, const uint8_t* ends, Sums& sums) const {
    uint64_t finite;
    std::memcpy(&finite, values(block) + plan_.values.finite_offset(), sizeof finite);
    if (finite == ~uint64_t{0}) return;
    const auto below = [](int bit) { return bit >= 64 ? ~uint64_t{0} : (uint64_t{1} << bit) - 1; };
    for (int64_t row = 0; row < rows_; ++row)
      if ((~finite & below(ends[row]) & ~below(begins[row])) != 0)
        sums.totals[row * kTotalParts] = std::numeric_limits<float>::quiet_NaN();
  }

  void finish_row(int64_t row, const Sums& sums) const {
    const KeyRange r = range(row);
    const bool empty = r.begin >= r.end;
    float total = 0.0f;
    for (int i = 0; i < kTotalParts; ++i) total += sums.totals[row * kTotalParts + i];
    float* out = args_.output + query(row) * args_.output_stride + head(row) * args_.value_dim;
    const float* values = sums.values + row * sums.stride;
    for (int j = 0; j < args_.value_dim; ++j) out[j] = empty ? 0.0f : values[j] / total;
    if (args_.log_sum_exp == nullptr) return;
    constexpr float kLn2 = 0.693147181f;
    const float highest = plan_.kernels.base2 ? sums.maxima[row] * kLn2 : sums.maxima[row];
    args_.log_sum_exp[query(row) * args_.query_heads + head(row)] = empty ? kNothing : highest + std::log(total);
  }

  const Plan& plan_;
  const AttentionArgs& args_;
  const int kv_head_;
  const int64_t query_begin_;
  const int64_t rows_;
  KeyRange seen_;    // by any row
  KeyRange common_;  // by all rows
};

// One task for each KV head and run of queries.
void run_tasks(const Plan& plan, ThreadPool& pool) {
  const int64_t tiles = plan.tiles();
  pool.for_each(plan.args.kv_heads * tiles, 1, [&](int64_t begin, int64_t end) {
    static thread_local Workspace workspace;
    const int64_t sums = Sums::floats(plan.rows, plan.stride);
    for (int64_t t = begin; t < end; ++t) {
      float* memory = workspace.ensure<float>(static_cast<size_t>(2 * sums + Task::work_floats(plan)));
      const Task task(plan, static_cast<int>(t / tiles), t % tiles);
      const Sums whole(memory, plan.rows, plan.stride), part(memory + sums, plan.rows, plan.stride);
      task.run(task.pack(memory + 2 * sums), whole, part);
      task.finish(whole);
    }
    if (plan.kernels.finish != nullptr) plan.kernels.finish();
  });
}

// The same with a task for each span as well: `spans` of them from `first` on.
void run_spans(const Plan& plan, int64_t first, int64_t spans, ThreadPool& pool) {
  static thread_local Workspace shared;
  const int64_t tiles = plan.tiles();
  const int64_t sums = Sums::floats(plan.rows, plan.stride);
  float* memory = shared.ensure<float>(static_cast<size_t>(plan.args.kv_heads * tiles * spans * sums));
  const auto part_of = [&](int64_t t, int64_t span) {
    return Sums(memory + (t * spans + span) * sums, plan.rows, plan.stride);
  };
  pool.for_each(plan.args.kv_heads * tiles * spans, 1, [&](int64_t begin, int64_t end) {
    static thread_local Workspace workspace;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t t = item / spans, span = item % spans;
      const Task task(plan, static_cast<int>(t / tiles), t % tiles);
      if (first + span < task.first_span() || first + span >= task.last_span()) continue;
      Sums part = part_of(t, span);
      part.clear(plan.rows);
      task.add_span(first + span, task.pack(workspace.ensure<float>(static_cast<size_t>(Task::work_floats(plan)))),
                    part);
    }
    if (plan.kernels.finish != nullptr) plan.kernels.finish();
  });
  for (int64_t t = 0; t < plan.args.kv_heads * tiles; ++t) {
    const Task task(plan, static_cast<int>(t / tiles), t % tiles);
    Sums whole = part_of(t, std::clamp<int64_t>(task.first_span() - first, 0, spans - 1));
    if (task.first_span() >= task.last_span()) whole.clear(plan.rows);
    for (int64_t span = task.first_span() + 1; span < task.last_span(); ++span)
      task.merge(span, whole, part_of(t, span - first));
    task.finish(whole);
  }
}

}  // namespace

std::string_view to_string(CacheType type) {
  switch (type) {
    case CacheType::f32: return "f32";
    case CacheType::bf16: return "bf16";
    case CacheType::q8: return "q8";
  }
  return "unknown";
}

void attention(const AttentionArgs& args, ThreadPool& pool) {
  if (args.query_count <= 0 || args.query_heads <= 0 || args.kv_heads <= 0) return;
  const Plan plan(args);
  int64_t begin = static_cast<int64_t>(args.key_blocks.size()) * kBlock, end = 0;
  for (int64_t i = 0; i < args.query_count; ++i) {
    if (args.ranges[i].begin >= args.ranges[i].end) continue;
    begin = std::min(begin, std::max<int64_t>(args.ranges[i].begin, 0));
    end = std::max(end, args.ranges[i].end);
  }
  end = std::min(end, static_cast<int64_t>(args.key_blocks.size()) * kBlock);
  const int64_t first = begin / kSpan, spans = (end + kSpan - 1) / kSpan - first;
  // A share for each thread, or smaller ones.
  constexpr int64_t kMostSpanTiles = 8;
  const bool few = plan.tiles() <= kMostSpanTiles && args.kv_heads * plan.tiles() < 4 * pool.threads();
  if (few && pool.threads() > 1 && spans > 1) {
    run_spans(plan, first, spans, pool);
  } else {
    run_tasks(plan, pool);
  }
}

void attention_scores(const AttentionArgs& args, int64_t query, int head, float* scores) {
  const KvLayout layout{KvRole::keys, args.cache, args.kv_heads, args.head_dim};
  const size_t kv_head = static_cast<size_t>(head) / static_cast<size_t>(args.query_heads / args.kv_heads);
  std::vector<float> key(static_cast<size_t>(args.head_dim)), row(key.size());
  std::copy_n(args.queries + query * args.query_stride + int64_t{head} * args.head_dim, args.head_dim, row.data());
  if (args.cache != CacheType::f32)
    for (float& x : row) x = bf16_to_f32(f32_to_bf16(x));
  const KeyRange& range = args.ranges[query];
  for (int64_t k = range.begin; k < range.end; ++k) {
    layout.read(args.key_blocks[static_cast<size_t>(k / kBlock)] + kv_head * layout.head_bytes(), k % kBlock,
                key.data());
    float sum = 0.0f;
    for (size_t c = 0; c < key.size(); ++c) sum += row[c] * key[c];
    const float score = args.scale * sum;
    scores[k - range.begin] = args.soft_cap > 0.0f ? args.soft_cap * std::tanh(score / args.soft_cap) : score;
  }
}

}  // namespace azimuth::kernels
