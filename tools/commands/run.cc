// azimuth run: one question, one answer, streamed.
#include <chrono>
#include <cstdio>
#include <memory>

#include "azimuth/features.h"
#include "commands/common.h"
#include "commands/generate_options.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

struct RunOptions {
  ModelOptions model;
  GenerateOptions generate;
  std::string prompt;
  std::string system;
  std::string messages_file;
  MediaArguments media;
  std::vector<std::string> embeds;  // files of features
  std::vector<int64_t> image_grid;  // of a file that does not say its own: patches t, h, w
  PositionOptions positions;
  bool print_positions = false;
  bool verbose = false;
};

// The features of --image-embeds, behind the pictures of --image.
Status add_embeds(const RunOptions& options, MediaArguments& media, Request& request) {
  for (const std::string& path : options.embeds) {
    AZ_ASSIGN_OR_RETURN(FeatureInput features, read_features(path));
    if (!features.geometry.grid && options.image_grid.size() == 3) {
      features.geometry.grid = Grid{options.image_grid[0], options.image_grid[1], options.image_grid[2]};
    }
    media.images.push_back("memory:" + std::to_string(request.media.size()));
    request.media.push_back(std::move(features));
  }
  return ok_status();
}

Result<Request> make_request(const RunOptions& options) {
  Request request;
  AZ_RETURN_IF_ERROR(apply_position_options(options.positions, request));
  if (!options.messages_file.empty()) {
    if (!options.prompt.empty() || !options.media.empty() || !options.embeds.empty()) {
      return invalid_argument(
          "--messages expected to be the whole request, found a PROMPT or media beside it; put them into the file");
    }
    AZ_ASSIGN_OR_RETURN(request.messages, read_text_file(options.messages_file));
    request.base_directory = directory_of(options.messages_file);
    return request;
  }
  if (options.prompt.empty()) return invalid_argument("run expected a PROMPT or --messages FILE, found neither");
  MediaArguments media = options.media;
  AZ_RETURN_IF_ERROR(add_embeds(options, media, request));
  AZ_ASSIGN_OR_RETURN(request.messages, messages_for(options.system, options.prompt, media));
  return request;
}

int run(RunOptions& options) {
  Result<Request> request = make_request(options);
  if (!request.ok()) return report(request.status());
  PositionPrinter printer;
  if (options.print_positions) printer.attach(request->hooks);
  const auto start = std::chrono::steady_clock::now();
  Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return report(engine.status());
  const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  catch_interrupts();
  ProgressLine line;
  GenerateCallbacks callbacks;
  callbacks.cancel = &interrupted();
  callbacks.on_progress = [&](std::string_view stage, double fraction) {
    line.show(stage == "vision" ? "looking" : "reading", fraction);
  };
  callbacks.on_text = [&](std::string_view text) {
    line.clear();
    if (options.print_positions) return;  // the answer comes at the end, so that the lists are not torn apart by it
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  Session session(*engine);
  const Result<Generation> answer = session.generate(*request, options.generate, callbacks);
  line.clear();
  if (!answer.ok()) return report(answer.status());
  if (options.print_positions) std::fwrite(answer->text.data(), 1, answer->text.size(), stdout);
  std::fputc('\n', stdout);
  if (options.verbose) {
    std::fprintf(stderr, "%-10s %9.1f ms\n", "load", load_seconds * 1e3);
    print_stages(*answer);
    std::fprintf(stderr, "finished: %s\n", std::string(to_string(answer->finish)).c_str());
  }
  return 0;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Ask one question, about pictures or a video if given; the answer is streamed");
  add_model_options(*command, options->model, "bf16");
  command->add_option("PROMPT", options->prompt, "The question")->type_name("");
  add_media_options(*command, options->messages_file, options->media);
  command->add_option("--frames", options->media.frames, "Pictures that are the frames of one video, in order")
      ->type_name("FILE");
  command
      ->add_option("--image-embeds", options->embeds,
                   "Features in place of a picture, as azimuth encode writes them (.safetensors, .npy)")
      ->type_name("FILE");
  command
      ->add_option("--image-grid", options->image_grid,
                   "Patches of --image-embeds where the file does not say: frames, rows, columns, before merging")
      ->type_name("T,H,W")
      ->delimiter(',')
      ->expected(3);
  command->add_option("--system", options->system, "System message");
  add_position_options(*command, options->positions);
  add_cache_options(*command, options->positions);
  add_memory_options(*command, options->model.engine);
  command->add_flag("--print-positions", options->print_positions,
                    "Print the ids that reach the rotary embedding, per layer type, of the prompt and of every step");
  add_generate_options(*command, options->generate);
  command->add_flag("--verbose,-v", options->verbose, "Print time and rate of every stage");
  command->footer(
      "Example:\n  azimuth run models/azimuth-tiny \"What colour is the circle?\" --image picture.png --verbose");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace azimuth::tools
