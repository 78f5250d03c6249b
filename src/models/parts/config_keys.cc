#include "models/parts/config_keys.h"

#include <map>
#include <nlohmann/json.hpp>

namespace azimuth::models {
namespace {

constexpr double kMaxTheta = 1e12;

Result<RopeScaling> scaling_of(const std::string& type, const JsonView& params) {
  using enum RopeScaling;
  static const std::map<std::string, RopeScaling, std::less<>> types = {{"linear", linear},
                                                                        {"ntk", ntk},
                                                                        {"dynamic", dynamic},
                                                                        {"dynamic_linear", dynamic_linear},
                                                                        {"yarn", yarn},
                                                                        {"llama3", llama3},
                                                                        {"longrope", longrope},
                                                                        {"su", longrope},
                                                                        {"proportional", proportional}};
  const auto found = types.find(type);
  if (found != types.end()) return found->second;
  return unsupported(params.where() + " names rope type " + quote_json(type) +
                     "; known are default, linear, ntk, dynamic, dynamic_linear, yarn, longrope, llama3, proportional");
}

// The trained length, and by how much it is stretched.
Status read_lengths(const JsonView& params, const JsonView& config, RopeSpec& rope) {
  // max_position_embeddings may stand beside the scaling where there is no config around it.
  AZ_ASSIGN_OR_RETURN(const double own, params.number_or("max_position_embeddings", 0.0, 0.0, 1e12));
  AZ_ASSIGN_OR_RETURN(const double max_positions, config.number_or("max_position_embeddings", own, 0.0, 1e12));
  AZ_ASSIGN_OR_RETURN(rope.original_max_positions,
                      params.number_or("original_max_position_embeddings", max_positions, 1.0, 1e12));
  // The dynamic kinds of transformers grow from the config's length, whatever else is written.
  if (rope.scaling == RopeScaling::dynamic && max_positions >= 1.0) rope.original_max_positions = max_positions;
  const bool has_default = rope.scaling == RopeScaling::yarn || rope.scaling == RopeScaling::longrope;
  if (has_default && !params.has("factor")) {
    rope.factor = max_positions / rope.original_max_positions;
  } else if (rope.scaling == RopeScaling::proportional || rope.scaling == RopeScaling::dynamic_linear) {
    AZ_ASSIGN_OR_RETURN(rope.factor, params.number_or("factor", 1.0, 1e-6, 1e6));
  } else {
    AZ_ASSIGN_OR_RETURN(rope.factor, params.number("factor", 1e-6, 1e6));
  }
  const bool needs_length = rope.scaling != RopeScaling::linear && rope.scaling != RopeScaling::proportional;
  if (!needs_length || rope.original_max_positions >= 1.0) return ok_status();
  return invalid_argument(params.where() +
                          " expected original_max_position_embeddings, the length that the model was "
                          "trained for, found none");
}

Status read_attention_factor(const JsonView& params, RopeSpec& rope) {
  if (!params.has("attention_factor")) return ok_status();
  AZ_ASSIGN_OR_RETURN(rope.attention_factor, params.number("attention_factor", 1e-6, 1e6));
  return ok_status();
}

Status read_llama3(const JsonView& params, RopeSpec& rope) {
  AZ_ASSIGN_OR_RETURN(rope.low_freq_factor, params.number("low_freq_factor", 1e-6, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.high_freq_factor, params.number("high_freq_factor", 1e-6, 1e6));
  if (rope.high_freq_factor > rope.low_freq_factor) return ok_status();
  return invalid_argument(params.where() + " expected high_freq_factor above low_freq_factor");
}

Status read_yarn(const JsonView& params, RopeSpec& rope) {
  AZ_ASSIGN_OR_RETURN(rope.beta_fast, params.number_or("beta_fast", 32.0, 1e-6, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.beta_slow, params.number_or("beta_slow", 1.0, 1e-6, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.mscale, params.number_or("mscale", 0.0, 0.0, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.mscale_all_dim, params.number_or("mscale_all_dim", 0.0, 0.0, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.truncate, params.boolean_or("truncate", true));
  return read_attention_factor(params, rope);
}

// One factor per rotary pair.
Status read_factors(const JsonView& params, std::string_view key, size_t pairs, std::vector<double>& out) {
  AZ_ASSIGN_OR_RETURN(out, params.numbers(key, 1e-6, 1e9));
  if (out.size() == pairs) return ok_status();
  return invalid_argument(params.where() + " expected " + std::to_string(pairs) + " numbers in " + std::string(key) +
                          ", one per rotary pair, found " + std::to_string(out.size()));
}

Status read_longrope(const JsonView& params, RopeSpec& rope) {
  const auto pairs = static_cast<size_t>(rope.rotary_dim / 2);
  AZ_RETURN_IF_ERROR(read_factors(params, "short_factor", pairs, rope.short_factor));
  AZ_RETURN_IF_ERROR(read_factors(params, "long_factor", pairs, rope.long_factor));
  return read_attention_factor(params, rope);
}

Status read_scaling(const JsonView& params, const JsonView& config, RopeSpec& rope) {
  AZ_ASSIGN_OR_RETURN(const std::string old_type, params.string_or("type", "default"));
  AZ_ASSIGN_OR_RETURN(const std::string type, params.string_or("rope_type", old_type));
  // "mrope" and "axial" (towers of Qwen, as transformers 5 saves them) name the axes, not a scaling.
  if (type == "default" || type == "mrope" || type == "axial") return ok_status();
  AZ_ASSIGN_OR_RETURN(rope.scaling, scaling_of(type, params));
  if (rope.scaling == RopeScaling::ntk) {
    AZ_ASSIGN_OR_RETURN(rope.alpha, params.number("alpha", 1e-6, 1e6));
    return ok_status();
  }
  AZ_RETURN_IF_ERROR(read_lengths(params, config, rope));
  switch (rope.scaling) {
    case RopeScaling::llama3: return read_llama3(params, rope);
    case RopeScaling::yarn: return read_yarn(params, rope);
    case RopeScaling::longrope: return read_longrope(params, rope);
    case RopeScaling::proportional: {
      AZ_ASSIGN_OR_RETURN(rope.rotated_share, params.number_or("partial_rotary_factor", 1.0, 0.0, 1.0));
      return ok_status();
    }
    default: return ok_status();
  }
}

Status read_section(const JsonView& params, const std::vector<int>& fallback, RopeSpec& rope) {
  rope.section = fallback;
  if (fallback.empty() || !params.has("mrope_section")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> section, params.integers("mrope_section", 0, 4096));
  rope.section.assign(section.begin(), section.end());
  return ok_status();
}

}  // namespace

Result<Activation> read_activation(const JsonView& config, std::string_view key, std::string_view fallback) {
  AZ_ASSIGN_OR_RETURN(const std::string name, config.string_or(key, fallback));
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu") return Activation::gelu_erf;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return Activation::gelu_tanh;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "relu") return Activation::relu;
  return unsupported(config.where() + " names activation " + quote_json(name) +
                     "; known are silu, gelu, gelu_pytorch_tanh, gelu_new, quick_gelu, relu");
}

Result<int64_t> read_square(const JsonView& config, std::string_view key, int64_t fallback, int64_t min, int64_t max) {
  if (!config.has(key)) return fallback;
  AZ_ASSIGN_OR_RETURN(const JsonView value, config.at(key));
  if (!value.value().is_array()) return value.as_integer(min, max);
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> sides, config.integers(key, min, max));
  for (const int64_t side : sides) {
    if (side != sides.front()) return value.expected("equal sides (other patches are not supported)");
  }
  if (sides.empty()) return value.expected("at least one number");
  return sides.front();
}

Result<RopeSpec> read_rope(const JsonView& config, int rotary_dim, double default_theta,
                           const std::vector<int>& section) {
  RopeSpec rope;
  rope.rotary_dim = rotary_dim;
  rope.section = section;
  AZ_ASSIGN_OR_RETURN(rope.theta, config.number_or("rope_theta", default_theta, 1.0, kMaxTheta));
  const std::string_view key = config.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  if (!config.has(key)) return rope;
  AZ_ASSIGN_OR_RETURN(const JsonView params, config.object(key));
  AZ_ASSIGN_OR_RETURN(rope.theta, params.number_or("rope_theta", rope.theta, 1.0, kMaxTheta));
  AZ_RETURN_IF_ERROR(read_scaling(params, config, rope));
  AZ_RETURN_IF_ERROR(read_section(params, section, rope));
  return rope;
}

Result<RopeSpec> read_layer_rope(const JsonView& config, std::string_view layer_type, int rotary_dim,
                                 double default_theta) {
  RopeSpec rope;
  rope.rotary_dim = rotary_dim;
  rope.theta = default_theta;
  AZ_ASSIGN_OR_RETURN(const JsonView types, config.object("rope_parameters"));
  if (!types.has(layer_type)) return rope;
  AZ_ASSIGN_OR_RETURN(const JsonView params, types.object(layer_type));
  AZ_ASSIGN_OR_RETURN(rope.theta, params.number_or("rope_theta", default_theta, 1.0, kMaxTheta));
  AZ_RETURN_IF_ERROR(read_scaling(params, config, rope));
  rope.truncate = true;  // the reference looks for the key outside of the layer type (modeling_rope_utils.py)
  return rope;
}

}  // namespace azimuth::models
