#include "commands/common.h"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace azimuth::tools {
namespace {

using nlohmann::json;

std::atomic<bool> interrupt_flag{false};

void on_interrupt(int) {
  if (interrupt_flag.exchange(true)) std::_Exit(130);
}

Result<std::string> json_text(const json& value) {
  try {
    return value.dump();
  } catch (const json::type_error&) {  // the only one that dump throws
    return invalid_argument(
        "text and file names expected UTF-8, found other bytes; convert the text or rename the file");
  }
}

// JSON has no word for the others.
std::string check_finite(const std::string& number) {
  if (std::isfinite(std::strtod(number.c_str(), nullptr))) return "";
  return "expected a finite number, found " + number;
}

json panorama_part(const std::string& file, const PanoramaArguments& panoramas) {
  json part = {{"type", "panorama"}, {"panorama", file}};
  if (panoramas.hfov) part["hfov"] = *panoramas.hfov;
  if (panoramas.overlap) part["overlap"] = *panoramas.overlap;
  if (panoramas.pitch) part["pitch"] = *panoramas.pitch;
  return part;
}

}  // namespace

std::atomic<bool>& interrupted() {
  return interrupt_flag;
}
void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
}

void add_model_options(CLI::App& command, ModelOptions& options, const std::string& default_dtype) {
  options.engine.default_dtype = default_dtype;
  command.add_option("MODEL", options.model, "Directory of a checkpoint, or org/name in the hub cache")
      ->type_name("")
      ->required();
  command
      .add_option(
          "--dtype", options.engine.dtype,
          "Weights in memory: f32 (exact), bf16, q8 or q4 [" + default_dtype + ", or what a quantised directory holds]")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "q8", "q4"}).description(""));
  command
      .add_option("--cache", options.engine.cache,
                  "Keys and values in memory: f32, bf16 or q8 [f32 beside f32 weights, else bf16]")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "q8"}).description(""));
  command.add_option("--threads", options.engine.threads, "Threads [one per core]")
      ->type_name("N")
      ->check(in_range(1, 1024));
  command
      .add_option("--compat", options.compat,
                  "Behave as transformers 5.23.0 (tf5) or 4.57.3 (tf4) where releases differ")
      ->type_name("RELEASE")
      ->check(CLI::IsMember({"azimuth", "tf5", "tf4"}).description(""));
  command
      .add_option("--resize", options.engine.resize,
                  "Resize arithmetic: torchvision or pillow [as the checkpoint's processor]")
      ->type_name("LIBRARY")
      ->check(CLI::IsMember({"torchvision", "pillow"}).description(""));
  command.add_flag_callback(
      "--no-exif", [&options] { options.engine.apply_orientation = false; }, "Ignore the EXIF orientation of pictures");
  command
      .add_option("--max-pixels", options.engine.max_pixels, "Largest picture that is decoded, in pixels [178956970]")
      ->type_name("N")
      ->check(in_range(int64_t{1}, int64_t{1} << 40));
}

void add_memory_options(CLI::App& command, EngineOptions& options) {
  const auto add = [&command](const char* name, int64_t& bytes, const std::string& what) {
    const auto set = [&bytes](const int64_t& megabytes) { bytes = megabytes << 20; };
    command
        .add_option_function<int64_t>(name, set,
                                      "Memory for " + what + ", in MiB; 0: none [" + std::to_string(bytes >> 20) + "]")
        ->type_name("N")
        ->check(in_range(int64_t{0}, int64_t{1} << 30));
  };
  add("--feature-cache", options.feature_cache_bytes, "features of pictures that were seen");
  add("--prefix-cache", options.prefix_cache_bytes, "keys and values of starts of prompts that were read");
}

Result<Engine> load_engine(ModelOptions& options) {
  AZ_ASSIGN_OR_RETURN(options.engine.compat, parse_compat(options.compat));
  ProgressLine line;
  options.engine.progress = [&line](double fraction) { line.show("loading", fraction); };
  Result<Engine> engine = Engine::load(options.model, options.engine);
  options.engine.progress = nullptr;
  return engine;
}

int report(const Status& status) {
  std::fprintf(stderr, "azimuth: %s\n", status.message().c_str());
  return kBadUsage;
}

Result<std::string> read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found("no file " + path + " that can be read; check the path");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Status write_text_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (file) return ok_status();
  return invalid_argument("expected to write " + path + ", could not; check the directory and its permissions");
}

std::string one_line(const std::string& token) {
  std::string out;
  for (const char c : token) {
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default: out += c;
    }
  }
  return out;
}

std::string directory_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(std::string_view label, double fraction) {
  const int percent = static_cast<int>(fraction * 100.0);
  if (!terminal_ || (percent == last_percent_ && label == last_label_)) return;
  last_percent_ = percent;
  last_label_ = label;
  constexpr int kWidth = 30;
  const int filled = percent * kWidth / 100;
  const std::string bar =
      std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(kWidth - filled), '.');
  std::fprintf(stderr, "\r\x1b[K%-10.*s [%s] %3d%%", static_cast<int>(label.size()), label.data(), bar.c_str(),
               percent);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
  last_percent_ = -1;
}

namespace {

void add_panorama_options(CLI::App& command, PanoramaArguments& panoramas) {
  CLI::Option* file =
      command
          .add_option("--panorama", panoramas.files, "Equirectangular picture, seen as a whole and as tiles all around")
          ->type_name("FILE")
          ->allow_extra_args(false);
  const auto add = [&](const char* name, std::optional<double>& value, const char* help) {
    command.add_option(name, value, help)->type_name("N")->check(check_finite)->needs(file);
  };
  add("--hfov", panoramas.hfov, "Field of view of a tile, degrees [45]");
  add("--overlap", panoramas.overlap, "Part of a tile that the next one shows too, from 0 to less than 1 [0]");
  add("--pitch", panoramas.pitch, "Degrees that the tiles look up [0]");
}

json video_part(const json& video, double fps) {
  json part = {{"type", "video"}, {"video", video}};
  if (fps > 0.0) part["fps"] = fps;
  return part;
}

}  // namespace

void add_media_options(CLI::App& command, std::string& messages_file, MediaArguments& media) {
  command
      .add_option("--messages", messages_file,
                  "JSON file with the whole conversation, in place of a question; its paths are relative to the file")
      ->type_name("FILE");
  command
      .add_option("--image", media.images,
                  "Picture beside the question: JPEG, PNG, WebP, GIF or BMP; may be given more than once")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option("--video", media.videos,
                  "Video beside the question: MP4, WebM, AVI and others; may be given more than once")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option("--fps", media.fps,
                  "Frames per second that are taken of --video; with --frames, the speed at which they were taken")
      ->type_name("N")
      ->check(in_range(0.001, 1000.0));
  add_panorama_options(command, media.panoramas);
}

Result<std::string> messages_for(const std::string& system, const std::string& prompt, const MediaArguments& media) {
  json messages = json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  if (media.empty()) {
    messages.push_back({{"role", "user"}, {"content", prompt}});
    return json_text(messages);
  }
  json parts = json::array();
  for (const std::string& image : media.images) parts.push_back({{"type", "image"}, {"image", image}});
  for (const std::string& file : media.panoramas.files) parts.push_back(panorama_part(file, media.panoramas));
  for (const std::string& file : media.videos) parts.push_back(video_part(file, media.fps));
  if (!media.frames.empty()) parts.push_back(video_part(media.frames, media.fps));
  parts.push_back({{"type", "text"}, {"text", prompt}});
  messages.push_back({{"role", "user"}, {"content", std::move(parts)}});
  return json_text(messages);
}

}  // namespace azimuth::tools
