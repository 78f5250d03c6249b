// azimuth score: log-probabilities of completions, from a file of samples to a file of scores.
#include "azimuth/score.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"

namespace azimuth::tools {
namespace {

constexpr const char* kHelp =
    "samples.jsonl has one sample a line; paths are relative to the file:\n"
    "  {\"id\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"image\": "
    "\"cat.png\"},\n"
    "   {\"type\": \"text\", \"text\": \"What is it?\"}]}], \"completion\": \"A cat.\"}\n"
    "  {\"id\": \"b\", \"prompt\": \"<image>Caption:\", \"images\": [\"cat.png\"], \"completion_ids\": [319, 6635]}\n"
    "A completion is tokenised as it stands, without special tokens and without an end-of-text token.\n\n"
    "scores.jsonl gets one line for each, in order (nats):\n"
    "  {\"id\": \"a\", \"completion_ids\": [...], \"logprobs\": [...], \"entropies\": [...], \"key\": \"...\"}\n\n"
    "A run that was stopped or killed goes on where it was when the same command is given again: samples whose id\n"
    "and content are the same are not scored twice. docs/scoring.md has the rest.\n\n"
    "Example:\n"
    "  azimuth score models/azimuth-tiny --in samples.jsonl --out scores.jsonl";

struct ScoreCommand {
  ModelOptions model;
  std::string in;
  std::string out;
  ScoreFileOptions options;
  int64_t max_memory = ScoreOptions{}.max_bytes >> 20;  // MiB
  bool json = false;
};

void print_json(const ScoreFileReport& report, double seconds) {
  const nlohmann::json out = {{"samples", report.samples},
                              {"reused", report.reused},
                              {"scored", report.scored},
                              {"failed", report.failed},
                              {"prompt_tokens", report.prompt_tokens},
                              {"completion_tokens", report.completion_tokens},
                              {"shared_tokens", report.shared_tokens},
                              {"shared_media", report.shared_media},
                              {"seconds", seconds}};
  std::printf("%s\n", out.dump().c_str());
}

void print_words(const ScoreFileReport& report, double seconds) {
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "%lld of %lld samples scored in %.1f s: %lld completion tokens behind %lld of prompts, of which %lld were "
      "shared\n",
      number(report.scored), number(report.samples), seconds, number(report.completion_tokens),
      number(report.prompt_tokens), number(report.shared_tokens));
  if (report.reused > 0) std::printf("%lld were there already\n", number(report.reused));
  if (report.failed > 0) std::printf("%lld failed: their lines say why\n", number(report.failed));
}

int score_command(ScoreCommand& command) {
  command.options.score.max_bytes = command.max_memory << 20;
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  catch_interrupts();
  ProgressLine line;
  ScoreCallbacks callbacks;
  callbacks.cancel = &interrupted();
  callbacks.on_progress = [&line](std::string_view stage, double fraction) { line.show(stage, fraction); };
  const auto start = std::chrono::steady_clock::now();
  const Result<ScoreFileReport> result = score_file(*engine, command.in, command.out, command.options, callbacks);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  line.clear();
  if (!result.ok() && result.status().code() == StatusCode::cancelled) {
    return report(
        cancelled("stopped; what was scored stands in " + command.out + ", and the same command goes on from there"));
  }
  if (!result.ok()) return report(result.status());
  command.json ? print_json(*result, seconds) : print_words(*result, seconds);
  return result->failed > 0 ? 1 : 0;
}

}  // namespace

void add_score(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<ScoreCommand>();
  CLI::App* sub = app.add_subcommand("score", "Log-probability and entropy of every token of given completions");
  add_model_options(*sub, command->model, "f32");
  sub->add_option("--in", command->in, "Samples, one JSON object a line")->type_name("FILE")->required();
  sub->add_option("--out", command->out, "Scores, one line a sample; an earlier run's file is completed")
      ->type_name("FILE")
      ->required();
  ScoreOptions& options = command->options.score;
  sub->add_option("--temperature", options.temperature, "Logits are divided by it [1]")
      ->type_name("T")
      ->check(in_range(1e-6, 1e6));
  sub->add_option("--top-k", options.top, "Also write the K most probable tokens in place of each [0]")
      ->type_name("K")
      ->check(in_range(0, 1024));
  sub->add_option("--positions", command->options.positions, "Position policy [the checkpoint's own]")
      ->type_name("POLICY");
  sub->add_option("--max-memory", command->max_memory,
                  "Memory that samples in work should take beside the model, in MiB [" +
                      std::to_string(command->max_memory) + "]")
      ->type_name("N")
      ->check(in_range(int64_t{1}, int64_t{1} << 30));
  add_memory_options(*sub, command->model.engine);
  sub->add_flag(
      "--keep-going", options.keep_going,
      "Write an error in place of the scores of a sample that is wrong, instead of stopping before the first");
  sub->add_flag("--json", command->json, "Print what was done as JSON");
  sub->footer(kHelp);
  sub->callback([command, &exit_code] { exit_code = score_command(*command); });
}

}  // namespace azimuth::tools
