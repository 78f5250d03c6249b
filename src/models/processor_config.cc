#include "models/processor_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

const auto* find_class(const auto& classes, std::string_view name) {
  const auto found = std::ranges::find(classes, name, [](const auto& known) { return known.name; });
  return found == classes.end() ? nullptr : &*found;
}

// Names of the fast and of the Pillow variant of a class end so; checkpoints name any of them.
std::string_view without_backend(std::string_view name) {
  for (const std::string_view ending : {"Fast", "Pil"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

Status unknown_class(const auto& classes, std::string_view key, std::string_view name) {
  std::string known;
  for (const auto& entry : classes) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  return unsupported(std::string(key) + " expected one of " + known + ", found \"" + std::string(name.substr(0, 64)) +
                     "\"; this build cannot preprocess for it");
}

Result<ModelProcessors> processors_of(std::string_view model_type) {
  const auto& models = model_processors();
  const auto found = std::ranges::find(models, model_type, &ModelProcessors::model_type);
  if (found != models.end()) return *found;
  return unsupported("no processor classes are known for model_type \"" + std::string(model_type.substr(0, 64)) +
                     "\"; name them in processor_config.json");
}

Status read_image(const JsonView& json, const ImageProcessorClass& image_class, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_shared_image_keys(json, spec));
  return image_class.read(json, spec);
}

Status read_video(const JsonView& json, const VideoProcessorClass& video_class, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_shared_image_keys(json, spec.frame));
  AZ_RETURN_IF_ERROR(read_shared_video_keys(json, spec));
  return video_class.read(json, spec);
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

struct NamedJson {
  nlohmann::json json = nlohmann::json::object();
  std::string name;
};

// The nested section of processor_config.json, or else the first of the older files that exists.
Result<NamedJson> find_section(
    const ProcessorFiles& files, std::string_view section,
    std::initializer_list<std::pair<const std::optional<std::string>*, std::string_view>> older) {
  if (files.processor_config) {
    AZ_ASSIGN_OR_RETURN(nlohmann::json json, parse_json(*files.processor_config, "processor_config.json"));
    AZ_RETURN_IF_ERROR(JsonView(json, "processor_config.json").check_object());
    if (const auto found = json.find(section); found != json.end()) {
      return NamedJson{std::move(*found), "processor_config.json: " + std::string(section)};
    }
  }
  for (const auto& [text, name] : older) {
    if (!*text) continue;
    AZ_ASSIGN_OR_RETURN(nlohmann::json json, parse_json(**text, name));
    return NamedJson{std::move(json), std::string(name)};
  }
  return NamedJson{nlohmann::json::object(), std::string(section)};
}

Result<NamedJson> image_section(const ProcessorFiles& files) {
  return find_section(files, "image_processor", {{&files.preprocessor_config, "preprocessor_config.json"}});
}

Result<NamedJson> video_section(const ProcessorFiles& files) {
  return find_section(files, "video_processor",
                      {{&files.video_preprocessor_config, "video_preprocessor_config.json"},
                       {&files.preprocessor_config, "preprocessor_config.json"}});
}

Status read_image_section(const JsonView& json, std::string_view model_type, ProcessorSpecs& specs) {
  AZ_RETURN_IF_ERROR(json.check_object());
  std::string name;
  if (json.has("image_processor_type")) {
    AZ_ASSIGN_OR_RETURN(name, json.string("image_processor_type"));
  } else {
    AZ_ASSIGN_OR_RETURN(const ModelProcessors processors, processors_of(model_type));
    name = processors.image;
  }
  const bool pillow = name.ends_with("Pil");
  specs.image_class = find_class(image_processor_classes(), without_backend(name));
  if (!specs.image_class) {
    return unknown_class(image_processor_classes(), json.where() + ".image_processor_type", name);
  }
  specs.image = specs.image_class->defaults();
  if (pillow) specs.image.arithmetic = PixelArithmetic::pillow;
  return read_image(json, *specs.image_class, specs.image);
}

// The class named by the file; else the counterpart of its image class, if there is one; else the model's. nullptr
// where the model has none.
Result<const VideoProcessorClass*> find_video_class(const JsonView& json, std::string_view model_type) {
  const auto& classes = video_processor_classes();
  if (json.has("video_processor_type")) {
    AZ_ASSIGN_OR_RETURN(const std::string name, json.string("video_processor_type"));
    if (const VideoProcessorClass* found = find_class(classes, name)) return found;
    return unknown_class(classes, json.where() + ".video_processor_type", name);
  }
  AZ_ASSIGN_OR_RETURN(std::string image_name, json.string_or("image_processor_type", ""));
  if (const size_t at = image_name.find("ImageProcessor"); at != std::string::npos) {
    image_name.replace(at, std::string_view("Image").size(), "Video");
    if (const VideoProcessorClass* found = find_class(classes, image_name)) return found;
  }
  AZ_ASSIGN_OR_RETURN(const ModelProcessors processors, processors_of(model_type));
  return find_class(classes, processors.video);
}

Status read_video_section(const JsonView& json, std::string_view model_type, ProcessorSpecs& specs) {
  AZ_RETURN_IF_ERROR(json.check_object());
  AZ_ASSIGN_OR_RETURN(specs.video_class, find_video_class(json, model_type));
  if (specs.video_class == nullptr) return ok_status();
  specs.video = specs.video_class->defaults();
  AZ_RETURN_IF_ERROR(read_video(json, *specs.video_class, specs.video));
  if (is_null(json, "fps")) specs.video.fps.reset();  // keep frames by min_frames and max_frames alone
  return ok_status();
}

// ---------------------------------------------------------------------------------------------------------------------
// Calls

// Known to transformers' processors and without influence on what is computed here.
constexpr std::array<std::string_view, 17> kInertKeys = {"do_convert_rgb",
                                                         "return_tensors",
                                                         "return_metadata",
                                                         "video_metadata",
                                                         "data_format",
                                                         "input_data_format",
                                                         "device",
                                                         "padding",
                                                         "padding_side",
                                                         "truncation",
                                                         "add_special_tokens",
                                                         "disable_grouping",
                                                         "text_kwargs",
                                                         "audio_kwargs",
                                                         "default_to_square",
                                                         "common_kwargs",
                                                         "return_mm_token_type_ids"};

bool contains(const auto& keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

// What an object of keyword arguments sets in one modality.
Status apply_to_image(const JsonView& kwargs, ProcessorSpecs& specs) {
  AZ_RETURN_IF_ERROR(read_image(kwargs, *specs.image_class, specs.image));
  return specs.image_class->read_call == nullptr ? ok_status() : specs.image_class->read_call(kwargs, specs.image);
}

// Whether a call may name both: num_frames wins (InternVL), or bounds what fps asks for (SmolVLM).
bool takes_fps_and_count(FrameSampling sampling) {
  return sampling == FrameSampling::middles || sampling == FrameSampling::without_ends;
}

Status apply_to_video(const JsonView& kwargs, ProcessorSpecs& specs) {
  if (specs.video_class == nullptr) return ok_status();
  VideoProcessorSpec& spec = specs.video;
  if (!takes_fps_and_count(spec.sampling)) {
    if (kwargs.has("fps") && kwargs.has("num_frames")) return kwargs.expected("at most one of fps and num_frames");
    if (kwargs.has("fps")) spec.num_frames.reset();
  }
  if (kwargs.has("do_sample_frames")) spec.samples_files = false;  // the call decides
  const VideoProcessorSpec before = spec;
  AZ_RETURN_IF_ERROR(read_video(kwargs, *specs.video_class, spec));
  // Checked only: a call cannot change them.
  spec.min_frames = before.min_frames;
  spec.max_frames = before.max_frames;
  spec.max_video_tokens = before.max_video_tokens;
  return ok_status();
}

bool image_knows(const ProcessorSpecs& specs, std::string_view key) {
  return is_shared_image_key(key) || contains(specs.image_class->keys, key) || contains(kInertKeys, key);
}

bool video_knows(const ProcessorSpecs& specs, std::string_view key) {
  if (specs.video_class == nullptr) return false;
  return is_shared_image_key(key) || is_shared_video_key(key) || contains(specs.video_class->keys, key) ||
         contains(kInertKeys, key);
}

// Appends the keys of `kwargs` that `knows` does not know.
template <typename Knows>
void add_unknown(const JsonView& kwargs, std::string_view prefix, Knows knows, std::vector<std::string>& unknown) {
  for (const std::string& key : kwargs.keys()) {
    if (!knows(key)) unknown.push_back(std::string(prefix) + key);
  }
}

Status refuse_twice(const JsonView& flat, const JsonView& nested) {
  for (const std::string& key : nested.keys()) {
    if (flat.value().contains(key)) return nested.expected("no key that is also given outside of it (" + key + ")");
  }
  return ok_status();
}

}  // namespace

Result<ProcessorSpecs> read_processor_specs(const ProcessorFiles& files, std::string_view model_type) {
  ProcessorSpecs specs;
  AZ_ASSIGN_OR_RETURN(const NamedJson image, image_section(files));
  AZ_RETURN_IF_ERROR(read_image_section(JsonView(image.json, image.name), model_type, specs));
  AZ_ASSIGN_OR_RETURN(const NamedJson video, video_section(files));
  AZ_RETURN_IF_ERROR(read_video_section(JsonView(video.json, video.name), model_type, specs));
  return specs;
}

Result<std::vector<std::string>> apply_processor_kwargs(ProcessorSpecs& specs, const nlohmann::json& kwargs) {
  std::vector<std::string> unknown;
  if (kwargs.is_null()) return unknown;
  const JsonView flat(kwargs, "processor_kwargs");
  AZ_RETURN_IF_ERROR(flat.check_object());
  ProcessorSpecs changed = specs;
  AZ_RETURN_IF_ERROR(apply_to_image(flat, changed));
  AZ_RETURN_IF_ERROR(apply_to_video(flat, changed));
  const bool asks_for_frames = flat.has("fps") || flat.has("num_frames");
  if (asks_for_frames && !flat.has("do_sample_frames")) changed.video.do_sample_frames = true;

  const auto flat_knows = [&](std::string_view key) {
    return image_knows(specs, key) || video_knows(specs, key) || key == "images_kwargs" || key == "videos_kwargs";
  };
  add_unknown(flat, "", flat_knows, unknown);
  if (flat.has("images_kwargs")) {
    AZ_ASSIGN_OR_RETURN(const JsonView nested, flat.object("images_kwargs"));
    AZ_RETURN_IF_ERROR(refuse_twice(flat, nested));
    AZ_RETURN_IF_ERROR(apply_to_image(nested, changed));
    const auto knows = [&](std::string_view key) { return image_knows(specs, key); };
    add_unknown(nested, "images_kwargs.", knows, unknown);
  }
  if (flat.has("videos_kwargs")) {
    AZ_ASSIGN_OR_RETURN(const JsonView nested, flat.object("videos_kwargs"));
    AZ_RETURN_IF_ERROR(refuse_twice(flat, nested));
    AZ_RETURN_IF_ERROR(apply_to_video(nested, changed));
    const auto knows = [&](std::string_view key) { return video_knows(specs, key); };
    add_unknown(nested, "videos_kwargs.", knows, unknown);
  }
  specs = changed;
  return unknown;
}

Result<std::optional<bool>> asked_special_tokens(const nlohmann::json& kwargs) {
  constexpr std::string_view kKey = "add_special_tokens";
  std::optional<bool> asked;
  if (kwargs.is_null()) return asked;
  const JsonView flat(kwargs, "processor_kwargs");
  AZ_RETURN_IF_ERROR(flat.check_object());
  if (flat.has(kKey)) {
    AZ_ASSIGN_OR_RETURN(asked, flat.boolean_or(kKey, true));
  }
  if (!flat.has("text_kwargs")) return asked;
  AZ_ASSIGN_OR_RETURN(const JsonView nested, flat.object("text_kwargs"));
  if (nested.has(kKey)) {
    AZ_ASSIGN_OR_RETURN(asked, nested.boolean_or(kKey, true));
  }
  return asked;
}

}  // namespace azimuth::models
