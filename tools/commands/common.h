// What the subcommands share: the options that load a model, files, errors, and a progress line.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/session.h"
#include "azimuth/status.h"
#include "commands/commands.h"

namespace azimuth::tools {

struct ModelOptions {
  std::string model;
  EngineOptions engine;
  std::string compat;
};

// MODEL and the options that choose how it is loaded.
void add_model_options(CLI::App& command, ModelOptions& options, const std::string& default_dtype);

// How much the engine remembers from one request to the next.
void add_memory_options(CLI::App& command, EngineOptions& options);

// Loads with a progress line on a terminal.
Result<Engine> load_engine(ModelOptions& options);

// CLI::Range without its limits in the help text; a refused value still names them.
template <typename T>
CLI::Validator in_range(T lowest, T highest) {
  return CLI::Range(lowest, highest).description("");
}

// Prints a failure as one sentence on stderr and returns the exit code for it.
int report(const Status& status);

Result<std::string> read_text_file(const std::string& path);
Status write_text_file(const std::string& path, const std::string& text);
// A token as it is shown: line ends and tabs spelt out, so that a row stays a row.
std::string one_line(const std::string& token);
// The directory of `path`, against which the paths inside of that file are resolved.
std::string directory_of(const std::string& path);

// A line on stderr that is drawn over and over, and erased by clear(); nothing where stderr is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  void show(std::string_view label, double fraction);
  void clear();

 private:
  bool terminal_ = false;
  bool drawn_ = false;
  int last_percent_ = -1;
  std::string last_label_;
};

// Panoramas of one question, and how each is cut into views; what is left out is as docs/panoramas.md says.
struct PanoramaArguments {
  std::vector<std::string> files;
  std::optional<double> hfov;
  std::optional<double> overlap;
  std::optional<double> pitch;
};

// What stands beside one question.
struct MediaArguments {
  std::vector<std::string> images;
  PanoramaArguments panoramas;
  std::vector<std::string> videos;  // files
  std::vector<std::string> frames;  // pictures that are one video
  double fps = 0.0;                 // of frames: their speed; of videos: frames to take per second; 0: not given

  bool empty() const { return images.empty() && panoramas.files.empty() && videos.empty() && frames.empty(); }
};

// --messages, --image, --panorama, --video and --fps: a whole conversation, or what stands beside a question.
void add_media_options(CLI::App& command, std::string& messages_file, MediaArguments& media);

// The messages JSON of one question: pictures first, as the chat templates of the families put them. JSON is UTF-8, so
// text or a file name that is not is an error.
Result<std::string> messages_for(const std::string& system, const std::string& prompt, const MediaArguments& media);

// Set by Ctrl-C; a second Ctrl-C ends the program.
std::atomic<bool>& interrupted();
void catch_interrupts();

}  // namespace azimuth::tools
