#include "prompt/messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"

namespace azimuth::prompt {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 48;
constexpr size_t kMaxKeys = 4096;  // of one object: an ordered object looks through all of them for every new one
constexpr std::string_view kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};

size_t widest_object(const nlohmann::json& value) {
  size_t widest = value.is_object() ? value.size() : 0;
  if (!value.is_structured()) return 0;
  for (const nlohmann::json& inner : value) widest = std::max(widest, widest_object(inner));
  return widest;
}

// The document with its keys in the order in which they were written, which templates may print.
Result<Json> parse_ordered(std::string_view text, const char* name, const MessageLimits& limits) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return invalid_argument(std::string("expected a JSON list of ") + name + ", got an empty text");
  }
  AZ_ASSIGN_OR_RETURN(const nlohmann::json sorted, parse_json(text, name, {.bytes = limits.bytes, .depth = kMaxDepth}));
  if (const size_t widest = widest_object(sorted); widest > kMaxKeys) {
    return resource_exhausted(std::string("expected objects of at most ") + std::to_string(kMaxKeys) + " keys in " +
                              name + ", got " + std::to_string(widest));
  }
  Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    return invalid_argument(std::string("expected numbers that JSON knows in ") + name + ", got NaN or Infinity");
  }
  if (document.is_array()) return document;
  return invalid_argument(std::string("expected a JSON list of ") + name + ", got " + document.type_name());
}

// One value of an object, or null.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

void drop_nulls(Json& object) {
  Json kept = Json::object();
  for (auto& [key, value] : object.items()) {
    if (!value.is_null()) kept[key] = std::move(value);
  }
  object = std::move(kept);
}

MediaReference reference_of(MediaKind kind, bool sampled = false) {
  MediaReference reference;
  reference.kind = kind;
  reference.sampled = sampled;
  return reference;
}

class Parser {
 public:
  Parser(const PromptSpec* spec, const MessageLimits& limits) : spec_(spec), limits_(limits) {}

  Status message(Json& message) {
    if (!message.is_object()) return wrong("an object", message);
    drop_nulls(message);
    if (!member(message, "role").is_string()) return wrong("a string role", member(message, "role"));
    alias_reasoning(message);
    const auto content = message.find("content");
    if (content == message.end() || content->is_string()) return ok_status();
    if (!content->is_array()) return wrong("content that is a string or a list of parts", *content);
    const std::string outer = where_;
    Json parts = Json::array();
    for (size_t i = 0; i < content->size(); ++i) {
      where_ = outer + ", part " + std::to_string(i);
      if (++parts_ > limits_.parts) return too_many("parts", limits_.parts);
      Json& given = (*content)[i];
      const size_t before = media_.size();
      AZ_RETURN_IF_ERROR(part(given));
      const int64_t views = media_.size() > before ? media_.back().views : 1;
      for (int64_t view = 1; view < views; ++view) parts.push_back(given);
      parts.push_back(std::move(given));
    }
    *content = std::move(parts);
    return ok_status();
  }

  Status part(Json& part) {
    if (!part.is_object()) return wrong("an object", part);
    const Json& type = member(part, "type");
    if (!type.is_string()) return wrong("a string type", type);
    const auto& name = type.get_ref<const std::string&>();
    if (name == "text") {
      return member(part, "text").is_string() ? ok_status() : wrong("a string text", member(part, "text"));
    }
    if (name == "image" || name == "image_url") return image(part);
    if (name == "panorama") return panorama(part);
    if (name == "video") return video(part);
    if (name == "video_frames") return video_frames(part);
    return wrong("a part of type text, image, image_url, panorama, video or video_frames", type);
  }

  void enter(std::string where) { where_ = std::move(where); }
  std::vector<MediaReference> take_media() { return std::move(media_); }

 private:
  Status wrong(const char* expected, const Json& found) const {
    return invalid_argument(where_ + ": expected " + expected + ", got " + describe_json(nlohmann::json(found)));
  }

  Status too_many(const char* what, size_t limit) const {
    return resource_exhausted(where_ + ": expected at most " + std::to_string(limit) + " " + what +
                              " in the messages, got more; send fewer or raise the limit");
  }

  static void alias_reasoning(Json& message) {
    for (const std::string_view field : kReasoningFields) {
      const auto found = message.find(std::string(field));
      if (found == message.end()) continue;
      const Json reasoning = *found;
      if (!message.contains("thinking")) message["thinking"] = reasoning;
      message["reasoning_content"] = reasoning;
      return;
    }
  }

  Status add(MediaReference reference) {
    const char* name = reference.is_video() ? "video" : "image";
    const bool taken = spec_ == nullptr || (reference.is_video() ? spec_->takes_videos() : spec_->takes_images());
    if (!taken) {
      return unsupported(where_ + ": expected text, since this model takes no " + name + "s, got a part of type " +
                         name + "; leave it out or use a vision-language model");
    }
    pictures_ += static_cast<size_t>(reference.views);
    if (pictures_ > limits_.media) return too_many("images, views of panoramas and videos", limits_.media);
    media_.push_back(std::move(reference));
    return ok_status();
  }

