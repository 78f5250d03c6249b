#include "engine/prepare.h"

#include <nlohmann/json.hpp>

#include "azimuth/log.h"
#include "base/json.h"
#include "engine/explicit_ids.h"
#include "engine/video_frames.h"
#include "media/image.h"
#include "media/panorama_views.h"
#include "prompt/build_prompt.h"
#include "prompt/messages.h"
#include "prompt/plain_text.h"
#include "vision/arrangement/arrangement.h"

namespace azimuth::engine {
namespace {

using prompt::MediaReference;

media::DecodeOptions decode_options(const Engine::Impl& model, Compat compat) {
  media::DecodeOptions options;
  const bool drops = compat == Compat::tf4 || model.processors.image.drops_alpha;
  options.alpha = drops ? media::AlphaMode::drop : media::AlphaMode::on_white;
  options.apply_orientation = model.options.apply_orientation;
  options.max_pixels = model.options.max_pixels;
  return options;
}

// Reads the media of a request and cuts them into patches; what the prompt has to know about each goes to `inputs`.
class MediaLoader {
 public:
  MediaLoader(const Engine::Impl& model, const models::ProcessorSpecs& processors, std::string directory, Compat compat)
      : model_(model),
        processors_(processors),
        directory_(std::move(directory)),
        options_(decode_options(model, compat)),
        compat_(compat) {}

  // Called first, with everything that will be loaded: some processors divide a picture only where it is the only one.
  void expect(const std::vector<MediaReference>& references) {
    several_pictures_ =
        std::ranges::count_if(references, [](const MediaReference& reference) {
          return reference.kind == prompt::MediaKind::image || reference.kind == prompt::MediaKind::panorama;
        }) > 1;
  }

  Status load(const MediaReference& reference) {
    switch (reference.kind) {
      case prompt::MediaKind::image: return load_image(reference.sources[0]);
      case prompt::MediaKind::panorama: return load_panorama(reference);
      case prompt::MediaKind::video_frames:
      case prompt::MediaKind::video_file: return load_video(reference);
    }
    return internal_error("no such kind of medium");
  }

  // Pictures, then videos.
  std::vector<MediaHandle> handles() const {
    std::vector<MediaHandle> all = image_handles_;
    all.insert(all.end(), video_handles_.begin(), video_handles_.end());
    return all;
  }

  // Once everything is loaded: what the decoder will get of each, which may depend on how many there are.
  Status arrange() {
    const VisionSpec& vision = *model_.spec.vision;
    const int count = static_cast<int>(images.size());
    for (size_t i = 0; i < images.size(); ++i) {
      AZ_ASSIGN_OR_RETURN(images[i].blocks, vision::feature_blocks({vision, images[i], false, count}));
      inputs.images[i].blocks = images[i].blocks;
      images[i].tf4 = compat_ == Compat::tf4;
    }
    for (size_t i = 0; i < videos.size(); ++i) {
      preprocess::MediaPixels& media = videos[i].media;
      AZ_ASSIGN_OR_RETURN(media.blocks, vision::feature_blocks({vision, media, true, count}));
      inputs.videos[i].blocks = media.blocks;
      media.tf4 = compat_ == Compat::tf4;
    }
    return ok_status();
  }

  std::vector<preprocess::MediaPixels> images;
  std::vector<preprocess::VideoPixels> videos;
  prompt::MediaInputs inputs;

 private:
  Status load_image(const std::string& source) {
    AZ_ASSIGN_OR_RETURN(const media::Image image, media::load_image(resolve_source(source, directory_), options_));
    return add_view(image, 0, 1);
  }

  // Every view is an image like any other, but for its mark.
  Status load_panorama(const MediaReference& reference) {
    const std::string source = resolve_source(reference.sources[0], directory_);
    AZ_ASSIGN_OR_RETURN(const media::Image panorama, media::load_image(source, options_));
    AZ_ASSIGN_OR_RETURN(const std::vector<media::Image> views,
                        media::panorama_views(panorama, reference.panorama, *model_.pool));
    for (size_t view = 0; view < views.size(); ++view) {
      AZ_RETURN_IF_ERROR(add_view(views[view], static_cast<int>(view), static_cast<int>(views.size())));
    }
    return ok_status();
  }

  Status add_view(const media::Image& image, int view, int views) {
    ImageProcessorSpec spec = processors_.image;
    if (spec.divides_only_alone && (several_pictures_ || views > 1)) spec.divides = false;
    AZ_ASSIGN_OR_RETURN(preprocess::MediaPixels pixels, preprocess::preprocess_image(image, spec, *model_.pool));
    prompt::ImageInput input{merged(pixels), view, views};
    input.tile_rows = pixels.tile_rows;
    input.tile_columns = pixels.tile_columns;
    inputs.images.push_back(std::move(input));
    image_handles_.push_back(
        handle(SpanKind::image, images.size(), {image.width, image.height}, pixels, processors_.image.patch_size));
    images.push_back(std::move(pixels));
    return ok_status();
  }

  Status load_video(const MediaReference& reference) {
    AZ_ASSIGN_OR_RETURN(const media::VideoFrames video,
                        load_video_frames(reference, directory_, options_, processors_.video, *model_.pool));
    AZ_ASSIGN_OR_RETURN(preprocess::VideoPixels pixels,
                        preprocess::preprocess_video(video, processors_.video, *model_.pool));
    inputs.videos.push_back({merged(pixels.media), pixels.metadata, processors_.video.frame.temporal_patch_size});
    video_handles_.push_back(handle(SpanKind::video, videos.size(), preprocess::source_size(video), pixels.media,
                                    processors_.video.frame.patch_size));
    videos.push_back(std::move(pixels));
    return ok_status();
  }

