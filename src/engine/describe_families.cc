// Families in words, from their specs alone.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "azimuth/families.h"
#include "base/json.h"
#include "kernels/kernels.h"
#include "models/families.h"
#include "models/processor_config.h"

namespace azimuth {
namespace {

std::string number(int64_t value) {
  return std::to_string(value);
}

std::string joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    text += (text.empty() ? "" : between) + part;
  }
  return text;
}

std::string word(bool yes, const char* text) {
  return yes ? text : "";
}

// ---- encoder

std::string patches_of(const VisionSpec& vision) {
  std::string text = "patch " + number(vision.patch);
  if (vision.temporal_patch > 1) text += " x " + number(vision.temporal_patch) + " frames";
  return text;
}

std::string tower_positions(const VisionSpec& vision) {
  std::vector<std::string> parts;
  if (vision.learned_side > 0) {
    parts.push_back("learned grid " + number(vision.learned_side) + " x " + number(vision.learned_side));
  }
  if (vision.learned_axis_rows > 0) parts.emplace_back("learned rows and columns");
  if (vision.rotary != TowerRotary::none) parts.emplace_back("2-D rotary");
  return joined(parts, " and ");
}

std::string encoder_of(const ModelSpec& spec) {
  if (!spec.vision) return "none";
  const VisionSpec& vision = *spec.vision;
  std::string norm = vision.norm == NormKind::rms ? "RMSNorm" : "LayerNorm";
  if (vision.post_norms) norm += " before and after";
  return joined({number(vision.layers) + " layers of " + number(vision.hidden), patches_of(vision), norm,
                 std::string(vision.gated_mlp ? "gated " : "") + std::string(kernels::to_string(vision.activation)),
                 tower_positions(vision), word(vision.class_tokens > 0, "class token"),
                 word(vision.qk_norm != TowerQkNorm::none, "norms of q and k"),
                 word(vision.layer_scale, "layer scales"), word(!vision.windowed_layers.empty(), "windows")});
}

// ---- projector

std::string cells(const ProjectorSpec& projector) {
  return number(projector.merge) + " x " + number(projector.merge) + " patches";
}

std::string kind_of(const ProjectorSpec& projector) {
  switch (projector.kind) {
    case ProjectorKind::patch_merger:
      return projector.norm_after_shuffle ? "pixel shuffle of " + cells(projector) + ", norm, MLP"
                                          : "merger of " + cells(projector);
    case ProjectorKind::pixel_shuffle_linear: return "pixel shuffle of " + cells(projector) + ", linear";
    case ProjectorKind::linear: return "linear";
    case ProjectorKind::mlp: return "MLP of two layers";
    case ProjectorKind::average_pool: return "mean of " + cells(projector) + ", norm, linear";
    case ProjectorKind::position_pool: return "mean of " + cells(projector) + " by their places, norm, linear";
    case ProjectorKind::perceiver: return "perceiver with " + number(projector.queries) + " latents";
    case ProjectorKind::q_former: return "Q-Former with " + number(projector.queries) + " queries";
    case ProjectorKind::visual_table: return "visual vocabulary over " + cells(projector);
  }
  return "";
}

std::string arrangement_of(FeatureArrangement arrangement) {
  switch (arrangement) {
    case FeatureArrangement::tiles_in_order:
    case FeatureArrangement::frames_in_order: return "";
    case FeatureArrangement::unpadded_rows:
    case FeatureArrangement::unpadded_or_whole: return "whole image, then unpadded tiles with a newline per row";
    case FeatureArrangement::pooled_frames: return "pooled frames";
    case FeatureArrangement::cross_attended: return "features stay outside of the sequence";
  }
  return "";
}

bool crosses(const ModelSpec& spec) {
  return std::ranges::any_of(spec.text.layers,
                             [](const LayerSpec& layer) { return layer.mixer == MixerKind::cross_attention; });
}

std::string projector_of(const ModelSpec& spec) {
  if (!spec.vision) return "none";
  const VisionSpec& vision = *spec.vision;
  std::string deepstack;
  if (!vision.deepstack.empty()) deepstack = "DeepStack of " + number(static_cast<int64_t>(vision.deepstack.size()));
  return joined({kind_of(vision.projector), deepstack, arrangement_of(vision.arrangement)});
}

// ---- decoder

int64_t count(const TextSpec& text, const auto& holds) {
  return std::ranges::count_if(text.layers, holds);
}

std::string decoder_of(const ModelSpec& spec) {
  const TextSpec& text = spec.text;
  const LayerSpec& layer = text.layers.back();
  const auto linear = count(text, [](const LayerSpec& l) { return l.mixer == MixerKind::linear_attention; });
  const auto cross = count(text, [](const LayerSpec& l) { return l.mixer == MixerKind::cross_attention; });
  const auto sparse = count(text, [](const LayerSpec& l) { return l.experts.has_value(); });
  const auto shared = count(text, [](const LayerSpec& l) { return l.kv_source >= 0; });
  std::string norm = layer.norm == NormKind::layer ? "LayerNorm" : text.norm_plus_one ? "RMSNorm 1 + w" : "RMSNorm";
  if (layer.post_norms) norm += " before and after";
  std::string experts;
  if (sparse > 0) {
    for (const LayerSpec& each : text.layers) {
      if (each.experts)
        experts = number(each.experts->experts) + " experts, " + number(each.experts->chosen) + " a token";
    }
  }
  return joined(
      {number(static_cast<int64_t>(text.layers.size())) + " layers of " + number(text.hidden),
       number(layer.heads) + " heads on " + number(layer.kv_heads) + " of " + number(layer.head_dim), norm,
       std::string(layer.mlp == MlpKind::gated ? "gated " : "") + std::string(kernels::to_string(layer.activation)),
       word(layer.qk_norm, "norms of q and k"), experts,
       linear > 0 ? number(linear) + " layers of linear attention" : "",
       cross > 0 ? number(cross) + " layers of cross-attention" : "",
       shared > 0 ? number(shared) + " layers share keys and values" : "",
       word(text.per_layer_vocab > 0, "per-layer embeddings"),
       word(text.logit_soft_cap > 0 || layer.attention_soft_cap > 0, "soft caps"), word(text.tied_head, "tied head")});
}