  // A file or URL under one of the names in use for it; {"url": ...} as OpenAI nests it.
  Result<std::string> source(const Json& part, std::initializer_list<const char*> keys) const {
    for (const char* key : keys) {
      const Json& value = member(part, key);
      const Json& inner = value.is_object() ? member(value, "url") : value;
      if (inner.is_string() && !inner.get_ref<const std::string&>().empty()) return inner.get<std::string>();
      if (!value.is_null()) return wrong((std::string("a file or data: URL as ") + key).c_str(), value);
    }
    return invalid_argument(where_ + ": expected a file or data: URL under '" + *keys.begin() + "', got none");
  }

  Status image(Json& part) {
    MediaReference reference = reference_of(MediaKind::image);
    AZ_ASSIGN_OR_RETURN(std::string file, source(part, {"image", "image_url", "url", "path"}));
    part = {{"type", "image"}, {"image", shown(file)}};
    reference.sources.push_back(std::move(file));
    return add(std::move(reference));
  }

  Status panorama(Json& part) {
    MediaReference reference = reference_of(MediaKind::panorama);
    AZ_ASSIGN_OR_RETURN(std::string file, source(part, {"panorama", "url", "path"}));
    AZ_RETURN_IF_ERROR(read_panorama_options(part, reference.panorama));
    const Result<std::vector<double>> yaws = media::panorama_yaws(reference.panorama);
    if (!yaws.ok()) return yaws.status().with_context(where_);
    reference.views = 1 + static_cast<int64_t>(yaws->size());
    part = {{"type", "image"}, {"image", shown(file)}};
    reference.sources.push_back(std::move(file));
    return add(std::move(reference));
  }

  Status read_panorama_options(const Json& part, media::PanoramaOptions& out) const {
    AZ_ASSIGN_OR_RETURN(out.hfov, number_or(part, "hfov", out.hfov));
    AZ_ASSIGN_OR_RETURN(out.overlap, number_or(part, "overlap", out.overlap));
    AZ_ASSIGN_OR_RETURN(out.pitch, number_or(part, "pitch", out.pitch));
    AZ_ASSIGN_OR_RETURN(const std::optional<int64_t> tile_size, count_of(part, "tile_size"));
    AZ_ASSIGN_OR_RETURN(const std::optional<int64_t> global_size, count_of(part, "global_size"));
    out.tile_size = tile_size.value_or(out.tile_size);
    out.global_size = global_size.value_or(out.global_size);
    return ok_status();
  }

  Status video(Json& part) {
    MediaReference reference = reference_of(MediaKind::video_file);
    const Json& frames = member(part, "video");
    if (frames.is_array()) {
      reference.kind = MediaKind::video_frames;
      AZ_RETURN_IF_ERROR(read_frames(frames, reference));
      reference.metadata.total_num_frames = static_cast<int64_t>(reference.sources.size());
    } else {
      AZ_ASSIGN_OR_RETURN(std::string file, source(part, {"video", "url", "path"}));
      reference.sources.push_back(std::move(file));
    }
    AZ_ASSIGN_OR_RETURN(reference.metadata.fps, positive(part, "fps"));
    part = {{"type", "video"}, {"video", ""}};
    return add(std::move(reference));
  }

  Status video_frames(Json& part) {
    MediaReference reference = reference_of(MediaKind::video_frames, true);
    AZ_RETURN_IF_ERROR(read_frames(member(part, "frames"), reference));
    AZ_RETURN_IF_ERROR(read_metadata(member(part, "metadata"), reference));
    part = {{"type", "video"}, {"video", ""}};
    return add(std::move(reference));
  }

  Status read_frames(const Json& frames, MediaReference& reference) {
    if (!frames.is_array() || frames.empty()) return wrong("a list of one or more frames", frames);
    frames_ += frames.size();
    if (frames_ > limits_.frames) return too_many("video frames", limits_.frames);
    for (const Json& frame : frames) {
      if (!frame.is_string()) return wrong("frames that are files or data: URLs", frame);
      reference.sources.push_back(frame.get<std::string>());
    }
    return ok_status();
  }

  Status read_metadata(const Json& metadata, MediaReference& reference) {
    const auto count = static_cast<int64_t>(reference.sources.size());
    media::VideoMetadata& out = reference.metadata;
    if (!metadata.is_null() && !metadata.is_object()) return wrong("an object metadata", metadata);
    AZ_ASSIGN_OR_RETURN(out.fps, positive(metadata, "fps"));
    AZ_ASSIGN_OR_RETURN(out.duration, positive(metadata, "duration"));
    AZ_ASSIGN_OR_RETURN(out.width, count_of(metadata, "width"));
    AZ_ASSIGN_OR_RETURN(out.height, count_of(metadata, "height"));
    AZ_ASSIGN_OR_RETURN(const std::optional<int64_t> total, count_of(metadata, "total_num_frames"));
    out.total_num_frames = total.value_or(count);
    return read_indices(member(metadata, "frames_indices"), count, out);
  }

