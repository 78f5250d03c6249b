#include "azimuth/attend.h"

#include <algorithm>

#include "decoder/inject.h"
#include "engine/prepare.h"
#include "engine/sequence.h"

namespace azimuth {
namespace {

using engine::PolicyChoice;
using engine::PreparedSample;
using engine::SampleFeatures;
using engine::Sequence;

constexpr size_t kMostSinkQueries = 64;

// Indices in the prompt of the queries that were asked for, ascending, each once.
Result<std::vector<int64_t>> chosen_queries(const AttendOptions& options, int64_t tokens) {
  std::vector<int64_t> queries;
  for (const int64_t query : options.queries) {
    const int64_t index = query < 0 ? query + tokens : query;
    if (index < 0 || index >= tokens) {
      return out_of_range("a query expected one of the prompt's " + std::to_string(tokens) + " tokens, found " +
                          std::to_string(query) + "; negative numbers count from the end");
    }
    queries.push_back(index);
  }
  if (queries.empty()) queries.push_back(tokens - 1);
  std::sort(queries.begin(), queries.end());
  queries.erase(std::unique(queries.begin(), queries.end()), queries.end());
  return queries;
}

std::vector<int64_t> visual_tokens(const Prompt& prompt) {
  std::vector<int64_t> tokens;
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text) continue;
    for (int64_t token = span.begin; token < span.end; ++token) tokens.push_back(token);
  }
  return tokens;
}

// Text behind the last picture sees all of it, so its tokens can be averaged without weighing.
std::vector<int64_t> sink_queries(const Prompt& prompt, const std::vector<int64_t>& chosen) {
  const Span& last = prompt.spans.back();
  if (last.kind != SpanKind::text) return chosen;
  const auto count = std::min(kMostSinkQueries, static_cast<size_t>(last.tokens()));
  std::vector<int64_t> queries;
  for (size_t i = 0; i < count; ++i) {
    queries.push_back(last.end - 1 - static_cast<int64_t>(i) * last.tokens() / static_cast<int64_t>(count));
  }
  std::reverse(queries.begin(), queries.end());
  return queries;
}

// Collects rows of attention weights while the sequence runs.
class Collector {
 public:
  Collector(AttendReport& report, std::vector<int64_t> queries, size_t layers)
      : report_(report), prompt_tokens_(static_cast<int64_t>(report.prompt.prompt.ids.size())) {
    for (const int64_t token : queries) report_.queries.push_back({token, std::vector<LayerAttention>(layers)});
    totals_.resize(layers);
    for (std::vector<double>& total : totals_) total.resize(static_cast<size_t>(prompt_tokens_));
    hooks_.wants_attention = [this](const TapPoint& query) { return wants(query.first_token); };
    tap_ = [this](const TapPoint& point, const TensorView& tensor) {
      if (point.stage == Stage::attention) take(point, tensor);
    };
  }

  void add_query(int64_t token) { report_.queries.push_back({token, std::vector<LayerAttention>(totals_.size())}); }

  RunContext context(const Engine::Impl& model) const {
    RunContext context{*model.pool, &tap_, nullptr, {}};
    context.hooks = &hooks_;
    return context;
  }

  void find_sinks() {
    for (const std::vector<double>& total : totals_) {
      AttentionSink sink;
      const auto count = static_cast<double>(report_.sink_queries.size());
      const auto largest = std::max_element(total.begin(), total.end());
      sink.token = largest - total.begin();
      sink.weight = *largest / count;
      for (const int64_t token : report_.visual_tokens) {
        const double weight = total[static_cast<size_t>(token)] / count;
        if (sink.visual_token >= 0 && weight <= sink.visual_weight) continue;
        sink.visual_token = token;
        sink.visual_weight = weight;
      }
      report_.sinks.push_back(sink);
    }
  }

 private:
  AttendQuery* query_at(int64_t token) {
    const auto found = std::find_if(report_.queries.begin(), report_.queries.end(),
                                    [token](const AttendQuery& query) { return query.token == token; });
    return found == report_.queries.end() ? nullptr : &*found;
  }
  bool is_sink_query(int64_t token) const {
    return std::binary_search(report_.sink_queries.begin(), report_.sink_queries.end(), token);
  }
  bool wants(int64_t token) { return is_sink_query(token) || query_at(token) != nullptr; }

  // tensor: [heads, 1, keys]
  void take(const TapPoint& point, const TensorView& tensor) {
    const auto heads = static_cast<int>(tensor.shape[0]);
    const int64_t keys = point.first_token + 1;  // behind the query there are only zeros
    const int64_t stride = tensor.shape[2];
    const auto* weights = reinterpret_cast<const float*>(tensor.data);
    std::vector<float> mean(static_cast<size_t>(keys));
    for (int64_t key = 0; key < keys; ++key) {
      double sum = 0.0;
      for (int head = 0; head < heads; ++head) sum += static_cast<double>(weights[head * stride + key]);
      mean[static_cast<size_t>(key)] = static_cast<float>(sum / heads);
    }
    if (is_sink_query(point.first_token)) {
      std::vector<double>& total = totals_[static_cast<size_t>(point.layer)];
      for (size_t key = 0; key < mean.size() && key < total.size(); ++key) total[key] += static_cast<double>(mean[key]);
    }
    AttendQuery* query = query_at(point.first_token);
    if (query == nullptr) return;
    LayerAttention& layer = query->layers[static_cast<size_t>(point.layer)];
    layer.heads = heads;
    layer.mean = std::move(mean);
    for (int head = 0; head < heads; ++head) take_visual(weights + head * stride, keys, layer);
  }

