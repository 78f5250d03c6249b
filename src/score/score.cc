#include "azimuth/score.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "engine/hooks.h"
#include "score/completions.h"
#include "score/run.h"

namespace azimuth {
namespace {

using scoring::CompletionTask;
using scoring::Outline;
using scoring::PromptTask;
using scoring::SharedPrompt;

constexpr int64_t kBatchTokens = 4 * engine::kPrefillTokens;  // more of them make no pass faster
constexpr double kMinTemperature = 1e-6;
constexpr double kMaxTemperature = 1e6;
constexpr int kMaxTop = 1024;

Status check_options(const ScoreOptions& options) {
  if (!(kMinTemperature <= options.temperature && options.temperature <= kMaxTemperature)) {
    return invalid_argument("scoring expected a temperature in [1e-6, 1e6], found " +
                            std::to_string(options.temperature) + "; 1 leaves the logits as they are");
  }
  if (options.top < 0 || options.top > kMaxTop) {
    return invalid_argument("scoring expected a number of alternatives in [0, " + std::to_string(kMaxTop) +
                            "], found " + std::to_string(options.top));
  }
  if (options.max_bytes > 0) return ok_status();
  return invalid_argument("scoring expected a number of bytes above 0 for micro-batches, found " +
                          std::to_string(options.max_bytes));
}

// Of a prompt that nobody shares.
ContentHash key_of_own(size_t index) {
  ContentHasher hasher("scored alone");
  hasher.number(static_cast<int64_t>(index));
  return hasher.finish();
}

class ScoreRun {
 public:
  ScoreRun(const Engine& engine, std::span<const ScoreSample> samples, std::vector<std::string> names,
           const ScoreOptions& options, const ScoreCallbacks& callbacks)
      : model_(engine.impl()),
        samples_(samples),
        options_(options),
        callbacks_(callbacks),
        outlines_(samples.size()),
        scores_(samples.size()),
        names_(std::move(names)) {}

  Status check() {
    AZ_RETURN_IF_ERROR(check_options(options_));
    if (!model_.tokenizer) return invalid_argument("scoring expected an engine with a tokenizer, found none");
    std::set<ContentHash> keys;
    for (size_t i = 0; i < samples_.size(); ++i) {
      AZ_RETURN_IF_ERROR(stopped());
      Result<Outline> outline = scoring::outline_sample(model_, samples_[i]);
      if (outline.ok()) {
        const bool fresh = outline->alone || keys.insert(outline->key).second;
        total_ += static_cast<int64_t>(outline->completion.size()) + (fresh ? outline->prompt_tokens : 0);
        keep(std::move(*outline), i);
      } else if (options_.keep_going) {
        scores_[i].status = outline.status().with_context(names_[i]);
      } else {
        return outline.status().with_context(names_[i]);
      }
      report("checking", static_cast<double>(i + 1) / static_cast<double>(samples_.size()));
    }
    return ok_status();
  }

  Result<std::vector<SampleScore>> run() {
    if (!model_.decoder) return invalid_argument("scoring expected an engine with weights, found one loaded without");
    AZ_RETURN_IF_ERROR(check());
    for (size_t begin = 0; begin < samples_.size();) {
      const size_t end = batch_end(begin);
      AZ_RETURN_IF_ERROR(score_batch(begin, end));
      for (size_t i = begin; i < end; ++i) AZ_RETURN_IF_ERROR(hand_over(i));
      begin = end;
    }
    return std::move(scores_);
  }

 private:
  Status stopped() const {
    if (callbacks_.cancel == nullptr || !callbacks_.cancel->load()) return ok_status();
    return cancelled("stopped on request");
  }

  void report(std::string_view stage, double fraction) const {
    if (callbacks_.on_progress) callbacks_.on_progress(stage, fraction);
  }

  // Prompts stay as they are while a part of the memory is enough for them; later ones are read again.
  void keep(Outline outline, size_t index) {
    if (outline.alone) outline.key = key_of_own(index);
    const int64_t bytes = outline.pixel_bytes + outline.prompt_tokens * 32;
    if (kept_bytes_ + bytes > options_.max_bytes / 2) {
      outline.ready.reset();
    } else {
      kept_bytes_ += bytes;
    }
    outlines_[index] = std::move(outline);
  }

