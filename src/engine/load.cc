// Engine::load: a checkpoint's files -> a model that is ready to run.
#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/cancel.h"
#include "engine/load_parts.h"
#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/weights.h"
#include "formats/checkpoint.h"
#include "models/families.h"
#include "quantize/format.h"

namespace azimuth {
namespace {

using engine::WeightReader;
using formats::Checkpoint;

Result<kernels::WeightType> parse_dtype(const std::string& name) {
  if (const auto type = quantize::weight_type_named(name)) return *type;
  return invalid_argument("dtype expected f32, bf16, q8 or q4, found \"" + name + "\"");
}

// What the weights say of themselves; nothing where there are none, or none that are quantised.
Result<std::optional<quantize::Description>> find_description(const std::string& model, const Checkpoint& checkpoint,
                                                              bool weights_opened) {
  if (weights_opened) return quantize::read_description(checkpoint);
  const Result<Checkpoint> with_weights = Checkpoint::open(model);
  if (!with_weights.ok()) return std::optional<quantize::Description>();  // nobody asked for them
  return quantize::read_description(*with_weights);
}

// The type that the model is held in.
Result<kernels::WeightType> settle_dtype(const std::optional<quantize::Description>& description,
                                         const std::string& directory, EngineOptions& options) {
  if (!description) {
    if (options.dtype.empty()) options.dtype = options.default_dtype;
    return parse_dtype(options.dtype);
  }
  const std::string held(kernels::to_string(description->type));
  if (!options.dtype.empty() && options.dtype != held) {
    AZ_RETURN_IF_ERROR(parse_dtype(options.dtype).status());
    return invalid_argument(directory + " expected dtype " + held + ", in which it was quantised, found " +
                            options.dtype + "; leave --dtype out, or load the original checkpoint");
  }
  options.dtype = held;
  return description->type;
}

Result<std::string> text_or_empty(const Checkpoint& checkpoint, std::string_view name) {
  AZ_ASSIGN_OR_RETURN(std::optional<std::string> text, checkpoint.optional_file(name));
  return text.value_or("");
}

// The files with `tokens` among the added ones that they list. Ids beyond all others keep them at the end; those of
// tokens that the vocabulary has are the vocabulary's (tokenizers, add_tokens).
Status list_added_tokens(const std::vector<std::string>& tokens, std::string& config_text, std::string& added_text) {
  constexpr int64_t kBehindAll = int64_t{1} << 30;
  AZ_ASSIGN_OR_RETURN(nlohmann::json config,
                      parse_json(config_text.empty() ? "{}" : config_text, "tokenizer_config.json"));
  if (!config.is_object() || !config.contains("added_tokens_decoder")) {
    AZ_ASSIGN_OR_RETURN(nlohmann::json added, parse_json(added_text.empty() ? "{}" : added_text, "added_tokens.json"));
    if (!added.is_object()) return ok_status();  // the tokenizer says what is wrong with it
    for (size_t i = 0; i < tokens.size(); ++i) added.emplace(tokens[i], kBehindAll + static_cast<int64_t>(i));
    added_text = added.dump();
    return ok_status();
  }
  nlohmann::json& listed = config["added_tokens_decoder"];
  if (!listed.is_object()) return ok_status();
  std::set<std::string> known;
  for (const auto& token : listed) {
    const auto content = token.is_object() ? token.find("content") : token.end();
    if (content != token.end() && content->is_string()) known.insert(content->get<std::string>());
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!known.contains(tokens[i])) listed[std::to_string(kBehindAll + static_cast<int64_t>(i))]["content"] = tokens[i];
  }
  config_text = config.dump();
  return ok_status();
}

Status load_tokenizer(const Checkpoint& checkpoint, Engine::Impl& impl) {
  AZ_ASSIGN_OR_RETURN(const std::string tokenizer, text_or_empty(checkpoint, "tokenizer.json"));
  AZ_ASSIGN_OR_RETURN(std::string config, text_or_empty(checkpoint, "tokenizer_config.json"));
  AZ_ASSIGN_OR_RETURN(const std::string special, text_or_empty(checkpoint, "special_tokens_map.json"));
  AZ_ASSIGN_OR_RETURN(std::string added, text_or_empty(checkpoint, "added_tokens.json"));
  AZ_ASSIGN_OR_RETURN(const std::string vocab, text_or_empty(checkpoint, "vocab.json"));
  AZ_ASSIGN_OR_RETURN(const std::string merges, text_or_empty(checkpoint, "merges.txt"));
  if (!impl.spec.added_tokens.empty()) {
    AZ_RETURN_IF_ERROR(list_added_tokens(impl.spec.added_tokens, config, added));
  }
  text::TokenizerFiles files;
  files.tokenizer_json = tokenizer;
  files.tokenizer_config_json = config;
  files.special_tokens_map_json = special;
  files.added_tokens_json = added;
  files.vocab_json = vocab;
  files.merges_txt = merges;
  files.registered_class = impl.spec.tokenizer_class;
  files.registered_class_wins = impl.spec.tokenizer_class_wins;
  files.placeholders = impl.spec.prompt.placeholders();
  AZ_ASSIGN_OR_RETURN(impl.tokenizer, text::Tokenizer::create(files));
  return ok_status();
}

// The files that may hold the template, the one that transformers prefers first: its processors (ProcessorMixin.
// get_processor_dict) and its tokenizers have different orders. What it does not read at all comes last.
std::vector<std::string> template_files(bool multimodal) {
  if (multimodal)
    return {"processor_config.json", "chat_template.json", "chat_template.jinja", "tokenizer_config.json"};
  return {"chat_template.jinja", "tokenizer_config.json", "chat_template.json"};
}

Result<std::string> find_template(const Checkpoint& checkpoint, bool multimodal) {
  for (const std::string& name : template_files(multimodal)) {
    AZ_ASSIGN_OR_RETURN(std::string text, text_or_empty(checkpoint, name));
    if (text.empty()) continue;
    if (name.ends_with(".jinja")) return text;
    AZ_ASSIGN_OR_RETURN(const nlohmann::json root, parse_json(text, name));
    const JsonView json(root, name);
    if (!json.has("chat_template")) continue;
    AZ_ASSIGN_OR_RETURN(const JsonView value, json.at("chat_template"));
    if (!value.value().is_array()) return value.as_string();
    // A list of named templates: the one called "default".
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> templates, value.items());
    for (const JsonView& entry : templates) {
      AZ_ASSIGN_OR_RETURN(const std::string entry_name, entry.string_or("name", ""));
      if (entry_name == "default") return entry.string("template");
    }
  }
  return std::string();
}

