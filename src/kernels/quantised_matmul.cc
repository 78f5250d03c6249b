// Products with quantised weights: blocking and threads. Rows are quantised block by block, once for all products that
// read them, and kept as the tiles of the level read them.
#include <algorithm>
#include <cstring>

#include "kernels/packed_matrix.h"
#include "kernels/row_tiles.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kRowBlock = 256;   // rows quantised at a time
constexpr int64_t kSliceBlocks = 8;  // blocks of inputs between two visits of the sums
// Below this many multiply-adds waking other threads costs more than it saves.
constexpr int64_t kWorthThreads = 64 * 1024;
// Of one tile of rows, weights come from memory once, and reading them is what takes time: from as many panels in turn
// as the level reads fastest (QuantisedRows::streams; the way to memory is longest where a page begins), and in tasks
// large enough to get going.
constexpr int64_t kStreamTaskBytes = 1024 * 1024;

// Rows of y lie far apart, where no processor looks ahead by itself: how many of them before one is written.
constexpr int64_t kWriteAhead = 8;
constexpr int64_t kLineFloats = 64 / sizeof(float);

// Panels of one task: some at a time, the last ones alone, so that no thread waits long for another's end.
struct PanelTasks {
  int64_t panels;
  int64_t together;
  int64_t alone;

  int64_t shared() const { return ceil_div(panels - alone, together); }
  int64_t count() const { return shared() + alone; }
  int64_t begin(int64_t task) const { return task < shared() ? task * together : panels - alone + (task - shared()); }
  int64_t end(int64_t task) const { return begin(task + 1); }
};

// A block of rows against all panels of all jobs.
class RowBlockProduct {
 public:
  RowBlockProduct(std::span<const QuantisedJob> jobs, const float* x, int64_t rows, int64_t ldx, int64_t first_row)
      : jobs_(jobs),
        first_(jobs[0].product.w->impl()),
        table_(*first_.quantised),
        many_(first_.row_bits == RowBits::seven && table_.many_narrow.rows.tile_rows > 0 ? table_.many_narrow
                                                                                         : table_.many),
        is_many_(many_.rows.tile_rows > 0 && rows >= table_.many_from),
        kernels_(is_many_ ? many_.rows : table_.few),
        tiles_(rows, kernels_.tile_rows),
        slice_(tiles_.tiles == 1 && kernels_.streams > 1 ? 1 : kSliceBlocks),
        x_(x),
        ldx_(ldx),
        first_row_(first_row) {
    for (const QuantisedJob& job : jobs) panels_ += job.product.w->impl().panels;
  }