  Grid merged(const preprocess::MediaPixels& pixels) const {
    return model_.spec.vision->projector.merged(pixels.tiles[0].grid);
  }

  // Tiles that divide a picture count as the one picture that they make up.
  static MediaHandle handle(SpanKind kind, size_t number, preprocess::PixelSize source,
                            const preprocess::MediaPixels& pixels, int64_t patch_size) {
    Grid patches = pixels.tiles[0].grid;
    patches.h *= pixels.tile_rows;
    patches.w *= pixels.tile_columns;
    return {kind,          static_cast<int>(number), source.width,
            source.height, patches.w * patch_size,   patches.h * patch_size,
            patches};
  }

  const Engine::Impl& model_;
  const models::ProcessorSpecs& processors_;
  std::string directory_;
  media::DecodeOptions options_;
  bool several_pictures_ = false;  // in the request
  Compat compat_;
  std::vector<MediaHandle> image_handles_;
  std::vector<MediaHandle> video_handles_;
};

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

Result<RequestText> read_text(const Engine::Impl& model, const Request& request) {
  RequestText out;
  if (!request.messages.empty()) {
    AZ_ASSIGN_OR_RETURN(out, text_of_messages(model, request));
  } else if (!request.has_prompt) {
    return invalid_argument("a request expected messages or a prompt, found neither");
  }
  if (!request.has_prompt) return out;
  // Beside messages the prompt is their rendered text, which holds the special tokens that the template writes.
  out.text = {request.prompt, {}, !request.messages.empty()};
  if (!request.messages.empty()) return out;
  for (const std::string& image : request.images) {
    MediaReference reference;
    reference.sources = {image};
    out.media.push_back(std::move(reference));
  }
  if (!request.panoramas.empty()) {
    AZ_ASSIGN_OR_RETURN(std::vector<MediaReference> panoramas, prompt::parse_panoramas(request.panoramas));
    for (MediaReference& panorama : panoramas) out.media.push_back(std::move(panorama));
  }
  if (request.videos.empty()) return out;
  AZ_ASSIGN_OR_RETURN(std::vector<MediaReference> videos, prompt::parse_videos(request.videos));
  for (MediaReference& video : videos) out.media.push_back(std::move(video));
  return out;
}

Result<Prompt> build(const Engine::Impl& model, const prompt::PromptText& text, const prompt::MediaInputs& inputs,
                     Compat compat, std::optional<bool> add_special_tokens) {
  prompt::BuildOptions options;
  options.add_special_tokens = add_special_tokens;
  options.context_tokens = model.spec.text.context_length;
  options.replace_video_markers = compat == Compat::tf4;
  options.space_behind_markers = compat != Compat::tf4;
  return prompt::build_prompt(text, inputs, model.spec.prompt, *model.tokenizer, options);
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

// Positions that are not a policy's own: those given with the request, and what hook 1 makes of them.
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

}  // namespace

Result<std::string> render_messages(const Engine::Impl& model, const Request& request) {
  AZ_ASSIGN_OR_RETURN(RequestText text, text_of_messages(model, request));
  return std::move(text.text.text);
}

Result<PreparedSample> prepare(const Engine::Impl& model, const Request& request, const PolicyChoice& policy) {
  Compat compat = model.options.compat;
  if (!request.compat.empty()) {
    AZ_ASSIGN_OR_RETURN(compat, parse_compat(request.compat));
  }
  models::ProcessorSpecs processors = model.processors;
  std::optional<bool> special_tokens;
  if (!request.processor_kwargs.empty()) {
    AZ_ASSIGN_OR_RETURN(const nlohmann::json kwargs, parse_json(request.processor_kwargs, "processor_kwargs"));
    AZ_ASSIGN_OR_RETURN(special_tokens, models::asked_special_tokens(kwargs));
    std::vector<std::string> unknown;
    if (model.spec.vision) {
      AZ_ASSIGN_OR_RETURN(unknown, models::apply_processor_kwargs(processors, kwargs));
    }
    for (const std::string& key : unknown)
      log(LogLevel::warning, "processor_kwargs: unknown key \"" + key + "\" is ignored");
  }
  AZ_ASSIGN_OR_RETURN(RequestText text, read_text(model, request));
  MediaLoader loader(model, processors, request.base_directory, compat);
  if (!text.media.empty() && !model.spec.vision) {
    return unsupported("this model takes text only, but " + std::to_string(text.media.size()) +
                       (text.media.size() == 1 ? " image or video" : " images or videos") +
                       " came with the prompt; leave them out, or take a vision-language model");
  }
  loader.expect(text.media);
  for (const MediaReference& reference : text.media) AZ_RETURN_IF_ERROR(loader.load(reference));
  if (!text.media.empty()) AZ_RETURN_IF_ERROR(loader.arrange());
  PreparedSample sample;
  AZ_ASSIGN_OR_RETURN(sample.prompt, build(model, text.text, loader.inputs, compat, special_tokens));
  sample.images = std::move(loader.images);
  sample.videos = std::move(loader.videos);
  sample.media = loader.handles();
  sample.rendered = std::move(text.text.text);
  sample.compat = compat;
  if (compat == Compat::tf4) time_by_requested_rate(processors.video, sample.prompt);
  AZ_ASSIGN_OR_RETURN(sample.positions,
                      positions::layout_prompt(policy.policy, sample.prompt.spans,
                                               {compat, static_cast<int>(model.spec.text.layers.size())}));
  if (compat == Compat::tf5) decode_as_generate(policy.policy, sample.positions);
  AZ_RETURN_IF_ERROR(replace_positions(request, policy, model.spec.text, sample));
  return sample;
}

}  // namespace azimuth::engine