// ---- positions and masks

std::string scaling_word(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::none: return "";
    case RopeScaling::linear: return " (linear)";
    case RopeScaling::ntk: return " (NTK)";
    case RopeScaling::dynamic:
    case RopeScaling::dynamic_linear: return " (dynamic)";
    case RopeScaling::yarn: return " (YaRN)";
    case RopeScaling::longrope: return " (LongRoPE)";
    case RopeScaling::llama3: return " (llama3)";
    case RopeScaling::proportional: return " (proportional)";
  }
  return "";
}

std::string positions_of(const ModelSpec& spec) {
  std::vector<std::string> bases;
  for (const RopeSpec& rope : spec.text.ropes) {
    if (rope.rotary_dim == 0) continue;
    bases.push_back(number(static_cast<int64_t>(rope.theta)) + scaling_word(rope.scaling));
  }
  std::string text = "`" + spec.text.policy + "`";
  if (!bases.empty()) text += std::string(bases.size() > 1 ? ", bases " : ", base ") + joined(bases, " and ");
  return text;
}

std::string masks_of(const ModelSpec& spec) {
  std::vector<std::string> parts;
  std::set<int64_t> windows;
  for (const LayerSpec& layer : spec.text.layers) {
    if (layer.window > 0) windows.insert(layer.window);
  }
  const auto windowed = count(spec.text, [](const LayerSpec& l) { return l.window > 0; });
  parts.emplace_back("causal");
  if (!windows.empty()) {
    parts.push_back("window of " + number(*windows.begin()) + " on " + number(windowed) + " layers");
  }
  const auto both = count(spec.text, [](const LayerSpec& l) { return l.bidirectional; });
  if (both > 0) {
    const bool all = both == static_cast<int64_t>(spec.text.layers.size());
    const std::string where = all ? "" : " on " + number(both) + " layers";
    parts.push_back((spec.prompt.closed_regions == ClosedRegions::whole_prompt ? "whole prompt both ways"
                                                                               : "each image both ways") +
                    where);
  }
  if (crosses(spec)) parts.emplace_back("text crosses to the images before it");
  return joined(parts);
}

// ---- preprocessing

std::string scheme_of(const ImageProcessorSpec& image) {
  switch (image.scheme) {
    case PreprocessScheme::smart_resize: return "sides to whole cells within an area";
    case PreprocessScheme::fixed: return "one size";
    case PreprocessScheme::pan_and_scan: return "one size, crops on request";
    case PreprocessScheme::tiles: return "tiles of the nearest shape and a thumbnail";
    case PreprocessScheme::any_resolution: return "the whole and tiles of the best listed size";
    case PreprocessScheme::split: return "tiles and the whole";
    case PreprocessScheme::quarters: return "edges bounded, quarters on request";
    case PreprocessScheme::token_budget: return "sides to whole cells within a number of tokens";
    case PreprocessScheme::canvas: return "a canvas of tiles, padded";
  }
  return "";
}

std::string filter_of(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::bilinear: return "bilinear";
    case ResampleFilter::bicubic: return "bicubic";
    case ResampleFilter::lanczos: return "Lanczos";
  }
  return "";
}

std::string sampling_of(const VideoProcessorSpec& video) {
  if (video.num_frames) return number(*video.num_frames) + " frames";
  if (video.fps) return number(static_cast<int64_t>(*video.fps)) + " frames a second";
  return "frames as they are";
}

std::string video_of(const ModelSpec& spec, const models::ProcessorSpecs& processors) {
  if (!spec.prompt.takes_videos()) return "no";
  if (!processors.video.do_sample_frames) return "frames as they are";
  return sampling_of(processors.video);
}

Result<FamilyDescription> describe(const std::string& model_type) {
  AZ_ASSIGN_OR_RETURN(const models::PublishedConfig published, models::published_config(model_type));
  AZ_ASSIGN_OR_RETURN(const nlohmann::json config, parse_json(published.config, model_type));
  AZ_ASSIGN_OR_RETURN(const ModelSpec spec, models::read_model_spec(JsonView(config, model_type)));
  FamilyDescription out;
  out.model_type = model_type;
  out.checkpoint = published.name;
  out.encoder = encoder_of(spec);
  out.projector = projector_of(spec);
  out.decoder = decoder_of(spec);
  out.positions = positions_of(spec);
  out.masks = masks_of(spec);
  out.preprocessing = "none";
  out.video = "no";
  if (!spec.vision) return out;
  AZ_ASSIGN_OR_RETURN(const models::ProcessorSpecs processors, models::read_processor_specs({}, model_type));
  out.preprocessing = joined({scheme_of(processors.image), filter_of(processors.image.resample)});
  out.video = video_of(spec, processors);
  return out;
}

}  // namespace

Result<std::vector<FamilyDescription>> describe_families() {
  std::vector<FamilyDescription> rows;
  for (const std::string& model_type : models::known_families()) {
    AZ_ASSIGN_OR_RETURN(FamilyDescription row, describe(model_type));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace azimuth
