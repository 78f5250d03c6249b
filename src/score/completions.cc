#include "score/completions.h"

#include <algorithm>
#include <deque>
#include <map>

#include "score/outline.h"

namespace azimuth::scoring {
namespace {

// A completion whose tokens are entering the decoder. All but the last: nothing is asked behind that one.
struct Running {
  CompletionTask* task = nullptr;
  decoder::DecoderInput input;  // [rows]
  PositionTable positions;      // of these rows
  PositionTable cached;         // of prompt and completion, where keys are raw
  decoder::CacheState cache;
  int64_t done = 0;

  int64_t rows() const { return input.tokens(); }
};

PositionTable joined(const PositionTable& prompt, const PositionTable& behind) {
  PositionTable all = prompt;
  for (size_t i = 0; i < all.sets.size(); ++i) {
    const std::vector<float>& more = behind.sets[i].ids;
    all.sets[i].ids.insert(all.sets[i].ids.end(), more.begin(), more.end());
  }
  return all;
}

class CompletionRun {
 public:
  CompletionRun(const Engine::Impl& model, std::span<CompletionTask> tasks, int64_t cache_bytes, Head& head,
                const RunContext& context)
      : model_(model), tasks_(tasks), left_(cache_bytes), head_(head), context_(context), sizes_(cache_sizes(model)) {
    for (const CompletionTask& task : tasks) total_ += rows_of(task);
  }

  Status run() {
    AZ_RETURN_IF_ERROR(score_first_tokens());
    while (true) {
      AZ_RETURN_IF_ERROR(admit());
      if (running_.empty()) return head_.flush();
      AZ_RETURN_IF_ERROR(pass());
    }
  }

 private:
  static int64_t rows_of(const CompletionTask& task) {
    return std::max<int64_t>(0, static_cast<int64_t>(task.score->completion_ids.size()) - 1);
  }

  // What the last token of each prompt says, for all completions behind it at once.
  Status score_first_tokens() {
    std::map<const ReadPrompt*, size_t> place;
    std::vector<std::pair<const ReadPrompt*, std::vector<Wanted>>> prompts;  // in the order of the tasks
    for (const CompletionTask& task : tasks_) {
      if (task.score->completion_ids.empty()) continue;
      const auto [found, fresh] = place.emplace(task.prompt.get(), prompts.size());
      if (fresh) prompts.push_back({task.prompt.get(), {}});
      prompts[found->second].second.push_back({task.score, 0, task.name});
    }
    for (auto& [prompt, wanted] : prompts) {
      AZ_RETURN_IF_ERROR(head_.add(prompt->last.data(), prompt->sequence.cache.length() - 1, std::move(wanted)));
    }
    return head_.flush();
  }

  // A copy of a cache takes the block that its tokens go on in, besides those that they fill.
  int64_t bytes_of(const CompletionTask& task) const {
    return (rows_of(task) + kernels::kAttentionBlock) * sizes_.token + sizes_.fixed;
  }

  // Starts completions until a pass is full or their caches are.
  Status admit() {
    int64_t rows = 0;
    for (const Running& running : running_) rows += running.rows() - running.done;
    for (; next_ < tasks_.size() && rows < engine::kPrefillTokens; ++next_) {
      CompletionTask& task = tasks_[next_];
      if (rows_of(task) == 0) continue;
      if (!running_.empty() && bytes_of(task) > left_) break;
      AZ_ASSIGN_OR_RETURN(Running running, start(task));
      left_ -= bytes_of(task);
      rows += running.rows();
      running_.push_back(std::move(running));
    }
    return ok_status();
  }

  Result<Running> start(CompletionTask& task) const {
    const engine::Sequence& prompt = task.prompt->sequence;
    const std::vector<int32_t>& ids = task.score->completion_ids;
    const int64_t rows = rows_of(task);
    Running running{&task, {}, completion_positions(prompt.positions, 0, rows), {}, prompt.cache, 0};
    running.input.ids.assign(ids.begin(), ids.begin() + rows);
    AZ_ASSIGN_OR_RETURN(running.input.hidden, model_.decoder->embed(running.input.ids));
    // A token behind the prompt sees the features that the last one of it sees.
    const std::vector<kernels::KeyRange>& ranges = prompt.input.features.ranges;
    if (!ranges.empty()) running.input.features.ranges.assign(static_cast<size_t>(rows), ranges.back());
    if (prompt.cache.key_storage() == decoder::KeyStorage::raw)
      running.cached = joined(prompt.positions, running.positions);
    AZ_RETURN_IF_ERROR(enter_decoder(prompt, running));
    return running;
  }

  // Hook 2, of the completion as a whole.
  Status enter_decoder(const engine::Sequence& prompt, Running& running) const {
    if (context_.hooks == nullptr || !context_.hooks->on_decoder_input) return ok_status();
    Tensor& hidden = running.input.hidden;
    DecoderEntry entry{0,
                       prompt.cache.length(),
                       running.rows(),
                       {hidden.data(), static_cast<size_t>(hidden.elements())},
                       running.input.ids,
                       {},
                       {},
                       running.positions};
    return context_.hooks->on_decoder_input(entry);
  }

  // One pass over the next rows of the running completions, and what they say of the tokens behind them.
  Status pass() {
    std::vector<decoder::SequenceChunk> chunks;
    int64_t rows = 0;
    for (Running& running : running_) {
      const int64_t end = std::min(running.rows(), running.done + engine::kPrefillTokens - rows);
      if (end == running.done) break;
      chunks.push_back({&running.input, &running.positions, running.task->prompt->sequence.encoding.get(), running.done,
                        end, &running.cache, 0, &running.cached});
      rows += chunks.back().tokens();
    }
    AZ_ASSIGN_OR_RETURN(const Tensor hidden, model_.decoder->forward(chunks, context_.share(done_, rows, total_)));
    done_ += rows;
    int64_t row = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      Running& running = running_[i];
      for (; running.done < chunks[i].end; ++running.done, ++row) {
        const int64_t index = running.task->prompt->sequence.cache.length() + running.done;
        AZ_RETURN_IF_ERROR(
            head_.add(hidden.row(row), index,
                      {{running.task->score, static_cast<size_t>(running.done) + 1, running.task->name}}));
      }
    }
    while (!running_.empty() && running_.front().done == running_.front().rows()) {
      left_ += bytes_of(*running_.front().task);
      running_.pop_front();
    }
    return ok_status();
  }

  const Engine::Impl& model_;
  std::span<CompletionTask> tasks_;
  size_t next_ = 0;
  int64_t left_;  // bytes for caches
  Head& head_;
  const RunContext& context_;
  CacheSizes sizes_;
  std::deque<Running> running_;
  int64_t done_ = 0;
  int64_t total_ = 0;  // rows
};

}  // namespace

Status score_completions(const Engine::Impl& model, std::span<CompletionTask> tasks, int64_t cache_bytes, Head& head,
                         const RunContext& context) {
  return CompletionRun(model, tasks, cache_bytes, head, context).run();
}

}  // namespace azimuth::scoring