  bool failed(size_t index) const { return !scores_[index].status.ok(); }

  // The samples from `begin` on that are computed together.
  size_t batch_end(size_t begin) const {
    std::set<ContentHash> keys;
    for (const auto& [key, prompt] : prompts_) keys.insert(key);
    int64_t tokens = 0;
    int64_t bytes = 0;
    size_t end = begin;
    for (; end < samples_.size(); ++end) {
      if (failed(end)) continue;
      const Outline& outline = outlines_[end];
      if (outline.alone) return std::max(end, begin + 1);
      if (tokens >= kBatchTokens) break;
      const bool fresh = !keys.contains(outline.key);
      const int64_t more = fresh ? scoring::prompt_bytes(model_, outline) : 0;
      if (tokens > 0 && bytes + more > options_.max_bytes / 2) break;
      if (fresh) keys.insert(outline.key);
      bytes += more;
      tokens += (fresh ? outline.prompt_tokens : 0) + static_cast<int64_t>(outline.completion.size());
    }
    return std::max(end, begin + 1);
  }

  // A failure that is not known to be one sample's is looked for sample by sample.
  Status score_batch(size_t begin, size_t end) {
    const int64_t done = done_;
    Status status = compute(begin, end);
    if (status.ok() || status.code() == StatusCode::cancelled || !options_.keep_going) return status;
    for (size_t i = begin; i < end; ++i) {
      if (failed(i)) continue;
      done_ = done;
      Status one = end - begin == 1 ? status : compute(i, i + 1);
      if (one.code() == StatusCode::cancelled) return one;
      if (!one.ok()) scores_[i] = {one, {}, {}, {}, {}, 0, 0, 0};
    }
    return ok_status();
  }

  Status compute(size_t begin, size_t end) {
    std::vector<size_t> batch;
    for (size_t i = begin; i < end; ++i) {
      if (!failed(i)) batch.push_back(i);
    }
    if (batch.empty()) return ok_status();
    const Hooks& hooks = samples_[batch.front()].request.hooks;
    const engine::HookTaps taps(hooks);
    RunContext context{*model_.pool, nullptr, callbacks_.cancel, {}};
    if (outlines_[batch.front()].alone) taps.attach(context);
    if (callbacks_.on_progress) context.progress = [this](double fraction) { report("scoring", fraction); };

    std::vector<PromptTask> missing;
    AZ_ASSIGN_OR_RETURN(missing, missing_prompts(batch));
    int64_t prompt_tokens = 0;
    for (const PromptTask& task : missing) prompt_tokens += outlines_[task.sample].prompt_tokens;
    std::vector<size_t> owners;
    for (const PromptTask& task : missing) owners.push_back(task.sample);
    AZ_ASSIGN_OR_RETURN(
        const std::vector<SharedPrompt> read,
        scoring::read_prompts(model_, std::move(missing), context.share(done_, prompt_tokens, total())));
    done_ += prompt_tokens;
    for (size_t i = 0; i < owners.size(); ++i) prompts_[outlines_[owners[i]].key] = read[i];

    std::vector<CompletionTask> tasks;
    int64_t completion_tokens = 0;
    for (const size_t i : batch) {
      const bool own = std::ranges::count(owners, i) > 0;
      tasks.push_back(open(i, own));
      completion_tokens += static_cast<int64_t>(outlines_[i].completion.size());
    }
    const RunContext part = context.share(done_, completion_tokens, total());
    scoring::Head head(model_, options_, options_.max_bytes / 4, part);
    AZ_RETURN_IF_ERROR(scoring::score_completions(model_, tasks, options_.max_bytes / 4, head, part));
    done_ += completion_tokens;
    forget_prompts(end);
    return ok_status();
  }

  int64_t total() const { return std::max<int64_t>(total_, 1); }