Status load_chat_template(const Checkpoint& checkpoint, Engine::Impl& impl) {
  if (!impl.spec.prompt.video_template.empty()) {
    AZ_ASSIGN_OR_RETURN(impl.video_template,
                        text::ChatTemplate::create(impl.spec.prompt.video_template, impl.tokenizer->named_tokens(),
                                                   impl.tokenizer->reserved_strings()));
  }
  AZ_ASSIGN_OR_RETURN(const std::string source, find_template(checkpoint, impl.spec.vision.has_value()));
  if (source.empty()) return ok_status();  // raw prompts still work
  AZ_ASSIGN_OR_RETURN(impl.chat_template, text::ChatTemplate::create(source, impl.tokenizer->named_tokens(),
                                                                     impl.tokenizer->reserved_strings()));
  return ok_status();
}

Status load_processors(const Checkpoint& checkpoint, Engine::Impl& impl) {
  models::ProcessorFiles files;
  AZ_ASSIGN_OR_RETURN(files.processor_config, checkpoint.optional_file("processor_config.json"));
  AZ_ASSIGN_OR_RETURN(files.preprocessor_config, checkpoint.optional_file("preprocessor_config.json"));
  AZ_ASSIGN_OR_RETURN(files.video_preprocessor_config, checkpoint.optional_file("video_preprocessor_config.json"));
  AZ_ASSIGN_OR_RETURN(impl.processors, models::read_processor_specs(files, impl.spec.model_type));
  const std::string& resize = impl.options.resize;
  if (resize.empty()) return ok_status();
  if (resize != "torchvision" && resize != "pillow") {
    return invalid_argument("resize expected torchvision or pillow, found \"" + resize + "\"");
  }
  const PixelArithmetic arithmetic = resize == "pillow" ? PixelArithmetic::pillow : PixelArithmetic::torchvision;
  impl.processors.image.arithmetic = impl.processors.video.frame.arithmetic = arithmetic;
  return ok_status();
}

