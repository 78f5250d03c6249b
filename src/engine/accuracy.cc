#include "azimuth/accuracy.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "azimuth/session.h"
#include "base/json.h"
#include "base/mmap.h"
#include "decoder/inject.h"
#include "engine/accuracy_prompts.h"
#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/prepare.h"
#include "engine/start_sequence.h"

namespace azimuth {
namespace {

using nlohmann::json;

constexpr size_t kMostRemembered = size_t{1} << 30;  // bytes of log-probabilities
constexpr size_t kLargestFile = size_t{64} << 20;

// Log-probabilities of the reference: those of prompt tokens, in order, then those behind each generated one.
struct Remembered {
  std::vector<int32_t> generated;
  std::vector<std::vector<float>> logprobs;  // [tokens][vocab]
};

// What two models differ in, summed over tokens.
struct Sums {
  int64_t tokens = 0;
  int64_t agreements = 0;
  double kl = 0.0;
  double largest_kl = 0.0;
  double difference = 0.0;
  double largest_difference = 0.0;

  void add(const std::vector<float>& reference, const std::vector<float>& other) {
    double divergence = 0.0;
    double most = 0.0;
    for (size_t i = 0; i < reference.size(); ++i) {
      if (std::isinf(reference[i]) && std::isinf(other[i])) continue;  // no model writes it
      const double apart = static_cast<double>(reference[i]) - other[i];
      divergence += std::exp(static_cast<double>(reference[i])) * apart;
      most = std::max(most, std::abs(apart));
    }
    const auto width = static_cast<int64_t>(reference.size());
    ++tokens;
    agreements += kernels::argmax(reference.data(), width) == kernels::argmax(other.data(), width);
    kl += divergence;
    largest_kl = std::max(largest_kl, divergence);
    difference += most;
    largest_difference = std::max(largest_difference, most);
  }
};

// Runs one prompt; `row` gets the log-probabilities behind each token that is looked at.
class PromptRun {
 public:
  using Row = std::function<Status(const std::vector<float>& logprobs)>;

  PromptRun(const Engine::Impl& model, int64_t every, Row row)
      : model_(model), context_{*model.pool, nullptr, nullptr, {}}, every_(every), row_(std::move(row)) {}

  // Prefills the prompt, then feeds `forced` where it is given, or else chooses up to `steps` tokens greedily.
  Result<std::vector<int32_t>> run(const Request& request, const std::vector<int32_t>* forced, int64_t steps) {
    AZ_ASSIGN_OR_RETURN(engine::Sequence sequence, start(request));
    int32_t likeliest = 0;
    AZ_RETURN_IF_ERROR(engine::prefill(*model_.decoder, {&sequence, 1}, context_,
                                       [&](int, int64_t first, const float* rows, int64_t count) {
                                         return look(sequence.prompt, first, rows, count, likeliest);
                                       }));
    std::vector<int32_t> ids;
    engine::Sequence* const one = &sequence;
    for (int64_t step = 0; step < steps; ++step) {
      const int32_t id = forced == nullptr ? likeliest : (*forced)[static_cast<size_t>(step)];
      if (forced == nullptr && std::ranges::count(model_.generation.end_of_text_ids, id) > 0) break;
      ids.push_back(id);
      AZ_ASSIGN_OR_RETURN(const Tensor hidden,
                          engine::decode_step(*model_.decoder, {&one, 1}, {&id, 1}, {&step, 1}, context_));
      AZ_RETURN_IF_ERROR(look_at(hidden.data(), likeliest));
    }
    return ids;
  }

 private:
  Result<engine::Sequence> start(const Request& request) {
    AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice policy, engine::choose_policy(model_, ""));
    AZ_ASSIGN_OR_RETURN(const engine::PreparedSample sample, engine::prepare(model_, request, policy));
    AZ_ASSIGN_OR_RETURN(const engine::SampleFeatures features, engine::encode_sample(model_, sample, context_));
    AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                        decoder::inject(*model_.decoder, sample.prompt, features.images, features.videos));
    AZ_ASSIGN_OR_RETURN(const engine::SequenceOptions options, engine::sequence_options(request));
    AZ_ASSIGN_OR_RETURN(engine::Sequence sequence, engine::start_sequence(model_, options, sample, std::move(input)));
    AZ_RETURN_IF_ERROR(engine::enter_decoder(context_, 0, sequence));
    return sequence;
  }

