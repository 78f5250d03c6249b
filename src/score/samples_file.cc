#include "score/samples_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "azimuth/log.h"
#include "base/json.h"
#include "engine/video_frames.h"
#include "media/media_source.h"
#include "prompt/messages.h"

namespace azimuth::scoring {
namespace {

using nlohmann::json;

const std::set<std::string, std::less<>> kKeys = {"id",
                                                  "messages",
                                                  "prompt",
                                                  "images",
                                                  "videos",
                                                  "panoramas",
                                                  "completion",
                                                  "completion_ids",
                                                  "positions",
                                                  "processor_kwargs",
                                                  "add_generation_prompt"};

// The JSON text of an array or object; "" where there is none.
Result<std::string> text_of(const JsonView& line, std::string_view key, bool list) {
  if (!line.has(key)) return std::string();
  if (list) {
    AZ_RETURN_IF_ERROR(line.array(key).status());
  } else {
    AZ_RETURN_IF_ERROR(line.object(key).status());
  }
  AZ_ASSIGN_OR_RETURN(const JsonView value, line.at(key));
  return value.value().dump();
}

Status read_prompt(const JsonView& line, Request& request) {
  AZ_ASSIGN_OR_RETURN(request.messages, text_of(line, "messages", true));
  request.has_prompt = line.has("prompt");
  AZ_ASSIGN_OR_RETURN(request.prompt, line.string_or("prompt", ""));
  if (request.messages.empty() && !request.has_prompt) return line.expected("messages or a prompt");
  for (const char* key : {"images", "videos", "panoramas"}) {
    if (!line.has(key) || (request.has_prompt && request.messages.empty())) continue;
    return invalid_argument(line.where() + " expected \"" + key +
                            "\" beside a prompt without messages only, found it beside messages; make them parts of "
                            "the messages");
  }
  if (line.has("images")) {
    AZ_ASSIGN_OR_RETURN(request.images, line.strings("images"));
  }
  AZ_ASSIGN_OR_RETURN(request.videos, text_of(line, "videos", true));
  AZ_ASSIGN_OR_RETURN(request.panoramas, text_of(line, "panoramas", true));
  AZ_ASSIGN_OR_RETURN(request.processor_kwargs, text_of(line, "processor_kwargs", false));
  AZ_ASSIGN_OR_RETURN(request.add_generation_prompt, line.boolean_or("add_generation_prompt", true));
  AZ_ASSIGN_OR_RETURN(request.positions, line.string_or("positions", ""));
  return ok_status();
}

Status read_completion(const JsonView& line, ScoreSample& sample) {
  if (line.has("completion") == line.has("completion_ids")) {
    return invalid_argument(line.where() + " expected one of \"completion\" and \"completion_ids\", found " +
                            (line.has("completion") ? "both" : "neither"));
  }
  if (line.has("completion")) {
    AZ_ASSIGN_OR_RETURN(sample.completion, line.string("completion"));
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> ids,
                      line.integers("completion_ids", 0, std::numeric_limits<int32_t>::max()));
  sample.completion_ids.emplace(ids.begin(), ids.end());
  return ok_status();
}

// "id": a text or a whole number.
Result<std::string> id_of(const JsonView& line) {
  AZ_ASSIGN_OR_RETURN(const JsonView id, line.at("id"));
  if (!id.value().is_string() && !id.value().is_number_integer()) return id.expected("a text or a whole number");
  return id.value().dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<json> parse_line(std::string_view text, const std::string& where) {
  JsonLimits limits;
  limits.bytes = text.size();
  AZ_ASSIGN_OR_RETURN(json line, parse_json(text, where, limits));
  if (!line.is_object()) return JsonView(line, where).expected("an object");
  return line;
}

Result<std::vector<std::string>> sources_of(const Request& request, const PromptSpec& spec) {
  std::vector<prompt::MediaReference> media;
  if (!request.messages.empty()) {
    AZ_ASSIGN_OR_RETURN(prompt::Messages messages, prompt::parse_messages(request.messages, spec));
    media = std::move(messages.media);
  }
  for (const auto& [text, parse] :
       {std::pair{&request.videos, &prompt::parse_videos}, std::pair{&request.panoramas, &prompt::parse_panoramas}}) {
    if (text->empty()) continue;
    AZ_ASSIGN_OR_RETURN(const std::vector<prompt::MediaReference> more, parse(*text, {}));
    media.insert(media.end(), more.begin(), more.end());
  }
  std::vector<std::string> sources = request.images;
  for (const prompt::MediaReference& each : media)
    sources.insert(sources.end(), each.sources.begin(), each.sources.end());
  return sources;
}

// Hashes of the files that samples name, each read once.
class FileHashes {
 public:
  Result<ContentHash> of(const std::string& path) {
    const auto known = hashes_.find(path);
    if (known != hashes_.end()) return known->second;
    std::error_code error;
    std::ifstream file(path, std::ios::binary);
    if (!file || !std::filesystem::is_regular_file(path, error)) {
      return not_found("no file " + path + " that can be read; paths are relative to the file of samples");
    }
    ContentHasher hasher("file of a sample");
    std::vector<char> part(size_t{1} << 20);
    while (file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount() > 0)
      hasher.text({part.data(), static_cast<size_t>(file.gcount())});
    return hashes_[path] = hasher.finish();
  }

 private:
  std::map<std::string, ContentHash> hashes_;
};

Result<ContentHash> content_of(const json& line, const std::vector<std::string>& sources, const std::string& directory,
                               FileHashes& files) {
  json rest = line;
  rest.erase("id");
  ContentHasher hasher("sample");
  hasher.text(rest.dump(-1, ' ', false, json::error_handler_t::replace));  // keys in alphabetical order
  for (const std::string& source : sources) {
    if (source.starts_with("data:") || media::is_web_url(source)) continue;  // the one in the line, the other refused
    AZ_ASSIGN_OR_RETURN(const ContentHash hash, files.of(engine::resolve_source(source, directory)));
    hasher.hash(hash);
  }
  return hasher.finish();
}

bool is_blank(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
}

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

Result<ScoreSample> parse_sample(std::string_view text, const std::string& where,
                                 std::map<std::string, std::string>* unknown) {
  AZ_ASSIGN_OR_RETURN(const json root, parse_line(text, where));
  const JsonView line(root, where);
  ScoreSample sample;
  AZ_ASSIGN_OR_RETURN(sample.id, id_of(line));
  if (root["id"].is_string()) sample.id = root["id"].get<std::string>();
  AZ_RETURN_IF_ERROR(read_prompt(line, sample.request));
  AZ_RETURN_IF_ERROR(read_completion(line, sample));
  if (unknown == nullptr) return sample;
  for (const std::string& key : line.keys()) {
    if (!kKeys.contains(key)) unknown->emplace(key, where);
  }
  return sample;
}

Result<SamplesFile> SamplesFile::open(const std::string& path, const PromptSpec& spec, const SampleLimits& limits) {
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, error)) {
    return not_found("no file " + path + " that can be read; --in expected a JSONL file with one sample a line");
  }
  SamplesFile out(path);
  const std::string directory = directory_of(path);
  FileHashes files;
  std::map<std::string, int64_t> line_of;  // by id
  std::map<std::string, std::string> unknown;
  uint64_t offset = 0;
  int64_t number = 0;
  for (std::string text; std::getline(file, text);) {
    SampleLine line{++number, offset, text.size(), {}, {}};
    offset += text.size() + 1;
    if (is_blank(text)) continue;
    const std::string where = path + ":" + std::to_string(number);
    if (text.size() > limits.line_bytes || out.lines_.size() == limits.lines) {
      return resource_exhausted(where + " expected at most " + std::to_string(limits.lines) + " samples of " +
                                std::to_string(limits.line_bytes) + " bytes, found more");
    }
    AZ_ASSIGN_OR_RETURN(const ScoreSample sample, parse_sample(text, where, &unknown));
    AZ_ASSIGN_OR_RETURN(const json root, parse_line(text, where));
    AZ_ASSIGN_OR_RETURN(line.id, id_of(JsonView(root, where)));
    const auto [earlier, fresh] = line_of.emplace(line.id, number);
    if (!fresh) {
      return invalid_argument(where + ": id expected a name of its own, found " + line.id + ", which line " +
                              std::to_string(earlier->second) + " has");
    }
    const Result<std::vector<std::string>> sources = sources_of(sample.request, spec);
    if (!sources.ok()) return sources.status().with_context(where);
    const Result<ContentHash> content = content_of(root, *sources, directory, files);
    if (!content.ok()) return content.status().with_context(where);
    line.content = *content;
    out.lines_.push_back(std::move(line));
  }
  for (const auto& [key, where] : unknown)
    log(LogLevel::warning, where + ": unknown key \"" + key + "\" is ignored, here and in other lines");
  if (out.lines_.empty()) return invalid_argument(path + " expected one sample a line, found none");
  return out;
}

std::string SamplesFile::where(const SampleLine& line) const {
  return path_ + ":" + std::to_string(line.number) + " (" + line.id + ")";
}

Result<ScoreSample> SamplesFile::read(const SampleLine& line) const {
  const std::string where = path_ + ":" + std::to_string(line.number);
  std::ifstream file(path_, std::ios::binary);
  std::string text(line.bytes, '\0');
  file.seekg(static_cast<std::streamoff>(line.offset));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    return data_loss(where + " expected to be as it was a while ago, found less; leave the file alone meanwhile");
  }
  AZ_ASSIGN_OR_RETURN(ScoreSample sample, parse_sample(text, where));
  sample.request.base_directory = directory_of(path_);
  return sample;
}

}  // namespace azimuth::scoring