// The processor files and config.json describe the same patches; a mismatch would only show as garbage. Files that say
// nothing of patches leave them to config.json.
Status settle_patches(Engine::Impl& impl) {
  const VisionSpec& tower = *impl.spec.vision;
  for (ImageProcessorSpec* spec : {&impl.processors.image, &impl.processors.video.frame}) {
    if (!spec->tower_patches) continue;
    spec->patch_size = tower.patch;
    spec->merge_size = tower.projector.merge;
    spec->temporal_patch_size = tower.temporal_patch;
  }
  const ImageProcessorSpec& image = impl.processors.image;
  if (image.patch_size == tower.patch && image.merge_size == tower.projector.merge &&
      image.temporal_patch_size == tower.temporal_patch) {
    return ok_status();
  }
  return invalid_argument("the processor config expected the tower's patches (patch " + std::to_string(tower.patch) +
                          ", merge " + std::to_string(tower.projector.merge) + ", temporal " +
                          std::to_string(tower.temporal_patch) + " in config.json), found patch " +
                          std::to_string(image.patch_size) + ", merge " + std::to_string(image.merge_size) +
                          ", temporal " + std::to_string(image.temporal_patch_size));
}

// A token id or a list of ids under eos_token_id; nothing where the key is absent.
Result<std::vector<int64_t>> read_eos(const JsonView& config) {
  constexpr std::string_view kKey = "eos_token_id";
  if (!config.has(kKey)) return std::vector<int64_t>{};
  AZ_ASSIGN_OR_RETURN(const JsonView value, config.at(kKey));
  if (value.value().is_array()) return config.integers(kKey, 0, INT32_MAX);
  AZ_ASSIGN_OR_RETURN(const int64_t id, value.as_integer(0, INT32_MAX));
  return std::vector<int64_t>{id};
}

// generation_config.json, else the end-of-text ids of config.json or of its text_config.
Status load_generation_config(const Checkpoint& checkpoint, Engine::Impl& impl) {
  AZ_ASSIGN_OR_RETURN(const std::optional<std::string> text, checkpoint.optional_file("generation_config.json"));
  if (text) {
    AZ_ASSIGN_OR_RETURN(impl.generation, sampling::parse_generation_config(*text));
  }
  if (!impl.generation.end_of_text_ids.empty()) return ok_status();
  const JsonView config = checkpoint.config_view();
  AZ_ASSIGN_OR_RETURN(std::vector<int64_t> ids, read_eos(config));
  if (ids.empty() && config.has("text_config")) {
    AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
    AZ_ASSIGN_OR_RETURN(ids, read_eos(text_config));
  }
  for (const int64_t id : ids) {
    impl.generation.end_of_text_ids.push_back(static_cast<int32_t>(id));
    impl.generation.params.stop_ids.push_back(static_cast<int32_t>(id));
  }
  return ok_status();
}

size_t bound_of(int64_t bytes) {
  return static_cast<size_t>(std::max<int64_t>(bytes, 0));
}

Result<kernels::CacheType> parse_cache(const std::string& name, kernels::WeightType weights) {
  if (name.empty()) return kernels::cache_type_of(weights);
  for (const kernels::CacheType type : {kernels::CacheType::f32, kernels::CacheType::bf16, kernels::CacheType::q8})
    if (kernels::to_string(type) == name) return type;
  return invalid_argument("cache expected f32, bf16 or q8, found \"" + name + "\"");
}

void count_parameters(Engine::Impl& impl) {
  for (const auto& [slot, rule] : impl.spec.weights.rules()) {
    if (rule.optional) continue;
    int64_t& count = slot.starts_with("tower.") ? impl.vision_parameters : impl.text_parameters;
    count += rule.elements();
    for (const WeightRule& below : rule.below) count += below.elements();
  }
}

Status load_weights(const Checkpoint& checkpoint, WeightReader& reader, Engine::Impl& impl) {
  AZ_ASSIGN_OR_RETURN(engine::ModelWeights weights, engine::load_model_weights(impl.spec, reader));
  weights.decoder.intact = impl.intact;
  impl.decoder.emplace(impl.spec.text, std::move(weights.decoder), impl.cache);
  AZ_ASSIGN_OR_RETURN(impl.position_weights, engine::PositionWeights::read(checkpoint));
  if (!weights.positions.empty()) impl.position_weights.add("table", std::move(weights.positions));
  if (weights.tower) impl.tower.emplace(*impl.spec.vision, std::move(*weights.tower));
  impl.weight_bytes = reader.bytes();
  return ok_status();
}

