#include "positions/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace azimuth::positions {
namespace {

std::optional<double> parse_number(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::vector<int>> parse_counts(std::string_view text) {
  std::vector<int> counts;
  while (true) {
    const size_t dash = text.find('-');
    const std::string_view part = text.substr(0, dash);
    int value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (part.empty() || error != std::errc() || end != part.data() + part.size()) return std::nullopt;
    if (value < 0 || value > 4096) return std::nullopt;
    counts.push_back(value);
    if (dash == std::string_view::npos) return counts;
    text.remove_prefix(dash + 1);
  }
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// A number as in messages: no trailing zeros.
std::string shown(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

// What the parameter accepts, for messages.
std::string expectation(const Parameter& parameter) {
  const std::string range = " from " + shown(parameter.min) + " to " + shown(parameter.max);
  switch (parameter.kind) {
    case ParameterKind::number: return "a number" + range;
    case ParameterKind::count: return "a whole number" + range;
    case ParameterKind::flag: return "0 or 1";
    case ParameterKind::word: return "one of " + join(parameter.words);
    case ParameterKind::counts: return "whole numbers joined by dashes, such as 24-20-20";
    case ParameterKind::text: return "a value";
  }
  return "";
}

bool accepts(const Parameter& parameter, const std::string& value) {
  switch (parameter.kind) {
    case ParameterKind::number:
    case ParameterKind::count: {
      const std::optional<double> number = parse_number(value);
      if (!number || *number < parameter.min || *number > parameter.max) return false;
      return parameter.kind == ParameterKind::number || *number == std::floor(*number);
    }
    case ParameterKind::flag: return value == "0" || value == "1" || value == "false" || value == "true";
    case ParameterKind::word: return std::ranges::find(parameter.words, value) != parameter.words.end();
    case ParameterKind::counts: return parse_counts(value).has_value();
    case ParameterKind::text: return !value.empty();
  }
  return false;
}

Status unknown_parameter(std::string_view policy, const std::vector<Parameter>& declared, std::string_view name) {
  std::vector<std::string> names;
  for (const Parameter& parameter : declared) names.push_back(parameter.name);
  return invalid_argument("position policy " + std::string(policy) + " has no parameter \"" + std::string(name) +
                          "\"; it has " + (names.empty() ? "none" : join(names)));
}

}  // namespace

Result<Parameters> Parameters::parse(std::string_view policy, const std::vector<Parameter>& declared,
                                     std::string_view text) {
  Parameters out;
  for (const Parameter& parameter : declared) out.values_[parameter.name] = {parameter.fallback, false};
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    const auto parameter = std::ranges::find(declared, name, &Parameter::name);
    if (parameter == declared.end()) return unknown_parameter(policy, declared, name);
    const std::string value(equals == std::string_view::npos ? "" : item.substr(equals + 1));
    if (!accepts(*parameter, value)) {
      return invalid_argument("parameter " + parameter->name + " of position policy " + std::string(policy) +
                              " expected " + expectation(*parameter) + ", found \"" + value + "\"");
    }
    out.values_[parameter->name] = {value, true};
  }
  return out;
}

bool Parameters::given(std::string_view name) const {
  const auto found = values_.find(name);
  return found != values_.end() && found->second.given;
}

bool Parameters::has(std::string_view name) const {
  const auto found = values_.find(name);
  return found != values_.end() && !found->second.text.empty();
}

double Parameters::number(std::string_view name) const {
  return parse_number(word(name)).value_or(0.0);
}

int64_t Parameters::count(std::string_view name) const {
  return static_cast<int64_t>(number(name));
}

bool Parameters::flag(std::string_view name) const {
  return word(name) == "1" || word(name) == "true";
}

const std::string& Parameters::word(std::string_view name) const {
  static const std::string none;
  const auto found = values_.find(name);
  return found == values_.end() ? none : found->second.text;
}

std::vector<int> Parameters::counts(std::string_view name) const {
  return parse_counts(word(name)).value_or(std::vector<int>{});
}

std::string Parameters::to_string() const {
  std::string out;
  for (const auto& [name, value] : values_) {
    if (value.given) out += (out.empty() ? "" : ",") + name + "=" + value.text;
  }
  return out;
}

}  // namespace azimuth::positions
