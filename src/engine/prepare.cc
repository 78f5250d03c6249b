#include "engine/prepare.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "azimuth/log.h"
#include "base/json.h"
#include "media/image.h"
#include "prompt/build_prompt.h"
#include "prompt/messages.h"

namespace azimuth::engine {
namespace {

using prompt::MediaReference;

// Paths inside a request are relative to its directory; data: URLs and absolute paths stay.
std::string resolve(const std::string& source, const std::string& directory) {
  if (source.starts_with("data:") || directory.empty() || std::filesystem::path(source).is_absolute()) return source;
  return (std::filesystem::path(directory) / source).string();
}

media::DecodeOptions decode_options(const Engine::Impl& model, Compat compat) {
  media::DecodeOptions options;
  options.alpha = compat == Compat::tf4 ? media::AlphaMode::drop : media::AlphaMode::on_white;
  options.apply_orientation = model.options.apply_orientation;
  options.max_pixels = model.options.max_pixels;
  return options;
}

Result<media::VideoFrames> load_frames(const MediaReference& reference, const std::string& directory,
                                       const media::DecodeOptions& options) {
  media::VideoFrames video;
  media::DecodeOptions opaque = options;
  opaque.alpha = media::AlphaMode::drop;  // frames of a video have no alpha; transformers converts them to RGB
  for (const std::string& source : reference.sources) {
    AZ_ASSIGN_OR_RETURN(media::Image frame, media::load_image(resolve(source, directory), opaque));
    video.frames.push_back(std::move(frame));
  }
  video.metadata = reference.metadata;
  video.sampled = reference.sampled;
  const auto count = static_cast<int64_t>(video.frames.size());
  if (video.metadata.total_num_frames == 0) video.metadata.total_num_frames = count;
  if (video.metadata.frames_indices.empty()) {
    for (int64_t i = 0; i < count; ++i) video.metadata.frames_indices.push_back(i);
  }
  return video;
}

Status load_media(const Engine::Impl& model, const Request& request, const models::ProcessorSpecs& processors,
                  Compat compat, const std::vector<MediaReference>& references, PreparedSample& sample) {
  const media::DecodeOptions options = decode_options(model, compat);
  for (const MediaReference& reference : references) {
    switch (reference.kind) {
      case prompt::MediaKind::image: {
        AZ_ASSIGN_OR_RETURN(const media::Image image,
                            media::load_image(resolve(reference.sources[0], request.base_directory), options));
        AZ_ASSIGN_OR_RETURN(preprocess::Patches patches,
                            preprocess::preprocess_image(image, processors.image, *model.pool));
        sample.images.push_back(std::move(patches));
        break;
      }
      case prompt::MediaKind::video_frames: {
        AZ_ASSIGN_OR_RETURN(const media::VideoFrames video, load_frames(reference, request.base_directory, options));
        AZ_ASSIGN_OR_RETURN(preprocess::VideoPatches patches,
                            preprocess::preprocess_video(video, processors.video, *model.pool));
        sample.videos.push_back(std::move(patches));
        break;
      }
      case prompt::MediaKind::video_file:
        return unsupported("video expected a list of frames, found the file " + reference.sources[0] +
                           "; this build does not decode video files, extract frames first");
    }
  }
  return ok_status();
}

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
  if (!model.chat_template) {
    return unsupported("the checkpoint has no chat template, so messages cannot be rendered; give a raw prompt");
  }
  text::RenderOptions options;
  options.add_generation_prompt = request.add_generation_prompt;
  AZ_ASSIGN_OR_RETURN(text::RenderedPrompt rendered,
                      model.chat_template->render_json(messages.template_json, {}, options));
  out.text = {std::move(rendered.text), std::move(rendered.literal), true};
  return out;
}

Result<RequestText> read_text(const Engine::Impl& model, const Request& request) {
  RequestText out;
  if (!request.messages.empty()) {
    AZ_ASSIGN_OR_RETURN(out, text_of_messages(model, request));
  } else if (!request.has_prompt) {
    return invalid_argument("a request expected messages or a prompt, found neither");
  }
  if (!request.has_prompt) return out;
  out.text = {request.prompt, {}, false};
  if (!request.messages.empty()) return out;
  for (const std::string& image : request.images) {
    MediaReference reference;
    reference.sources = {image};
    out.media.push_back(std::move(reference));
  }
  if (request.videos.empty()) return out;
  AZ_ASSIGN_OR_RETURN(std::vector<MediaReference> videos, prompt::parse_videos(request.videos));
  for (MediaReference& video : videos) out.media.push_back(std::move(video));
  return out;
}

Grid merged(const Grid& patches, int64_t merge) {
  return {patches.t, patches.h / merge, patches.w / merge};
}

Result<Prompt> build(const Engine::Impl& model, const prompt::PromptText& text,
                     const models::ProcessorSpecs& processors, const PreparedSample& sample, Compat compat) {
  prompt::MediaInputs inputs;
  for (const auto& image : sample.images) {
    inputs.images.push_back({.grid = merged(image.grid, processors.image.merge_size)});
  }
  for (const auto& video : sample.videos) {
    inputs.videos.push_back({merged(video.patches.grid, processors.video.frame.merge_size), video.metadata,
                             processors.video.frame.temporal_patch_size});
  }
  prompt::BuildOptions options;
  options.context_tokens = model.spec.text.context_length;
  options.replace_video_markers = compat == Compat::tf4;
  return prompt::build_prompt(text, inputs, model.spec.prompt, *model.tokenizer, options);
}

}  // namespace

Result<PreparedSample> prepare(const Engine::Impl& model, const Request& request, const PolicyChoice& policy) {
  Compat compat = model.options.compat;
  if (!request.compat.empty()) {
    AZ_ASSIGN_OR_RETURN(compat, parse_compat(request.compat));
  }
  models::ProcessorSpecs processors = model.processors;
  if (!request.processor_kwargs.empty() && model.spec.vision) {
    AZ_ASSIGN_OR_RETURN(const nlohmann::json kwargs, parse_json(request.processor_kwargs, "processor_kwargs"));
    AZ_ASSIGN_OR_RETURN(const std::vector<std::string> unknown, models::apply_processor_kwargs(processors, kwargs));
    for (const std::string& key : unknown)
      log(LogLevel::warning, "processor_kwargs: unknown key \"" + key + "\" is ignored");
  }
  AZ_ASSIGN_OR_RETURN(RequestText text, read_text(model, request));
  PreparedSample sample;
  AZ_RETURN_IF_ERROR(load_media(model, request, processors, compat, text.media, sample));
  AZ_ASSIGN_OR_RETURN(sample.prompt, build(model, text.text, processors, sample, compat));
  sample.rendered = std::move(text.text.text);
  AZ_ASSIGN_OR_RETURN(sample.positions, positions::layout_prompt(*policy.policy, sample.prompt.spans, {compat}));
  return sample;
}

}  // namespace azimuth::engine
