// azimuth bench: the speed of every stage on this machine.
#include "azimuth/bench.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"

namespace azimuth::tools {
namespace {

struct BenchCommand {
  ModelOptions model;
  BenchOptions options;
  std::string image;  // WIDTHxHEIGHT
  bool json = false;
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

int bench_command(BenchCommand& command) {
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
  sub->footer("Example:\n  azimuth bench MODEL --dtype bf16 --prompt-tokens 256 --gen 32 --image 416x288");
  sub->callback([command, &exit_code] { exit_code = bench_command(*command); });
}

}  // namespace azimuth::tools
