#include "azimuth/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "azimuth/log.h"
#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/prepare.h"
#include "engine/question_bench.h"
#include "engine/sequence.h"
#include "preprocess/preprocess.h"
#include "vision/arrangement/arrangement.h"

namespace azimuth {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds of one call of `body`: the median of `repetitions` after one warm-up.
template <typename Body>
Result<double> time_of(int repetitions, const Body& body) {
  std::vector<double> seconds;
  for (int i = 0; i <= repetitions; ++i) {
    const Clock::time_point start = Clock::now();
    AZ_RETURN_IF_ERROR(body());
    if (i > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return median(std::move(seconds));
}

// A picture with some structure everywhere: the content does not change the work.
media::Image made_up_picture(int64_t width, int64_t height) {
  media::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  return image;
}

Status bench_vision(const Engine::Impl& model, const BenchOptions& options, BenchReport& report) {
  if (options.image_width == 0) return ok_status();
  if (!model.tower) return invalid_argument("bench --image expected a model with a vision tower, found a text model");
  const media::Image image = made_up_picture(options.image_width, options.image_height);
  preprocess::MediaPixels pixels;
  AZ_ASSIGN_OR_RETURN(
      const double preprocess_s, time_of(options.repetitions, [&]() -> Status {
        AZ_ASSIGN_OR_RETURN(pixels, preprocess::preprocess_image(image, model.processors.image, *model.pool));
        AZ_ASSIGN_OR_RETURN(pixels.blocks, vision::feature_blocks({*model.spec.vision, pixels, false, 1}));
        return ok_status();
      }));
  const RunContext context{*model.pool, nullptr, nullptr, {}};
  AZ_ASSIGN_OR_RETURN(
      const double vision_s, time_of(options.repetitions, [&] {
        return engine::encode_media(model, std::array{engine::MediaToEncode{&pixels}}, context).status();
      }));
  report.preprocess_ms = preprocess_s * 1e3;
  report.vision_ms = vision_s * 1e3;
  report.vision_patches = pixels.patches();
  return ok_status();
}

// A text prompt of the asked length; token values do not change the work.
Result<engine::Sequence> made_up_prompt(const Engine::Impl& model, const engine::PolicyChoice& policy, int64_t tokens) {
  Prompt prompt;
  for (int64_t i = 0; i < tokens; ++i) prompt.ids.push_back(static_cast<int32_t>(i * 7919 % model.spec.text.vocab));
  Span span;
  span.end = tokens;
  prompt.spans.push_back(span);
  AZ_ASSIGN_OR_RETURN(PositionTable positions, positions::layout_prompt(policy.policy, prompt.spans, {}));
  decoder::DecoderInput input;
  input.ids = prompt.ids;
  AZ_ASSIGN_OR_RETURN(input.hidden, model.decoder->embed(prompt.ids));
  return engine::Sequence{std::move(prompt), std::move(input), std::move(positions), policy.encoding,
                          model.decoder->new_cache()};
}

Status generate(const Engine::Impl& model, engine::Sequence& sequence, int64_t tokens) {
  const RunContext context{*model.pool, nullptr, nullptr, {}};
  engine::Sequence* const one = &sequence;
  engine::StepWorkspace work;
  decoder::HeadWorkspace head;
  int32_t id = 0;
  for (int64_t step = 0; step < tokens; ++step) {
    AZ_RETURN_IF_ERROR(engine::decode_step(*model.decoder, {&one, 1}, {&id, 1}, {&step, 1}, context, work));
    model.decoder->logits(work.hidden.data(), 1, head, *model.pool);
    id = static_cast<int32_t>(kernels::argmax(head.logits.data(), model.spec.text.vocab));
  }
  return ok_status();
}

Status bench_decoder(const Engine::Impl& model, const BenchOptions& options, BenchReport& report) {
  AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice policy,
                      engine::choose_policy(model, options.positions, options.prompt_tokens));
  AZ_ASSIGN_OR_RETURN(engine::Sequence sequence, made_up_prompt(model, policy, options.prompt_tokens));
  sequence.last_row_only = true;
  const RunContext context{*model.pool, nullptr, nullptr, {}};
  const auto ignore_rows = [](int, int64_t, const float*, int64_t) { return ok_status(); };
  AZ_ASSIGN_OR_RETURN(const double prefill_s, time_of(options.repetitions, [&]() -> Status {
                        AZ_RETURN_IF_ERROR(sequence.cache.truncate(0));
                        return engine::prefill(*model.decoder, {&sequence, 1}, context, ignore_rows);
                      }));
  const decoder::CacheState prompt = sequence.cache;
  AZ_ASSIGN_OR_RETURN(const double decode_s, time_of(options.repetitions, [&] {
                        sequence.cache = prompt;
                        return generate(model, sequence, options.generated_tokens);
                      }));
  report.prefill_tok_s = static_cast<double>(options.prompt_tokens) / prefill_s;
  report.decode_tok_s = static_cast<double>(options.generated_tokens) / decode_s;
  return ok_status();
}

// A model that takes no such request (a base model with a short context) has figures of its stages all the same.
void time_questions(const Engine& engine, const BenchOptions& options, BenchReport& report) {
  if (options.image_width == 0) return;
  const Result<engine::QuestionTimes> times = engine::bench_questions(
      engine, made_up_picture(options.image_width, options.image_height), options.positions, options.repetitions);
  if (!times.ok()) {
    log(LogLevel::warning, "bench: questions about the picture were not timed: " + times.status().message());
    return;
  }
  report.first_question_ms = times->first_s * 1e3;
  report.second_question_ms = times->second_s * 1e3;
  report.second_question_new_tokens = times->second_new_tokens;
}

}  // namespace

Result<BenchReport> bench(const Engine& engine, const BenchOptions& options) {
  const Engine::Impl& model = engine.impl();
  if (!model.decoder) return invalid_argument("bench expected an engine with weights, found one loaded without");
  BenchReport report;
  report.cpu = kernels::to_string(kernels::active_level());
  AZ_RETURN_IF_ERROR(bench_vision(model, options, report));
  AZ_RETURN_IF_ERROR(bench_decoder(model, options, report));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  report.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
  time_questions(engine, options, report);
  return report;
}

}  // namespace azimuth