  void take_visual(const float* weights, int64_t keys, LayerAttention& layer) {
    double share = 0.0;
    for (const int64_t token : report_.visual_tokens) {
      const float weight = token < keys ? weights[token] : 0.0f;
      share += static_cast<double>(weight);
      layer.visual.push_back(weight);
    }
    layer.visual_share.push_back(static_cast<float>(share));
  }

  AttendReport& report_;
  int64_t prompt_tokens_;
  std::vector<std::vector<double>> totals_;  // [layers][prompt tokens], over sink queries
  Hooks hooks_;
  Tap tap_;
};

// Prompt through the decoder; the answer is the hidden row of its last token.
Result<Tensor> run_prompt(const Engine::Impl& model, Sequence& sequence, const RunContext& context) {
  Tensor last({1, model.spec.text.hidden});
  const auto keep_last = [&](int, int64_t, const float* rows, int64_t count) {
    std::copy_n(rows + (count - 1) * last.elements(), last.elements(), last.data());
    return ok_status();
  };
  AZ_RETURN_IF_ERROR(engine::prefill(*model.decoder, {&sequence, 1}, context, keep_last));
  return last;
}

Status generate(const Engine::Impl& model, int64_t count, Sequence& sequence, Tensor hidden, Collector& collector,
                AttendReport& report) {
  const std::vector<int32_t>& ends = model.generation.end_of_text_ids;
  for (int64_t step = 0; step < count; ++step) {
    const Tensor logits = model.decoder->logits(hidden.data(), 1, *model.pool);
    const auto id = static_cast<int32_t>(kernels::argmax(logits.data(), logits.elements()));
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) return ok_status();
    report.generated_ids.push_back(id);
    AZ_ASSIGN_OR_RETURN(std::string text, model.tokenizer->decode({&id, 1}, false));
    report.generated_tokens.push_back(std::move(text));
    collector.add_query(sequence.cache.length());
    Sequence* const sequences[] = {&sequence};
    AZ_ASSIGN_OR_RETURN(hidden,
                        engine::decode_step(*model.decoder, sequences, {&id, 1}, {&step, 1}, collector.context(model)));
  }
  return ok_status();
}

Status check_room(const TextSpec& spec, int64_t prompt_tokens, int64_t generated) {
  if (generated >= 0 && prompt_tokens + generated <= spec.context_length) return ok_status();
  return out_of_range("generated tokens expected a number from 0 to " +
                      std::to_string(spec.context_length - prompt_tokens) + ", the room behind the prompt, found " +
                      std::to_string(generated));
}

}  // namespace

Result<AttendReport> attend(const Engine& engine, const Request& request, const AttendOptions& options) {
  const Engine::Impl& model = engine.impl();
  if (!model.decoder) return invalid_argument("attend expected an engine with weights, found one loaded without");
  AttendReport report;
  AZ_ASSIGN_OR_RETURN(report.prompt, inspect_prompt(engine, request));
  const Prompt& prompt = report.prompt.prompt;
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  if (tokens == 0) return invalid_argument("attend expected a prompt with tokens, found an empty one");
  AZ_RETURN_IF_ERROR(check_room(model.spec.text, tokens, options.generated));
  AZ_ASSIGN_OR_RETURN(std::vector<int64_t> queries, chosen_queries(options, tokens));
  report.visual_tokens = visual_tokens(prompt);
  report.sink_queries = sink_queries(prompt, queries);

  AZ_ASSIGN_OR_RETURN(const PolicyChoice policy, engine::choose_policy(model, request.positions));
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, engine::prepare(model, request, policy));
  Collector collector(report, std::move(queries), model.spec.text.layers.size());
  const RunContext context = collector.context(model);
  AZ_ASSIGN_OR_RETURN(const SampleFeatures features, engine::encode_sample(model, sample, context));
  AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                      decoder::inject(*model.decoder, sample.prompt, features.images, features.videos));
  Sequence sequence{std::move(sample.prompt), std::move(input), std::move(sample.positions), policy.encoding,
                    model.decoder->new_cache()};
  AZ_ASSIGN_OR_RETURN(Tensor last, run_prompt(model, sequence, context));
  AZ_RETURN_IF_ERROR(generate(model, options.generated, sequence, std::move(last), collector, report));
  collector.find_sinks();
  return report;
}

}  // namespace azimuth
