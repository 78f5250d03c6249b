#include "models/parts/config_keys.h"

#include <nlohmann/json.hpp>

namespace azimuth::models {
namespace {

constexpr double kMaxTheta = 1e12;

Status read_scaling(const JsonView& params, const JsonView& config, RopeSpec& rope) {
  AZ_ASSIGN_OR_RETURN(const std::string old_type, params.string_or("type", "default"));
  AZ_ASSIGN_OR_RETURN(const std::string type, params.string_or("rope_type", old_type));
  // "mrope" and "axial" (towers of Qwen, as transformers 5 saves them) name the axes, not a scaling.
  if (type == "default" || type == "mrope" || type == "axial") return ok_status();
  if (type != "linear" && type != "llama3" && type != "yarn") {
    return unsupported(params.where() + " names rope type " + quote_json(type) +
                       "; this build computes default, linear, llama3 and yarn");
  }
  AZ_ASSIGN_OR_RETURN(const double max_positions, config.number_or("max_position_embeddings", 0.0, 0.0, 1e12));
  AZ_ASSIGN_OR_RETURN(rope.original_max_positions,
                      params.number_or("original_max_position_embeddings", max_positions, 1.0, 1e12));
  if (type == "yarn" && !params.has("factor")) {
    rope.factor = max_positions / rope.original_max_positions;
  } else {
    AZ_ASSIGN_OR_RETURN(rope.factor, params.number("factor", 1e-6, 1e6));
  }
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
    return ok_status();
  }
  if (type == "llama3") {
    rope.scaling = RopeScaling::llama3;
    AZ_ASSIGN_OR_RETURN(rope.low_freq_factor, params.number("low_freq_factor", 1e-6, 1e6));
    AZ_ASSIGN_OR_RETURN(rope.high_freq_factor, params.number("high_freq_factor", 1e-6, 1e6));
    if (rope.high_freq_factor > rope.low_freq_factor) return ok_status();
    return invalid_argument(params.where() + " expected high_freq_factor above low_freq_factor");
  }
  rope.scaling = RopeScaling::yarn;
  AZ_ASSIGN_OR_RETURN(rope.beta_fast, params.number_or("beta_fast", 32.0, 1e-6, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.beta_slow, params.number_or("beta_slow", 1.0, 1e-6, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.mscale, params.number_or("mscale", 0.0, 0.0, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.mscale_all_dim, params.number_or("mscale_all_dim", 0.0, 0.0, 1e6));
  AZ_ASSIGN_OR_RETURN(rope.truncate, params.boolean_or("truncate", true));
  if (params.has("attention_factor")) {
    AZ_ASSIGN_OR_RETURN(rope.attention_factor, params.number("attention_factor", 1e-6, 1e6));
  }
  return ok_status();
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

}  // namespace azimuth::models
