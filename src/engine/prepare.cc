#include "engine/prepare.h"

#include <nlohmann/json.hpp>

#include "azimuth/log.h"
#include "base/json.h"
#include "engine/explicit_ids.h"
#include "engine/held_media.h"
#include "engine/media_loader.h"
#include "prompt/build_prompt.h"
#include "prompt/messages.h"
#include "prompt/plain_text.h"

namespace azimuth::engine {
namespace {

using prompt::MediaReference;

// Everything that a request brings along, beside its text.
struct RequestText {
  prompt::PromptText text;
  std::vector<MediaReference> media;
};

Result<RequestText> text_of_messages(const Engine::Impl& model, const Request& request) {
  AZ_ASSIGN_OR_RETURN(prompt::Messages messages, prompt::parse_messages(request.messages, model.spec.prompt));
  RequestText out;
  out.media = std::move(messages.media);
  if (request.has_prompt) return out;
  const bool has_video = std::ranges::any_of(out.media, &MediaReference::is_video);
  const auto& chat_template = has_video && model.video_template ? model.video_template : model.chat_template;
  if (!chat_template) {
    AZ_ASSIGN_OR_RETURN(out.text, prompt::plain_text(messages.template_json, model.spec.prompt));
    return out;
  }
  text::RenderOptions options;
  options.add_generation_prompt = request.add_generation_prompt;
  AZ_ASSIGN_OR_RETURN(text::RenderedPrompt rendered,
                      chat_template->render_json(messages.template_json, request.template_kwargs, options));
  out.text = {std::move(rendered.text), std::move(rendered.literal), true};
  return out;
}

MediaReference reference_to(const std::string& source, prompt::MediaKind kind) {
  MediaReference reference;
  reference.kind = kind;
  reference.sources = {source};
  return reference;
}

// The media that a request names beside its prompt or ids.
Result<std::vector<MediaReference>> named_media(const Request& request) {
  std::vector<MediaReference> media;
  for (const std::string& image : request.images) media.push_back(reference_to(image, prompt::MediaKind::image));
  if (!request.panoramas.empty()) {
    AZ_ASSIGN_OR_RETURN(std::vector<MediaReference> panoramas, prompt::parse_panoramas(request.panoramas));
    for (MediaReference& panorama : panoramas) media.push_back(std::move(panorama));
  }
  if (request.videos.empty()) return media;
  AZ_ASSIGN_OR_RETURN(std::vector<MediaReference> videos, prompt::parse_videos(request.videos));
  for (MediaReference& video : videos) media.push_back(std::move(video));
  return media;
}

// All media in memory, in order.
std::vector<MediaReference> held_media(const std::vector<MediaInput>& held) {
  std::vector<MediaReference> media;
  for (size_t i = 0; i < held.size(); ++i) {
    const bool video = kind_of(held[i]) == SpanKind::video;
    media.push_back(
        reference_to("memory:" + std::to_string(i), video ? prompt::MediaKind::video_file : prompt::MediaKind::image));
  }
  return media;
}

Result<RequestText> read_text(const Engine::Impl& model, const Request& request) {
  RequestText out;
  if (request.has_ids) {
    if (request.has_prompt || !request.messages.empty()) {
      return invalid_argument("a request expected ids, a prompt or messages, found ids beside one of the others");
    }
    AZ_ASSIGN_OR_RETURN(out.media, named_media(request));
    if (out.media.empty()) out.media = held_media(request.media);
    return out;
  }
  if (!request.messages.empty()) {
    AZ_ASSIGN_OR_RETURN(out, text_of_messages(model, request));
  } else if (!request.has_prompt) {
    return invalid_argument("a request expected messages, a prompt or ids, found none of them");
  }
  if (!request.has_prompt) return out;
  // Beside messages the prompt is their rendered text, which holds the special tokens that the template writes.
  out.text = {request.prompt, {}, !request.messages.empty()};
  if (!request.messages.empty()) return out;
  AZ_ASSIGN_OR_RETURN(out.media, named_media(request));
  return out;
}

// transformers 5.23 counts rope_delta from the largest id, which is what its layouts say under tf5, but its generate()
// numbers new tokens on from the last one of the prompt.
void decode_as_generate(const positions::PolicyInstance& policy, PositionTable& table) {
  const std::string& own = policy.parameters.word("compat");
  if (policy.policy->function || (!own.empty() && own != "azimuth")) return;  // these say themselves how to go on
  for (PositionSet& set : table.sets) set.next_decode = set.next_text;
}

// Seconds between grid frames as transformers 4.57 has them for Qwen2.5-VL: of the frame rate that was asked for, or of
// two frames a second; the metadata does not count.
void time_by_requested_rate(const VideoProcessorSpec& spec, Prompt& prompt) {
  constexpr double kAssumedRate = 2.0;
  for (Span& span : prompt.spans) {
    if (span.kind != SpanKind::video) continue;
    span.step_seconds = static_cast<double>(spec.frame.temporal_patch_size) / spec.fps.value_or(kAssumedRate);
  }
}

}  // namespace

Status replace_positions(const Request& request, const PolicyChoice& policy, const TextSpec& text,
                         PreparedSample& sample) {
  const auto tokens = static_cast<int64_t>(sample.prompt.ids.size());
  if (request.position_ids) {
    AZ_ASSIGN_OR_RETURN(sample.positions, explicit_table(*request.position_ids, sample.prompt, sample.positions,
                                                         static_cast<int>(text.layers.size())));
    AZ_RETURN_IF_ERROR(check_table(sample.positions, tokens, *policy.encoding, text, "position ids"));
  } else if (policy.policy.policy->function) {
    AZ_RETURN_IF_ERROR(
        check_table(sample.positions, tokens, *policy.encoding, text, "position policy " + policy.policy.policy->name));
  }
  if (!request.hooks.on_positions) return ok_status();
  const std::string spelling = policy.policy.spelling();
  PositionEdit edit{spelling, sample.prompt.spans, sample.prompt.ids, sample.media, sample.positions};
  AZ_RETURN_IF_ERROR(request.hooks.on_positions(edit));
  return check_table(sample.positions, tokens, *policy.encoding, text, "the position hook");
}

Result<PositionTable> lay_out(const Engine::Impl& model, const PolicyChoice& policy, std::span<const Span> spans,
                              Compat compat) {
  AZ_ASSIGN_OR_RETURN(
      PositionTable table,
      positions::layout_prompt(policy.policy, spans, {compat, static_cast<int>(model.spec.text.layers.size())}));
  if (compat == Compat::tf5) decode_as_generate(policy.policy, table);
  return table;
}

Result<std::string> render_messages(const Engine::Impl& model, const Request& request) {
  AZ_ASSIGN_OR_RETURN(RequestText text, text_of_messages(model, request));
  return std::move(text.text.text);
}

Result<PreparedSample> prepare(const Engine::Impl& model, const Request& request, const PolicyChoice& policy) {
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, prepare_prompt(model, request));
  AZ_ASSIGN_OR_RETURN(sample.positions, lay_out(model, policy, sample.prompt.spans, sample.compat));
  AZ_RETURN_IF_ERROR(replace_positions(request, policy, model.spec.text, sample));
  return sample;
}

