#include "azimuth/attend.h"

#include <algorithm>
#include <map>

#include "engine/model.h"

namespace azimuth {
namespace {

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

// Keeps rows of attention weights that pass. A row may pass again, where a sequence is computed again under the
// frequencies of a greater length; the last one counts.
class Collector {
 public:
  // Of the tokens of `queries`, and of `generated` ones behind the prompt.
  Collector(AttendReport& report, const std::vector<int64_t>& queries, int64_t generated, size_t layers)
      : report_(report), sinks_(layers) {
    const auto tokens = static_cast<int64_t>(report.prompt.prompt.ids.size());
    const auto add = [&](int64_t token) { report_.queries.push_back({token, std::vector<LayerAttention>(layers)}); };
    for (const int64_t token : queries) add(token);
    for (int64_t token = tokens; token < tokens + generated; ++token) add(token);
  }

  // Adds its own reading to what `hooks` do already.
  void attach(Hooks& hooks) {
    const auto theirs = hooks.wants_attention;
    hooks.wants_attention = [this, theirs](const TapPoint& query) {
      return wants(query.first_token) || (theirs && theirs(query));
    };
    hooks.on_read = [this, theirs, read = hooks.on_read](const TapPoint& point, const ReadTensor& tensor) {
      const bool attention = point.stage == Stage::attention;
      if (attention && wants(point.first_token)) take(point, tensor);
      if (read && (!attention || (theirs && theirs(point)))) read(point, tensor);
    };
  }

  void finish() {
    // An answer may have ended before all of its tokens were there.
    const auto unread = [](const AttendQuery& query) { return query.layers[0].heads == 0; };
    std::erase_if(report_.queries, unread);
    for (const auto& rows : sinks_) report_.sinks.push_back(sink_of(rows));
  }

 private:
  using RowsByQuery = std::map<int64_t, std::vector<float>>;  // mean over heads [keys], by query token

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
  void take(const TapPoint& point, const ReadTensor& tensor) {
    LayerAttention layer;
    layer.heads = static_cast<int>(tensor.shape[0]);
    const auto stride = static_cast<size_t>(tensor.shape[2]);
    const auto keys = static_cast<size_t>(point.first_token + 1);  // behind the query there are only zeros
    layer.mean = mean_over_heads(tensor.values, layer.heads, stride, keys);
    if (is_sink_query(point.first_token)) sinks_[static_cast<size_t>(point.layer)][point.first_token] = layer.mean;
    AttendQuery* query = query_at(point.first_token);
    if (query == nullptr) return;
    for (size_t head = 0; head < static_cast<size_t>(layer.heads); ++head) {
      take_visual(tensor.values.subspan(head * stride, keys), layer);
    }
    query->layers[static_cast<size_t>(point.layer)] = std::move(layer);
  }

  static std::vector<float> mean_over_heads(std::span<const float> weights, int heads, size_t stride, size_t keys) {
    std::vector<float> mean(keys);
    for (size_t key = 0; key < keys; ++key) {
      double sum = 0.0;
      for (size_t head = 0; head < static_cast<size_t>(heads); ++head) {
        sum += static_cast<double>(weights[head * stride + key]);
      }
      mean[key] = static_cast<float>(sum / heads);
    }
    return mean;
  }

  // weights: of one head [keys]
  void take_visual(std::span<const float> weights, LayerAttention& layer) const {
    double share = 0.0;
    for (const int64_t token : report_.visual_tokens) {
      const auto key = static_cast<size_t>(token);
      const float weight = key < weights.size() ? weights[key] : 0.0f;
      share += static_cast<double>(weight);
      layer.visual.push_back(weight);
    }
    layer.visual_share.push_back(static_cast<float>(share));
  }

  AttentionSink sink_of(const RowsByQuery& rows) const {
    std::vector<double> total(report_.prompt.prompt.ids.size());
    for (const auto& [query, row] : rows) {
      for (size_t key = 0; key < row.size(); ++key) total[key] += static_cast<double>(row[key]);
    }
    const auto count = static_cast<double>(std::max<size_t>(1, rows.size()));
    AttentionSink sink;
    const auto largest = std::max_element(total.begin(), total.end());
    sink.token = largest - total.begin();
    sink.weight = *largest / count;
    for (const int64_t token : report_.visual_tokens) {
      const double weight = total[static_cast<size_t>(token)] / count;
      if (sink.visual_token >= 0 && weight <= sink.visual_weight) continue;
      sink.visual_token = token;
      sink.visual_weight = weight;
    }
    return sink;
  }

  AttendReport& report_;
  std::vector<RowsByQuery> sinks_;  // [layers]
};

// Generated tokens are drawn one further than asked for: a token is read when it is fed back.
GenerateOptions greedy(int64_t generated) {
  GenerateOptions options;
  options.temperature = 0.0;
  options.max_new_tokens = generated == 0 ? 0 : generated + 1;
  return options;
}

Status check_room(int64_t context, int64_t prompt_tokens, int64_t generated) {
  const int64_t room = context - prompt_tokens - 1;
  if (generated >= 0 && generated <= room) return ok_status();
  return out_of_range("generated tokens expected a number from 0 to " + std::to_string(std::max<int64_t>(0, room)) +
                      ", the room behind the prompt, found " + std::to_string(generated));
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
  AZ_RETURN_IF_ERROR(check_room(model.spec.text.context_length, tokens, options.generated));
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> queries, chosen_queries(options, tokens));
  report.visual_tokens = visual_tokens(prompt);
  report.sink_queries = sink_queries(prompt, queries);

  Collector collector(report, queries, options.generated, model.spec.text.layers.size());
  Request observed = request;
  collector.attach(observed.hooks);
  GenerateCallbacks callbacks;
  callbacks.cancel = options.cancel;
  AZ_ASSIGN_OR_RETURN(const Generation answer,
                      Session(engine).generate(observed, greedy(options.generated), callbacks));
  if (answer.finish == FinishReason::cancelled) return cancelled("stopped on request");
  for (const int32_t id : answer.ids) {
    if (static_cast<int64_t>(report.generated_ids.size()) == options.generated) break;
    AZ_ASSIGN_OR_RETURN(std::string text, model.tokenizer->decode({&id, 1}, false));
    report.generated_ids.push_back(id);
    report.generated_tokens.push_back(std::move(text));
  }
  collector.finish();
  return report;
}

}  // namespace azimuth
