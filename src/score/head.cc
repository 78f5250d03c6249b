#include "score/head.h"

#include <algorithm>

#include "engine/hooks.h"

namespace azimuth::scoring {
namespace {

void write(const sampling::RowStatistics& statistics, const float* logits, const Wanted& wanted) {
  SampleScore& score = *wanted.score;
  score.logprobs[wanted.token] = statistics.logprob(logits[score.completion_ids[wanted.token]]);
  score.entropies[wanted.token] = statistics.entropy;
  if (score.top.empty()) return;
  std::vector<TokenAlternative>& top = score.top[wanted.token];
  for (const sampling::TokenLogprob& each : statistics.top) top.push_back({each.id, each.logprob});
}

Status refuse(std::span<const float> logits, const Wanted& wanted) {
  Status status = sampling::check_row(logits);
  if (status.ok()) status = internal_error("logits without a sum");
  return status.with_context(*wanted.name + ", token " + std::to_string(wanted.token) + " of the completion");
}

}  // namespace

Head::Head(const Engine::Impl& model, const ScoreOptions& options, int64_t bytes, const RunContext& context)
    : model_(model), options_(options), context_(context) {
  const int64_t row = model.spec.text.vocab * int64_t{sizeof(float)};
  most_rows_ = std::clamp<int64_t>(bytes / row, 1, kMostRows);
}

Status Head::add(const float* hidden, int64_t index, std::vector<Wanted> wanted) {
  hidden_.insert(hidden_.end(), hidden, hidden + model_.spec.text.hidden);
  rows_.push_back({index, std::move(wanted)});
  return static_cast<int64_t>(rows_.size()) == most_rows_ ? flush() : ok_status();
}

Status Head::flush() {
  if (rows_.empty()) return ok_status();
  if (context_.cancel != nullptr && context_.cancel->load()) return cancelled("stopped on request");
  const auto count = static_cast<int64_t>(rows_.size());
  const int64_t vocab = model_.spec.text.vocab;
  Tensor logits = model_.decoder->logits(hidden_.data(), count, *model_.pool);
  AZ_RETURN_IF_ERROR(engine::pass_tensor(context_, {Stage::logits, -1, 0, rows_.front().index}, logits));
  const std::vector<sampling::RowStatistics> statistics =
      sampling::row_statistics(logits.data(), count, vocab, options_.top, options_.temperature, *model_.pool);
  for (size_t i = 0; i < rows_.size(); ++i) {
    const float* row = logits.row(static_cast<int64_t>(i));
    for (const Wanted& wanted : rows_[i].wanted) {
      if (!statistics[i].has_distribution()) return refuse({row, static_cast<size_t>(vocab)}, wanted);
      write(statistics[i], row, wanted);
    }
  }
  hidden_.clear();
  rows_.clear();
  return ok_status();
}

}  // namespace azimuth::scoring