namespace {

// How a request is to be read: what its words stand for.
struct Reading {
  Compat compat = Compat::azimuth;
  models::ProcessorSpecs processors;
  std::optional<bool> special_tokens;
};

Result<Reading> reading_of(const Engine::Impl& model, const Request& request) {
  Reading out{model.options.compat, model.processors, {}};
  if (!request.compat.empty()) {
    AZ_ASSIGN_OR_RETURN(out.compat, parse_compat(request.compat));
  }
  if (request.processor_kwargs.empty()) return out;
  AZ_ASSIGN_OR_RETURN(const nlohmann::json kwargs, parse_json(request.processor_kwargs, "processor_kwargs"));
  AZ_ASSIGN_OR_RETURN(out.special_tokens, models::asked_special_tokens(kwargs));
  std::vector<std::string> unknown;
  if (model.spec.vision) {
    AZ_ASSIGN_OR_RETURN(unknown, models::apply_processor_kwargs(out.processors, kwargs));
  }
  for (const std::string& key : unknown)
    log(LogLevel::warning, "processor_kwargs: unknown key \"" + key + "\" is ignored");
  return out;
}

Result<Prompt> build(const Engine::Impl& model, const Request& request, const prompt::PromptText& text,
                     const prompt::MediaInputs& inputs, const Reading& reading, const PromptOptions& prompt_options) {
  prompt::BuildOptions options;
  options.rows_are_final = prompt_options.rows_are_final;
  options.unknown_ids = prompt_options.unknown_ids;
  options.add_special_tokens = reading.special_tokens;
  options.context_tokens = model.spec.text.context_length;
  options.replace_video_markers = reading.compat == Compat::tf4;
  options.space_behind_markers = reading.compat != Compat::tf4;
  if (request.has_ids) {
    return prompt::prompt_of_ids(request.ids, inputs, model.spec.prompt, *model.tokenizer, options);
  }
  return prompt::build_prompt(text, inputs, model.spec.prompt, *model.tokenizer, options);
}

Status load_media(const Engine::Impl& model, const std::vector<MediaReference>& media, MediaLoader& loader) {
  if (media.empty()) return ok_status();
  if (!model.spec.vision) {
    return unsupported("this model takes text only, but " + std::to_string(media.size()) +
                       (media.size() == 1 ? " image or video" : " images or videos") +
                       " came with the prompt; leave them out, or take a vision-language model");
  }
  loader.expect(media);
  for (const MediaReference& reference : media) AZ_RETURN_IF_ERROR(loader.load(reference));
  return loader.arrange();
}

}  // namespace