  void run(Workspace& workspace, ThreadPool& pool) {
    packed_ = workspace.ensure<std::byte>(static_cast<size_t>(tiles_.rows * first_.blocks * kernels_.row_block_bytes));
    if (tiles_.rows * first_.inputs * panels_ * kQuantPanel < kWorthThreads) {
      pack_tiles(0, tiles_.tiles);
      multiply_panels(0, panels_);
      return;
    }
    if (tiles_.tiles == 1) {
      pack_tiles(0, 1);
    } else {
      auto pack = [this](int64_t begin, int64_t end) { pack_tiles(begin, end); };
      pool.for_each(tiles_.tiles, 1, pack);
    }
    threads_ = pool.threads();
    const PanelTasks tasks = panel_tasks(pool);
    auto multiply = [this, &tasks](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) multiply_panels(tasks.begin(task), tasks.end(task));
    };
    pool.for_each(tasks.count(), 1, multiply);
  }

 private:
  // A task passes over the packed rows once; a few tasks per thread even out the load.
  PanelTasks panel_tasks(const ThreadPool& pool) const {
    const int64_t share = panels_ / (8 * pool.threads());
    if (tiles_.tiles > 1) {
      const int64_t together = std::clamp<int64_t>(share, 1, 4);
      return {panels_, together, std::min(panels_, together * pool.threads())};
    }
    const int64_t streams = kernels_.streams;
    const int64_t most = std::max(streams, kStreamTaskBytes / std::max<int64_t>(1, first_.panel_bytes));
    return {panels_, std::clamp(share / streams * streams, streams, most), 0};
  }

  // Packed rows: [slice][tile][blocks of the slice][rows of the tile].
  std::byte* packed(int64_t block, int64_t count, int64_t tile) const {
    return packed_ + (block * tiles_.rows + count * tiles_.begin(tile)) * kernels_.row_block_bytes;
  }
  int64_t slice_count(int64_t block) const { return std::min(slice_, first_.blocks - block); }

  void pack_tiles(int64_t begin, int64_t end) const {
    const float largest = first_.row_bits == RowBits::seven ? kLargestNarrowQuant : kLargestQuant;
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t block = 0; block < first_.blocks; block += slice_) {
        const int64_t first = block * kQuantBlock;
        const int64_t inputs = std::min(slice_ * kQuantBlock, first_.inputs - first);
        kernels_.pack_rows(x_ + tiles_.begin(t) * ldx_ + first, ldx_, tiles_.size(t), inputs, largest,
                           packed(block, slice_count(block), t));
      }
    }
  }

  // Sums gather side by side, [panels of the task][rows][32], and go to y at the end: rows of y often lie a power of
  // two apart, of which a cache keeps only a few.
  void multiply_panels(int64_t begin, int64_t end) const {
    for (const QuantisedJob& job : jobs_) {
      const int64_t panels = job.product.w->impl().panels;
      if (begin < panels && end > 0) multiply_job(job, std::max<int64_t>(begin, 0), std::min(end, panels));
      begin -= panels;
      end -= panels;
    }
    if (kernels_.finish != nullptr) kernels_.finish();
  }

  void multiply_job(const QuantisedJob& job, int64_t begin, int64_t end) const {
    static thread_local Workspace workspace;
    const bool gated = job.epilogue == Epilogue::gate;
    const int64_t sum_floats = (end - begin) * tiles_.rows * kQuantPanel;
    const int64_t ready_floats = is_many_ ? slice_ * many_.record_bytes / 4 : 0;
    float* ready = workspace.ensure<float>(static_cast<size_t>(ready_floats + (gated ? 2 : 1) * sum_floats));
    float* sums = ready + ready_floats;
    float* up_sums = gated ? sums + sum_floats : nullptr;
    const int64_t together = tiles_.tiles == 1 ? kernels_.streams : end - begin;
    for (int64_t first = begin; first < end; first += together) {
      const int64_t last = std::min(first + together, end);
      const int64_t offset = (first - begin) * tiles_.rows * kQuantPanel;
      int64_t block = 0;
      if (tiles_.tiles == 1 && last == end) fetch_next_task(job, begin, end);
      do {  // once even for a matrix without inputs, to write the bias
        multiply_slice(job.product.w->impl(), first, last, block, ready, sums + offset);
        if (gated) multiply_slice(job.up.w->impl(), first, last, block, ready, up_sums + offset);
        block += slice_;
      } while (block < first_.blocks);
    }
    for (int64_t p = begin; p < end; ++p) {
      const int64_t offset = (p - begin) * tiles_.rows * kQuantPanel;
      write_panel(job, p, sums + offset, gated ? up_sums + offset : nullptr);
    }
  }

  // Panels [begin, end) of one matrix, over the slice that begins with `block`. While a panel's tiles are at work, the
  // next panel's records are asked for, a share with each tile.
  void multiply_slice(const PackedMatrix::Impl& m, int64_t begin, int64_t end, int64_t block, float* ready,
                      float* sums) const {
    const int64_t count = slice_count(block);
    for (int64_t p = begin; p < end; ++p) {
      const std::byte* stored = m.panel(p) + block * m.record_bytes;
      const std::byte* next = p + 1 < end ? stored + m.panel_bytes : m.panel(begin) + (block + count) * m.record_bytes;
      const int64_t share = tiles_.tiles == 1 ? 0 : count * m.record_bytes / tiles_.tiles + 1;
      const void* records = stored;
      if (is_many_ && many_.prepare != nullptr) {
        many_.prepare(stored, count, ready);
        records = ready;
      }
      float* c = sums + (p - begin) * tiles_.rows * kQuantPanel;
      for (int64_t t = 0; t < tiles_.tiles; ++t) {
        fetch(next + t * share, share);
        kernels_.tile(packed(block, count, t), records, count, tiles_.size(t), c + tiles_.begin(t) * kQuantPanel,
                      block > 0);
      }
    }
  }

  // Where weights are read once: the beginning of what this thread takes next, if every other one takes a task
  // meanwhile.
  void fetch_next_task(const QuantisedJob& job, int64_t begin, int64_t end) const {
    const int64_t next = begin + threads_ * (end - begin);
    for (const Product* product : {&job.product, &job.up}) {
      if (product->w == nullptr) continue;
      const PackedMatrix::Impl& m = product->w->impl();
      for (int64_t p = next; p < std::min(next + kernels_.streams, m.panels); ++p) fetch(m.panel(p), m.record_bytes);
    }
  }

  static void fetch(const std::byte* from, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
  }

  // sums [rows, 32] of panel p, which are overwritten -> y
  void write_panel(const QuantisedJob& job, int64_t p, float* sums, float* up_sums) const {
    const Product& product = job.product;
    const int64_t column = p * kQuantPanel;
    const int64_t columns = std::min<int64_t>(kQuantPanel, product.w->outputs() - column);
    const int64_t elements = tiles_.rows * kQuantPanel;
    add_bias(product.bias, column, columns, sums);
    if (job.epilogue == Epilogue::activate) active_table().activate(static_cast<int>(job.activation), sums, elements);
    if (job.epilogue == Epilogue::gate) {
      add_bias(job.up.bias, column, columns, up_sums);
      active_table().activate_gated(static_cast<int>(job.activation), sums, up_sums, elements);
    }
    float* y = product.y + first_row_ * product.ldy + column;
    for (int64_t r = 0; r < tiles_.rows; ++r, sums += kQuantPanel, y += product.ldy) {
      for (int64_t j = 0; j < kQuantPanel; j += kLineFloats) __builtin_prefetch(y + kWriteAhead * product.ldy + j, 1);
      if (columns == kQuantPanel) {
        std::memcpy(y, sums, sizeof(float) * kQuantPanel);  // of a size that needs no call
      } else {
        std::copy_n(sums, columns, y);
      }
    }
  }

  // sums [rows, 32] += bias, of `columns` outputs from `column` on; nullptr: none.
  void add_bias(const float* bias, int64_t column, int64_t columns, float* sums) const {
    if (bias == nullptr) return;
    float padded[kQuantPanel] = {};
    std::copy_n(bias + column, columns, padded);
    for (int64_t r = 0; r < tiles_.rows; ++r, sums += kQuantPanel)
      for (int j = 0; j < kQuantPanel; ++j) sums[j] += padded[j];
  }

  std::span<const QuantisedJob> jobs_;
  const PackedMatrix::Impl& first_;
  const QuantisedKernels& table_;
  const ManyRows& many_;
  const bool is_many_;
  const QuantisedRows& kernels_;
  const RowTiles tiles_;
  const int64_t slice_;
  int64_t panels_ = 0;   // of all jobs
  int64_t threads_ = 1;  // that take tasks
  const float* x_;
  const int64_t ldx_;
  const int64_t first_row_;
  std::byte* packed_ = nullptr;
};

}  // namespace

void run_quantised(std::span<const QuantisedJob> jobs, const float* x, int64_t rows, int64_t ldx, ThreadPool& pool) {
  static thread_local Workspace workspace;
  const int64_t parts = ceil_div(rows, kRowBlock);
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = part * rows / parts;
    const int64_t end = (part + 1) * rows / parts;
    RowBlockProduct(jobs, x + begin * ldx, end - begin, ldx, begin).run(workspace, pool);
  }
}

}  // namespace azimuth::kernels