  // Rows of prompt tokens [first, first + count): every so-many-th text token, and always the last one.
  Status look(const Prompt& prompt, int64_t first, const float* rows, int64_t count, int32_t& likeliest) {
    const int64_t width = model_.spec.text.hidden;
    const auto last = static_cast<int64_t>(prompt.ids.size()) - 1;
    for (const Span& span : prompt.spans) {
      if (span.kind != SpanKind::text) continue;
      for (int64_t token = std::max(span.begin, first); token < std::min(span.end, first + count); ++token) {
        if (token % every_ != 0 && token != last) continue;
        AZ_RETURN_IF_ERROR(look_at(rows + (token - first) * width, likeliest));
      }
    }
    return ok_status();
  }

  Status look_at(const float* hidden, int32_t& likeliest) {
    const int64_t vocab = model_.spec.text.vocab;
    const Tensor logits = model_.decoder->logits(hidden, 1, *model_.pool);
    double lse = 0.0;
    kernels::log_sum_exp(logits.data(), 1, vocab, vocab, 1.0f, &lse, nullptr, *model_.pool);
    std::vector<float> logprobs(static_cast<size_t>(vocab));
    for (size_t i = 0; i < logprobs.size(); ++i) logprobs[i] = static_cast<float>(logits.data()[i] - lse);
    likeliest = static_cast<int32_t>(kernels::argmax(logprobs.data(), vocab));
    return row_(logprobs);
  }

  const Engine::Impl& model_;
  RunContext context_;
  int64_t every_;
  Row row_;
};

// One conversation, or a list of them.
Result<std::vector<Request>> read_requests(const Engine::Impl& model, const AccuracyOptions& options) {
  std::vector<std::string> conversations;
  if (options.messages.empty()) {
    conversations = engine::accuracy_prompts(model.spec.vision.has_value());
  } else {
    AZ_ASSIGN_OR_RETURN(const json root, parse_json(options.messages, "messages"));
    if (!root.is_array() || root.empty()) {
      return invalid_argument("messages expected a JSON list of messages, or of such lists, found something else");
    }
    const bool several = root[0].is_array();
    for (const json& each : several ? root : json::array({root})) conversations.push_back(each.dump());
  }
  std::vector<Request> requests;
  for (std::string& messages : conversations) {
    Request request;
    request.messages = std::move(messages);
    request.base_directory = options.base_directory;
    requests.push_back(std::move(request));
  }
  return requests;
}

// So many text tokens are passed over that what is remembered of the others fits.
Result<int64_t> step_of(const Engine::Impl& model, const std::vector<Request>& requests, int64_t generated) {
  size_t tokens = 0;
  AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice policy, engine::choose_policy(model, ""));
  for (const Request& request : requests) {
    AZ_ASSIGN_OR_RETURN(const engine::PreparedSample sample, engine::prepare(model, request, policy));
    for (const Span& span : sample.prompt.spans) {
      if (span.kind == SpanKind::text) tokens += static_cast<size_t>(span.end - span.begin);
    }
  }
  const size_t row = static_cast<size_t>(model.spec.text.vocab) * sizeof(float);
  const size_t always = requests.size() * static_cast<size_t>(generated + 1) * row;
  const size_t left = kMostRemembered > always ? kMostRemembered - always : row;
  return static_cast<int64_t>(std::max<size_t>(1, (tokens * row + left - 1) / left));
}

struct Question {
  Request request;
  std::string answer;
};

Result<std::vector<Question>> read_questions(const std::string& file, bool asked_for) {
  std::vector<Question> questions;
  std::error_code error;
  if (!asked_for && !std::filesystem::exists(file, error)) return questions;
  AZ_ASSIGN_OR_RETURN(const std::string text, read_file(file, kLargestFile));
  AZ_ASSIGN_OR_RETURN(const json root, parse_json(text, file));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> items, JsonView(root, file).items());
  for (const JsonView& item : items) {
    Question question;
    AZ_ASSIGN_OR_RETURN(const std::string asked, item.string("question"));
    AZ_ASSIGN_OR_RETURN(question.answer, item.string("answer"));
    json parts = json::array();
    if (item.has("image")) {
      AZ_ASSIGN_OR_RETURN(const std::string image, item.string("image"));
      parts.push_back({{"type", "image"}, {"image", image}});
    }
    parts.push_back({{"type", "text"}, {"text", asked}});
    question.request.messages = json::array({{{"role", "user"}, {"content", parts}}}).dump();
    question.request.base_directory = std::filesystem::path(file).parent_path().string();
    questions.push_back(std::move(question));
  }
  return questions;
}