  // The prompts of `batch` that are not in memory, each once. Without completion tokens nothing has to be read.
  Result<std::vector<PromptTask>> missing_prompts(const std::vector<size_t>& batch) {
    std::vector<PromptTask> missing;
    std::set<ContentHash> asked;
    for (const size_t i : batch) {
      Outline& outline = outlines_[i];
      if (outline.completion.empty() || prompts_.contains(outline.key) || !asked.insert(outline.key).second) continue;
      PromptTask task{&samples_[i].request, i, names_[i], {}};
      if (outline.ready) {
        task.ready = std::move(*outline.ready);
        outline.ready.reset();
      } else {
        Result<scoring::ReadyPrompt> again =
            scoring::ready_prompt(model_, samples_[i].request, static_cast<int64_t>(outline.completion.size()));
        if (!again.ok()) return again.status().with_context(names_[i]);
        task.ready = std::move(*again);
      }
      missing.push_back(std::move(task));
    }
    return missing;
  }

  // Gives the sample's result its sizes. `own`: its prompt was read for it.
  CompletionTask open(size_t index, bool own) {
    const Outline& outline = outlines_[index];
    const size_t tokens = outline.completion.size();
    SampleScore& score = scores_[index];
    score.completion_ids = outline.completion;
    score.logprobs.assign(tokens, 0.0);
    score.entropies.assign(tokens, 0.0);
    score.top.assign(options_.top > 0 ? tokens : 0, {});
    score.prompt_tokens = outline.prompt_tokens;
    const auto prompt = prompts_.find(outline.key);
    if (prompt == prompts_.end()) return {nullptr, &score, &names_[index]};
    score.shared_tokens = own ? prompt->second->cached_tokens : outline.prompt_tokens;
    score.shared_media = own ? prompt->second->cached_media : prompt->second->media;
    return {prompt->second, &score, &names_[index]};
  }

  // The next micro-batch may go on behind a prompt of this one.
  void forget_prompts(size_t next) {
    while (next < samples_.size() && failed(next)) ++next;
    std::erase_if(prompts_, [&](const auto& entry) {
      return next == samples_.size() || outlines_[next].alone || !(entry.first == outlines_[next].key);
    });
  }

  Status hand_over(size_t index) {
    outlines_[index] = {};
    return callbacks_.on_sample ? callbacks_.on_sample(index, scores_[index]) : ok_status();
  }

  const Engine::Impl& model_;
  std::span<const ScoreSample> samples_;
  const ScoreOptions& options_;
  const ScoreCallbacks& callbacks_;
  std::vector<Outline> outlines_;
  std::vector<SampleScore> scores_;
  std::vector<std::string> names_;
  std::map<ContentHash, SharedPrompt> prompts_;  // in memory
  int64_t kept_bytes_ = 0;
  int64_t done_ = 0;   // tokens
  int64_t total_ = 0;  // tokens
};

// "sample 3", or "sample 3 ("id")".
std::vector<std::string> names_of(std::span<const ScoreSample> samples) {
  std::vector<std::string> names;
  for (const ScoreSample& sample : samples) {
    const std::string number = "sample " + std::to_string(names.size());
    names.push_back(sample.id.empty() ? number : number + " (" + quote_json(sample.id) + ")");
  }
  return names;
}

}  // namespace

Result<std::vector<SampleScore>> scoring::run_samples(const Engine& engine, std::span<const ScoreSample> samples,
                                                      std::vector<std::string> names, const ScoreOptions& options,
                                                      const ScoreCallbacks& callbacks) {
  return ScoreRun(engine, samples, std::move(names), options, callbacks).run();
}

Status scoring::check_samples(const Engine& engine, std::span<const ScoreSample> samples,
                              std::vector<std::string> names, const ScoreOptions& options,
                              const ScoreCallbacks& callbacks) {
  return ScoreRun(engine, samples, std::move(names), options, callbacks).check();
}

Result<std::vector<SampleScore>> score(const Engine& engine, std::span<const ScoreSample> samples,
                                       const ScoreOptions& options, const ScoreCallbacks& callbacks) {
  return scoring::run_samples(engine, samples, names_of(samples), options, callbacks);
}

Status check_samples(const Engine& engine, std::span<const ScoreSample> samples, const ScoreOptions& options,
                     const ScoreCallbacks& callbacks) {
  return scoring::check_samples(engine, samples, names_of(samples), options, callbacks);
}

}  // namespace azimuth
