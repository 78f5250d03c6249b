// azimuth chat: a conversation; what an earlier turn computed is not computed again.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands/common.h"
#include "commands/generate_options.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

constexpr const char* kHelp =
    "/image FILE     attach a picture to the next question\n"
    "/video FILE     attach a video to the next question\n"
    "/clear          forget the conversation\n"
    "/help           this list\n"
    "/quit           leave (or Ctrl-D)\n"
    "Ctrl-C stops an answer.\n";

struct ChatOptions {
  ModelOptions model;
  GenerateOptions generate;
  std::string system;
  PositionOptions positions;
  bool verbose = false;
};

class Chat {
 public:
  // `positions`: what every request starts from.
  Chat(const Engine& engine, const ChatOptions& options, Request positions)
      : session_(engine), options_(options), positions_(std::move(positions)) {
    clear();
  }

  // False where the conversation is over.
  bool line(const std::string& text) {
    std::istringstream words(text);
    std::string command;
    words >> command;
    if (command.empty()) return true;
    if (command == "/quit" || command == "/exit") return false;
    if (command == "/help") {
      std::fputs(kHelp, stdout);
    } else if (command == "/clear") {
      clear();
    } else if (command == "/image") {
      attach(words, "image", "picture");
    } else if (command == "/video") {
      attach(words, "video", "video");
    } else if (command[0] == '/') {
      std::fprintf(stderr, "azimuth: unknown command %s; /help lists them\n", command.c_str());
    } else {
      ask(text);
    }
    return true;
  }

 private:
  void clear() {
    messages_ = nlohmann::json::array();
    if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
    media_ = nlohmann::json::array();
  }

  // kind: of the message's part; noun: for people.
  void attach(std::istringstream& words, const std::string& kind, const std::string& noun) {
    std::string path;
    std::getline(words >> std::ws, path);
    if (access(path.c_str(), R_OK) != 0) {
      std::fprintf(stderr, "azimuth: no file \"%s\" that can be read; /%s expected the path of a %s\n", path.c_str(),
                   kind.c_str(), noun.c_str());
      return;
    }
    media_.push_back({{"type", kind}, {kind, path}});
    const auto same =
        std::count_if(media_.begin(), media_.end(), [&](const auto& part) { return part["type"] == kind; });
    std::printf("(%td %s%s for the next question)\n", same, noun.c_str(), same == 1 ? "" : "s");
  }

  void ask(const std::string& text) {
    nlohmann::json parts = media_;
    parts.push_back({{"type", "text"}, {"text", text}});
    messages_.push_back({{"role", "user"}, {"content", media_.empty() ? nlohmann::json(text) : parts}});

    ProgressLine progress;
    interrupted() = false;
    GenerateCallbacks callbacks;
    callbacks.cancel = &interrupted();
    callbacks.on_progress = [&](std::string_view stage, double fraction) {
      progress.show(stage == "vision" ? "looking" : "reading", fraction);
    };
    callbacks.on_text = [&](std::string_view piece) {
      progress.clear();
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    Request request = positions_;
    request.messages = messages_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const Result<Generation> answer = session_.generate(request, options_.generate, callbacks);
    progress.clear();
    if (!answer.ok()) {
      report(answer.status());
      messages_.erase(messages_.size() - 1);  // the question is as if it had not been asked; its media stay attached
      return;
    }
    std::fputc('\n', stdout);
    if (options_.verbose) {
      print_stages(*answer);
    } else if (isatty(STDERR_FILENO) != 0) {
      print_reuse(*answer);
    }
    messages_.push_back({{"role", "assistant"}, {"content", answer->text}});
    media_ = nlohmann::json::array();
  }

  Session session_;
  const ChatOptions& options_;
  Request positions_;
  nlohmann::json messages_;
  nlohmann::json media_;  // parts of the next question
};

int chat(ChatOptions& options) {
  Request positions;
  if (const Status status = apply_position_options(options.positions, positions); !status.ok()) return report(status);
  // The file has the first question's ids; the conversation goes on behind them.
  if (positions.position_ids) positions.position_ids->continues = true;
  Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return report(engine.status());
  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal)
    std::printf("%s, %s. /help lists commands.\n", engine->info().model_type.c_str(), engine->info().dtype.c_str());
  catch_interrupts();
  Chat conversation(*engine, options, std::move(positions));
  for (std::string text;;) {
    if (terminal) std::fputs("> ", stdout);
    std::fflush(stdout);
    if (!std::getline(std::cin, text) || !conversation.line(text)) break;
  }
  if (terminal) std::fputc('\n', stdout);
  return 0;
}

}  // namespace

void add_chat(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command =
      app.add_subcommand("chat", "Talk with a model; attach pictures with /image FILE, videos with /video FILE");
  add_model_options(*command, options->model, "bf16");
  command->add_option("--system", options->system, "System message");
  add_position_options(*command, options->positions);
  add_cache_options(*command, options->positions);
  add_memory_options(*command, options->model.engine);
  add_generate_options(*command, options->generate);
  command->add_flag("--verbose,-v", options->verbose, "Print time and rate of every stage");
  command->footer(kHelp);
  command->callback([options, &exit_code] { exit_code = chat(*options); });
}

}  // namespace azimuth::tools