Result<PreparedSample> prepare_prompt(const Engine::Impl& model, const Request& request, const PromptOptions& options) {
  AZ_ASSIGN_OR_RETURN(const Reading reading, reading_of(model, request));
  AZ_ASSIGN_OR_RETURN(RequestText text, read_text(model, request));
  MediaLoader loader(model, reading.processors,
                     {request.base_directory, reading.compat, &request.media, request.has_ids});
  AZ_RETURN_IF_ERROR(load_media(model, text.media, loader));
  PreparedSample sample;
  AZ_ASSIGN_OR_RETURN(sample.prompt, build(model, request, text.text, loader.inputs, reading, options));
  sample.images = std::move(loader.images);
  sample.videos = std::move(loader.videos);
  sample.media = loader.handles();
  sample.rendered = std::move(text.text.text);
  sample.compat = reading.compat;
  if (reading.compat == Compat::tf4) time_by_requested_rate(reading.processors.video, sample.prompt);
  return sample;
}

Result<PreparedSample> prepare_media(const Engine::Impl& model, const Request& request) {
  AZ_ASSIGN_OR_RETURN(const Reading reading, reading_of(model, request));
  std::vector<MediaReference> media;
  if (request.messages.empty()) {
    AZ_ASSIGN_OR_RETURN(media, named_media(request));
    if (media.empty()) media = held_media(request.media);
  } else {
    AZ_ASSIGN_OR_RETURN(prompt::Messages messages, prompt::parse_messages(request.messages, model.spec.prompt));
    media = std::move(messages.media);
  }
  MediaLoader loader(model, reading.processors, {request.base_directory, reading.compat, &request.media, true});
  AZ_RETURN_IF_ERROR(load_media(model, media, loader));
  PreparedSample sample;
  sample.images = std::move(loader.images);
  sample.videos = std::move(loader.videos);
  sample.media = loader.handles();
  sample.compat = reading.compat;
  return sample;
}

}  // namespace azimuth::engine
