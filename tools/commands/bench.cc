// azimuth bench: the speed of every stage on this machine.
#include "azimuth/bench.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "azimuth/accuracy.h"
#include "commands/common.h"

namespace azimuth::tools {
namespace {

struct BenchCommand {
  ModelOptions model;
  BenchOptions options;
  std::string image;  // WIDTHxHEIGHT
  bool json = false;
  bool accuracy = false;
  std::string messages_file;
  AccuracyOptions accuracy_options;
};

Status parse_size(const std::string& text, BenchOptions& options) {
  if (text.empty()) return ok_status();
  long long width = 0;
  long long height = 0;
  int used = 0;
  const bool parsed =
      std::sscanf(text.c_str(), "%lldx%lld%n", &width, &height, &used) == 2 && static_cast<size_t>(used) == text.size();
  if (!parsed || width < 1 || height < 1 || width > 16384 || height > 16384) {
    return invalid_argument("--image expected WIDTHxHEIGHT with sides of 1 to 16384 pixels, found \"" + text + "\"");
  }
  options.image_width = width;
  options.image_height = height;
  return ok_status();
}

double percent(double part, double whole) {
  return whole > 0.0 ? 100.0 * part / whole : 0.0;
}

void print_accuracy(const AccuracyReport& r, bool as_json) {
  const auto questions = static_cast<double>(r.questions);
  if (as_json) {
    nlohmann::json out = {{"model_type", r.model_type},
                          {"dtype", r.dtype},
                          {"reference_dtype", "f32"},
                          {"prompts", r.prompts},
                          {"tokens", r.tokens},
                          {"mean_kl", r.mean_kl},
                          {"max_kl", r.max_kl},
                          {"top1_agreement", r.top1_agreement},
                          {"mean_logprob_difference", r.mean_logprob_difference},
                          {"max_logprob_difference", r.max_logprob_difference}};
    if (r.questions > 0) {
      out["questions"] = {{"asked", r.questions}, {"right", r.right}, {"right_in_f32", r.right_in_f32}};
    }
    std::puts(out.dump().c_str());
    return;
  }
  std::printf("%s, %s against f32, %lld prompts, %lld tokens\n", r.model_type.c_str(), r.dtype.c_str(),
              static_cast<long long>(r.prompts), static_cast<long long>(r.tokens));
  std::printf("KL(f32 || %s)      mean %.3g, largest %.3g nats per token\n", r.dtype.c_str(), r.mean_kl, r.max_kl);
  std::printf("same likeliest token %.2f %%\n", 100.0 * r.top1_agreement);
  std::printf("log-probabilities    differ by at most %.3g nats (mean over tokens), %.3g (largest)\n",
              r.mean_logprob_difference, r.max_logprob_difference);
  if (r.questions == 0) return;
  std::printf("right answers        %.1f %% of %lld questions, %.1f %% in f32\n",
              percent(static_cast<double>(r.right), questions), static_cast<long long>(r.questions),
              percent(static_cast<double>(r.right_in_f32), questions));
}

int accuracy_command(BenchCommand& command) {
  AccuracyOptions& options = command.accuracy_options;
  if (!command.messages_file.empty()) {
    Result<std::string> text = read_text_file(command.messages_file);
    if (!text.ok()) return report(text.status());
    options.messages = std::move(*text);
    options.base_directory = directory_of(command.messages_file);
  }
  ProgressLine line;
  command.model.engine.progress = [&line](double fraction) {
    line.show("loading", fraction);
    if (fraction >= 1.0) line.clear();
  };
  const Result<AccuracyReport> result = measure_accuracy(command.model.model, command.model.engine, options);
  line.clear();
  if (!result.ok()) return report(result.status());
  print_accuracy(*result, command.json);
  return 0;
}

int bench_command(BenchCommand& command) {
  if (command.accuracy) return accuracy_command(command);
  if (const Status status = parse_size(command.image, command.options); !status.ok()) return report(status);
  const auto start = std::chrono::steady_clock::now();
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Result<BenchReport> result = bench(*engine, command.options);
  if (!result.ok()) return report(result.status());
  const BenchReport& r = *result;
  const ModelInfo info = engine->info();
  if (command.json) {
    const nlohmann::json out = {{"dtype", info.dtype},
                                {"threads", info.threads},
                                {"cpu", r.cpu},
                                {"load_s", load_seconds},
                                {"preprocess_ms", r.preprocess_ms},
                                {"vision_ms", r.vision_ms},
                                {"vision_patches", r.vision_patches},
                                {"prefill_tok_s", r.prefill_tok_s},
                                {"decode_tok_s", r.decode_tok_s},
                                {"first_question_ms", r.first_question_ms},
                                {"second_question_ms", r.second_question_ms},
                                {"second_question_new_tokens", r.second_question_new_tokens},
                                {"peak_rss_mb", r.peak_rss_mb}};
    std::puts(out.dump().c_str());
    return 0;
  }
  std::printf("%s, %s, %d thread%s, %s kernels\n", info.model_type.c_str(), info.dtype.c_str(), info.threads,
              info.threads == 1 ? "" : "s", r.cpu.c_str());
  std::printf("load        %10.2f s\n", load_seconds);
  if (r.vision_patches > 0) {
    std::printf("preprocess  %10.2f ms\n", r.preprocess_ms);
    std::printf("vision      %10.2f ms   %lld patches\n", r.vision_ms, static_cast<long long>(r.vision_patches));
  }
  std::printf("prefill     %10.1f tokens/s   %lld tokens\n", r.prefill_tok_s,
              static_cast<long long>(command.options.prompt_tokens));
  std::printf("decode      %10.1f tokens/s   %lld tokens\n", r.decode_tok_s,
              static_cast<long long>(command.options.generated_tokens));
  std::printf("peak memory %10.1f MB\n", r.peak_rss_mb);
  if (r.first_question_ms > 0.0) {
    std::printf("question    %10.2f ms   to the first token of an answer about the picture\n", r.first_question_ms);
    std::printf("another one %10.2f ms   about the same picture: %lld new tokens\n", r.second_question_ms,
                static_cast<long long>(r.second_question_new_tokens));
  }
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub =
      app.add_subcommand("bench", "Measure every stage: medians after a warm-up, with a made-up prompt and picture");
  add_model_options(*sub, command->model, "bf16");
  add_memory_options(*sub, command->model.engine);
  sub->add_option("--prompt-tokens", command->options.prompt_tokens, "Tokens of the prompt [256]")
      ->type_name("N")
      ->check(in_range(1, 1 << 20));
  sub->add_option("--gen", command->options.generated_tokens, "Tokens to generate [32]")
      ->type_name("N")
      ->check(in_range(1, 1 << 20));
  sub->add_option("--image", command->image, "Size of a made-up picture, such as 416x288 [none]")->type_name("WxH");
  sub->add_option("--positions", command->options.positions, "Position policy [the checkpoint's own]")
      ->type_name("POLICY");
  sub->add_option("--repetitions", command->options.repetitions, "Runs after the warm-up; the median is printed [3]")
      ->type_name("N")
      ->check(in_range(1, 1000));
  sub->add_flag("--json", command->json, "Print JSON");
  CLI::Option* accuracy =
      sub->add_flag("--accuracy", command->accuracy,
                    "Compare with f32 on the same prompts instead, and ask questions with known answers");
  sub->add_option("--reference", command->accuracy_options.reference,
                  "The original checkpoint, where MODEL is a quantised directory")
      ->type_name("MODEL")
      ->needs(accuracy);
  sub->add_option("--messages", command->messages_file,
                  "JSON file with a conversation, or a list of them, in place of the built-in prompts")
      ->type_name("FILE")
      ->needs(accuracy);
  sub->add_option("--questions", command->accuracy_options.questions_file,
                  "JSON file with questions and answers [MODEL/evaluation/questions.json, where there is one]")
      ->type_name("FILE")
      ->needs(accuracy);
  sub->footer("Example:\n  azimuth bench MODEL --dtype bf16 --prompt-tokens 256 --gen 32 --image 416x288");
  sub->callback([command, &exit_code] { exit_code = bench_command(*command); });
}

}  // namespace azimuth::tools
