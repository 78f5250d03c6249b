#include "sampling/params.h"

#include <sstream>
#include <string_view>

#include "base/json.h"

namespace azimuth::sampling {
namespace {

std::string text_of(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Status wrong(std::string_view name, std::string_view expected, const std::string& found) {
  return invalid_argument(std::string(name) + " expected " + std::string(expected) + ", found " + found);
}

// False for NaN.
bool within(double value, double min, double max) {
  return value >= min && value <= max;
}

Status check_probabilities(const SamplingParams& params) {
  if (params.temperature != 0.0 && !within(params.temperature, SamplingParams::kMinTemperature, 1e6)) {
    return wrong("temperature", "0 (greedy) or a number in [1e-6, 1e6]", text_of(params.temperature));
  }
  if (params.top_k < 0) return wrong("top_k", "0 (off) or more", std::to_string(params.top_k));
  if (!within(params.top_p, 0.0, 1.0)) return wrong("top_p", "a number in [0, 1]", text_of(params.top_p));
  if (!within(params.min_p, 0.0, 1.0)) return wrong("min_p", "a number in [0, 1]", text_of(params.min_p));
  if (!within(params.repetition_penalty, 1e-6, 1e6)) {
    return wrong("repetition_penalty", "a number in [1e-6, 1e6]", text_of(params.repetition_penalty));
  }
  if (!within(params.presence_penalty, -2.0, 2.0)) {
    return wrong("presence_penalty", "a number in [-2, 2]", text_of(params.presence_penalty));
  }
  if (!within(params.frequency_penalty, -2.0, 2.0)) {
    return wrong("frequency_penalty", "a number in [-2, 2]", text_of(params.frequency_penalty));
  }
  return ok_status();
}

Status check_stops(const SamplingParams& params) {
  if (params.max_new_tokens < 0 || params.max_new_tokens > SamplingParams::kMaxNewTokens) {
    return wrong("max_new_tokens", "a number in [0, 2^31]", std::to_string(params.max_new_tokens));
  }
  if (params.min_new_tokens < 0 || params.min_new_tokens > params.max_new_tokens) {
    return wrong("min_new_tokens", "a number in [0, max_new_tokens = " + std::to_string(params.max_new_tokens) + "]",
                 std::to_string(params.min_new_tokens));
  }
  if (params.stop_strings.size() > SamplingParams::kMaxStopStrings) {
    return wrong("stop", "at most 64 strings", std::to_string(params.stop_strings.size()));
  }
  for (const std::string& stop : params.stop_strings) {
    if (!stop.empty() && stop.size() <= SamplingParams::kMaxStopStringBytes) continue;
    return wrong("stop", "strings of 1 to 4096 bytes", quote_json(stop) + " of " + std::to_string(stop.size()));
  }
  for (const int32_t id : params.stop_ids) {
    if (id < 0) return wrong("stop_ids", "token ids of 0 or more", std::to_string(id));
  }
  return ok_status();
}

}  // namespace

Status validate(const SamplingParams& params) {
  AZ_RETURN_IF_ERROR(check_probabilities(params));
  return check_stops(params);
}

}  // namespace azimuth::sampling
