#include "commands/generate_options.h"

#include <cstdio>
#include <string>

#include "commands/common.h"

namespace azimuth::tools {

void add_generate_options(CLI::App& command, GenerateOptions& options) {
  command.add_option("--max-tokens", options.max_new_tokens, "Most tokens of the answer [512]")
      ->type_name("N")
      ->check(in_range(int64_t{1}, int64_t{1} << 31));
  command.add_option("--temperature", options.temperature, "0 is greedy [the checkpoint's generation_config.json]")
      ->type_name("N")
      ->check(in_range(0.0, 100.0));
  command.add_option("--top-k", options.top_k, "Draw from the K likeliest tokens; 0: all")
      ->type_name("N")
      ->check(in_range(int64_t{0}, int64_t{1} << 31));
  command.add_option("--top-p", options.top_p, "Draw from the likeliest tokens that hold this probability")
      ->type_name("N")
      ->check(in_range(0.0, 1.0));
  command.add_option("--min-p", options.min_p, "Drop tokens below this share of the likeliest one's probability")
      ->type_name("N")
      ->check(in_range(0.0, 1.0));
  command
      .add_option("--repetition-penalty", options.repetition_penalty,
                  "Above 1: tokens of prompt and answer become less likely")
      ->type_name("N");
  command.add_option("--presence-penalty", options.presence_penalty, "Subtracted once from tokens the answer has")
      ->type_name("N")
      ->check(in_range(-2.0, 2.0));
  command
      .add_option("--frequency-penalty", options.frequency_penalty, "Subtracted for each time the answer has the token")
      ->type_name("N")
      ->check(in_range(-2.0, 2.0));
  command.add_option("--seed", options.seed, "Seed of the random numbers [0]")->type_name("N");
  command.add_option("--stop", options.stop, "Text that ends the answer; may be given more than once")
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", options.ignore_eos, "Go on after an end-of-text token");
}

namespace {

// "1 picture, 2 videos"
std::string count_media(int64_t pictures, int64_t videos) {
  const auto count = [](int64_t number, const char* noun) {
    return number == 0 ? std::string() : std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
  };
  std::string text = count(pictures, "picture");
  if (pictures > 0 && videos > 0) text += ", ";
  return text + count(videos, "video");
}

}  // namespace

void print_reuse(const Generation& generation) {
  if (generation.cached_images + generation.cached_videos > 0) {
    std::fprintf(stderr, "vision: %s from the cache (%lld patches)\n",
                 count_media(generation.cached_images, generation.cached_videos).c_str(),
                 static_cast<long long>(generation.cached_patches));
  }
  if (generation.cached_tokens > 0) {
    std::fprintf(stderr, "prefill: %lld of %lld tokens new\n",
                 static_cast<long long>(generation.prompt_tokens - generation.cached_tokens),
                 static_cast<long long>(generation.prompt_tokens));
  }
}

void print_stages(const Generation& generation) {
  for (const StageTime& stage : generation.stages) {
    const double rate = stage.seconds > 0.0 ? static_cast<double>(stage.items) / stage.seconds : 0.0;
    std::fprintf(stderr, "%-10s %9.1f ms  %6lld %-8s %9.1f %s/s\n", stage.name.c_str(), stage.seconds * 1e3,
                 static_cast<long long>(stage.items), stage.unit.c_str(), rate, stage.unit.c_str());
  }
  print_reuse(generation);
  if (generation.moved_tokens > 0) {
    std::fprintf(stderr,
                 "%lld of the others have other ids than their hidden states were computed under (--keys raw)\n",
                 static_cast<long long>(generation.moved_tokens));
  }
  if (generation.prefills_again > 0) {
    std::fprintf(stderr,
                 "the sequence was computed again %lld times, because its frequencies follow its length "
                 "(--frequencies rerotate)\n",
                 static_cast<long long>(generation.prefills_again));
  }
  if (generation.kept_old_turns) {
    std::fprintf(stderr,
                 "frequencies changed with the length, and keys in the cache kept their turn "
                 "(--frequencies as-reference)\n");
  }
}

}  // namespace azimuth::tools