// Bytes that the weights would take, where they are not read.
Status size_weights(kernels::WeightType type, Engine::Impl& impl) {
  const auto reader = engine::make_size_reader(impl.spec.weights, type);
  AZ_RETURN_IF_ERROR(engine::load_model_weights(impl.spec, *reader).status());
  impl.weight_bytes = reader->bytes();
  return ok_status();
}

// What needs no weights: tokenizer, template, processors.
Status load_text_and_processors(const Checkpoint& checkpoint, Engine::Impl& impl) {
  AZ_RETURN_IF_ERROR(load_generation_config(checkpoint, impl));
  AZ_RETURN_IF_ERROR(load_tokenizer(checkpoint, impl));
  AZ_RETURN_IF_ERROR(load_chat_template(checkpoint, impl));
  if (!impl.spec.vision) return ok_status();
  AZ_RETURN_IF_ERROR(load_processors(checkpoint, impl));
  return settle_patches(impl);
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::load(const std::string& model, const EngineOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->options.progress = nullptr;  // of this call alone
  impl->options.cancel = nullptr;
  const CancelScope scope(options.cancel);
  impl->pool = std::make_unique<ThreadPool>(options.threads);
  impl->features = std::make_unique<engine::FeatureCache>(bound_of(options.feature_cache_bytes));
  impl->prefixes = std::make_unique<engine::PrefixCache>(bound_of(options.prefix_cache_bytes));
  formats::CheckpointOptions checkpoint_options;
  checkpoint_options.weights = options.load_weights;
  AZ_ASSIGN_OR_RETURN(Checkpoint opened, Checkpoint::open(model, checkpoint_options));
  AZ_ASSIGN_OR_RETURN(std::optional<quantize::Description> description,
                      find_description(model, opened, options.load_weights));
  if (description) opened.read_lost_pages_as_zeros();
  const auto shared = std::make_shared<const Checkpoint>(std::move(opened));
  const Checkpoint& checkpoint = *shared;
  if (description && options.load_weights) impl->intact = [shared] { return shared->intact(); };
  impl->directory = checkpoint.directory();
  AZ_ASSIGN_OR_RETURN(impl->spec, models::read_model_spec(checkpoint.config_view()));
  // A section that does not fit is the checkpoint's fault: say so now, not at the first prompt.
  AZ_RETURN_IF_ERROR(engine::choose_policy(impl->spec.text, "").status().with_context("config.json"));
  AZ_ASSIGN_OR_RETURN(const kernels::WeightType type, settle_dtype(description, impl->directory, impl->options));
  impl->quantised = description.has_value();
  AZ_ASSIGN_OR_RETURN(impl->cache, parse_cache(options.cache, type));
  count_parameters(*impl);
  if (!options.load_weights) {
    AZ_RETURN_IF_ERROR(load_text_and_processors(checkpoint, *impl));
    AZ_RETURN_IF_ERROR(size_weights(type, *impl));
    return Engine(std::move(impl));
  }
  impl->checkpoint_bytes = static_cast<int64_t>(checkpoint.weight_bytes());
  // A large vocabulary takes about as long as a map; each part of the model is written by one of the two.
  std::future<Status> text =
      std::async(std::launch::async, [&checkpoint, &impl] { return load_text_and_processors(checkpoint, *impl); });
  const std::unique_ptr<WeightReader> reader =
      description ? engine::make_quantised_reader(shared, std::move(*description), impl->spec.weights, *impl->pool,
                                                  options.progress)
                  : engine::make_checkpoint_reader(checkpoint, impl->spec.weights, type, *impl->pool, options.progress);
  const Status weights = load_weights(checkpoint, *reader, *impl);
  AZ_RETURN_IF_ERROR(text.get());
  AZ_RETURN_IF_ERROR(weights);
  AZ_RETURN_IF_ERROR(engine::choose_policy(*impl, "").status().with_context("config.json"));
  return Engine(std::move(impl));
}

std::vector<std::string> known_model_types() {
  return models::known_families();
}
std::vector<std::string> kernel_report() {
  return kernels::describe_kernels();
}

}  // namespace azimuth