  Status read_indices(const Json& indices, int64_t count, media::VideoMetadata& out) {
    if (indices.is_null()) {
      for (int64_t i = 0; i < count; ++i) out.frames_indices.push_back(i);
      return ok_status();
    }
    if (!indices.is_array()) return wrong("a list frames_indices", indices);
    for (const Json& index : indices) {
      if (!index.is_number_integer() || index.get<int64_t>() < 0)
        return wrong("frame numbers in frames_indices", index);
      out.frames_indices.push_back(index.get<int64_t>());
    }
    if (static_cast<int64_t>(out.frames_indices.size()) == count) return ok_status();
    return invalid_argument(where_ + ": expected one entry of frames_indices for each of " + std::to_string(count) +
                            " frames, got " + std::to_string(out.frames_indices.size()));
  }

  Result<double> number_or(const Json& object, const char* key, double fallback) const {
    const Json& value = member(object, key);
    if (value.is_null()) return fallback;
    if (value.is_number()) return value.get<double>();
    return wrong((std::string("a number as ") + key).c_str(), value);
  }

  Result<std::optional<double>> positive(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (value.is_null()) return std::optional<double>();
    if (value.is_number() && value.get<double>() > 0.0) return std::optional<double>(value.get<double>());
    return wrong((std::string("a number above 0 as ") + key).c_str(), value);
  }

  Result<std::optional<int64_t>> count_of(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (value.is_null()) return std::optional<int64_t>();
    if (value.is_number_integer() && value.get<int64_t>() > 0) return std::optional<int64_t>(value.get<int64_t>());
    return wrong((std::string("a whole number above 0 as ") + key).c_str(), value);
  }

  // Templates ask whether a part has an image, never for its bytes.
  static std::string shown(const std::string& file) { return file.starts_with("data:") ? "data:" : file; }

  const PromptSpec* spec_;
  const MessageLimits& limits_;
  std::string where_;
  size_t parts_ = 0;
  size_t frames_ = 0;
  size_t pictures_ = 0;  // of all media, as the limit counts them
  std::vector<MediaReference> media_;
};

// A list of parts, each of one of `types`.
Result<std::vector<MediaReference>> parse_parts(std::string_view json, const std::string& what,
                                                std::initializer_list<std::string_view> types,
                                                const MessageLimits& limits) {
  AZ_ASSIGN_OR_RETURN(Json list, parse_ordered(json, (what + "s").c_str(), limits));
  Parser parser(nullptr, limits);
  for (size_t i = 0; i < list.size(); ++i) {
    parser.enter(what + " " + std::to_string(i));
    const std::string type =
        list[i].is_object() && member(list[i], "type").is_string() ? list[i]["type"].get<std::string>() : "";
    if (std::ranges::find(types, type) == types.end()) {
      std::string expected;
      for (const std::string_view name : types) expected += (expected.empty() ? "" : " or ") + std::string(name);
      return invalid_argument(what + " " + std::to_string(i) + ": expected a part of type " + expected + ", got " +
                              describe_json(nlohmann::json(list[i])));
    }
    AZ_RETURN_IF_ERROR(parser.part(list[i]));
  }
  return parser.take_media();
}

}  // namespace

Result<Messages> parse_messages(std::string_view json, const PromptSpec& spec, const MessageLimits& limits) {
  AZ_ASSIGN_OR_RETURN(Json list, parse_ordered(json, "messages", limits));
  if (list.empty()) return invalid_argument("expected at least one message, got an empty list");
  if (list.size() > limits.messages) {
    return resource_exhausted("expected at most " + std::to_string(limits.messages) + " messages, got " +
                              std::to_string(list.size()) + "; send fewer or raise the limit");
  }
  Parser parser(&spec, limits);
  for (size_t i = 0; i < list.size(); ++i) {
    parser.enter("message " + std::to_string(i));
    AZ_RETURN_IF_ERROR(parser.message(list[i]));
  }
  Messages messages;
  messages.template_json = list.dump();
  messages.media = parser.take_media();
  return messages;
}

Result<std::vector<MediaReference>> parse_panoramas(std::string_view json, const MessageLimits& limits) {
  return parse_parts(json, "panorama", {"panorama"}, limits);
}

Result<std::vector<MediaReference>> parse_videos(std::string_view json, const MessageLimits& limits) {
  return parse_parts(json, "video", {"video", "video_frames"}, limits);
}

}  // namespace azimuth::prompt