Result<int64_t> right_answers(const Engine& engine, const std::vector<Question>& questions) {
  int64_t right = 0;
  for (const Question& question : questions) {
    GenerateOptions greedy;
    greedy.temperature = 0.0;
    greedy.max_new_tokens = 32;
    Session session(engine);
    AZ_ASSIGN_OR_RETURN(const Generation answer, session.generate(question.request, greedy));
    right += answer.text == question.answer;
  }
  return right;
}

struct Reference {
  std::vector<Request> requests;
  int64_t every = 1;
  std::vector<Remembered> prompts;
  std::vector<Question> questions;
  int64_t right = 0;
  int64_t vocab = 0;
};

Result<Reference> run_reference(const std::string& model, EngineOptions engine_options,
                                const AccuracyOptions& options) {
  engine_options.dtype = "f32";
  AZ_ASSIGN_OR_RETURN(const Engine engine, Engine::load(model, engine_options));
  const Engine::Impl& impl = engine.impl();
  Reference reference;
  reference.vocab = impl.spec.text.vocab;
  AZ_ASSIGN_OR_RETURN(reference.requests, read_requests(impl, options));
  AZ_ASSIGN_OR_RETURN(reference.every, step_of(impl, reference.requests, options.generated_tokens));
  for (const Request& request : reference.requests) {
    Remembered remembered;
    PromptRun run(impl, reference.every, [&](const std::vector<float>& logprobs) {
      remembered.logprobs.push_back(logprobs);
      return ok_status();
    });
    AZ_ASSIGN_OR_RETURN(remembered.generated, run.run(request, nullptr, options.generated_tokens));
    reference.prompts.push_back(std::move(remembered));
  }
  const std::string own = impl.directory + "/evaluation/questions.json";
  const bool asked_for = !options.questions_file.empty();
  AZ_ASSIGN_OR_RETURN(reference.questions, read_questions(asked_for ? options.questions_file : own, asked_for));
  AZ_ASSIGN_OR_RETURN(reference.right, right_answers(engine, reference.questions));
  return reference;
}

Status compare(const Engine::Impl& model, const Reference& reference, Sums& sums) {
  for (size_t i = 0; i < reference.requests.size(); ++i) {
    const Remembered& remembered = reference.prompts[i];
    size_t token = 0;
    PromptRun run(model, reference.every, [&](const std::vector<float>& logprobs) {
      if (token >= remembered.logprobs.size()) return internal_error("a prompt has other tokens than in f32");
      sums.add(remembered.logprobs[token++], logprobs);
      return ok_status();
    });
    AZ_RETURN_IF_ERROR(
        run.run(reference.requests[i], &remembered.generated, static_cast<int64_t>(remembered.generated.size()))
            .status());
  }
  return ok_status();
}

}  // namespace

Result<AccuracyReport> measure_accuracy(const std::string& model, const EngineOptions& engine_options,
                                        const AccuracyOptions& options) {
  EngineOptions without = engine_options;
  without.load_weights = false;
  AZ_ASSIGN_OR_RETURN(const Engine described, Engine::load(model, without));
  if (described.info().quantised && options.reference.empty()) {
    return invalid_argument(model + " expected its original beside it, because it holds " + described.info().dtype +
                            " only; give --reference DIR");
  }
  AZ_ASSIGN_OR_RETURN(const Reference reference,
                      run_reference(options.reference.empty() ? model : options.reference, engine_options, options));
  AZ_ASSIGN_OR_RETURN(const Engine engine, Engine::load(model, engine_options));
  const Engine::Impl& impl = engine.impl();
  if (impl.spec.text.vocab != reference.vocab) {
    return invalid_argument("--reference expected the original of " + model + " with a vocabulary of " +
                            std::to_string(impl.spec.text.vocab) + ", found one of " + std::to_string(reference.vocab));
  }
  Sums sums;
  AZ_RETURN_IF_ERROR(compare(impl, reference, sums));
  AccuracyReport report;
  report.model_type = impl.spec.model_type;
  report.dtype = impl.options.dtype;
  report.prompts = static_cast<int64_t>(reference.requests.size());
  report.tokens = sums.tokens;
  const auto count = static_cast<double>(std::max<int64_t>(1, sums.tokens));
  report.mean_kl = sums.kl / count;
  report.max_kl = sums.largest_kl;
  report.top1_agreement = static_cast<double>(sums.agreements) / count;
  report.mean_logprob_difference = sums.difference / count;
  report.max_logprob_difference = sums.largest_difference;
  report.questions = static_cast<int64_t>(reference.questions.size());
  report.right_in_f32 = reference.right;
  AZ_ASSIGN_OR_RETURN(report.right, right_answers(engine, reference.questions));
  return report;
}

}  // namespace azimuth
