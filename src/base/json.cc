#include "base/json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>

namespace azimuth {
namespace {

using nlohmann::json;

// Python writes these words for floats that JSON cannot express. The parser sees a string in their place, with a prefix
// that no sane document contains, and the string becomes the number afterwards.
struct NonFinite {
  std::string_view word;
  double value;
};
constexpr std::array<NonFinite, 3> kNonFinite = {{
    {"-Infinity", -std::numeric_limits<double>::infinity()},
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"NaN", std::numeric_limits<double>::quiet_NaN()},
}};
constexpr std::string_view kMarker = "\u0001azimuth non-finite ";
constexpr std::string_view kEscapedMarker = "\\u0001azimuth non-finite ";

struct Scan {
  int depth = 0;
  std::string rewritten;  // the text with non-finite words quoted; empty where there are none
};

const NonFinite* non_finite_at(std::string_view text, size_t at) {
  for (const NonFinite& entry : kNonFinite) {
    if (text.substr(at, entry.word.size()) == entry.word) return &entry;
  }
  return nullptr;
}

// One pass over the text that tells strings from structure; everything else is left to the parser.
Scan scan(std::string_view text, int max_depth) {
  Scan result;
  int depth = 0;
  size_t copied = 0;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      result.depth = std::max(result.depth, ++depth);
      if (depth > max_depth) return result;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == 'N' || c == 'I' || c == '-') {
      const NonFinite* found = non_finite_at(text, at);
      if (!found) continue;
      result.rewritten.append(text.substr(copied, at - copied));
      result.rewritten.append("\"").append(kEscapedMarker).append(found->word).append("\"");
      at += found->word.size() - 1;
      copied = at + 1;
    }
  }
  if (copied > 0) result.rewritten.append(text.substr(copied));
  return result;
}

// Recursion is bounded by the depth limit.
void restore_non_finite(json& value) {
  if (value.is_structured()) {
    for (auto& item : value) restore_non_finite(item);
    return;
  }
  if (!value.is_string()) return;
  const std::string& text = value.get_ref<const std::string&>();
  if (!text.starts_with(kMarker)) return;
  const std::string word = text.substr(kMarker.size());
  for (const NonFinite& entry : kNonFinite) {
    if (word == entry.word) value = entry.value;
  }
}

std::string format_number(double value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(17);
  out << value;
  return out.str();
}

template <typename T>
std::string range_text(std::string_view noun, T min, T max, bool has_min, bool has_max) {
  auto print = [](T value) {
    if constexpr (std::is_same_v<T, double>) {
      return format_number(value);
    } else {
      return std::to_string(value);
    }
  };
  std::string text(noun);
  if (has_min && has_max) return text + " in [" + print(min) + ", " + print(max) + "]";
  if (has_min) return text + " of at least " + print(min);
  if (has_max) return text + " of at most " + print(max);
  return text;
}

std::string integer_text(int64_t min, int64_t max) {
  using Limits = std::numeric_limits<int64_t>;
  return range_text("an integer", min, max, min != Limits::min(), max != Limits::max());
}

std::string number_text(double min, double max) {
  constexpr double kFinite = std::numeric_limits<double>::max();
  const bool any_finite = min == -kFinite && max == kFinite;
  return range_text(any_finite ? "a finite number" : "a number", min, max, min > -kFinite, max < kFinite);
}

// A prefix that does not end inside a UTF-8 sequence.
std::string_view shorten(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0u) == 0x80u) --bytes;
  return text.substr(0, bytes);
}

std::string join_path(std::string_view path, std::string_view key) {
  std::string joined(path);
  if (!joined.empty() && !key.starts_with("[")) joined += '.';
  return joined.append(key);
}

}  // namespace

Result<json> parse_json(std::string_view text, std::string_view name, const JsonLimits& limits) {
  const std::string prefix = std::string(name) + ": ";
  if (text.size() > limits.bytes) {
    return resource_exhausted(prefix + "expected at most " + std::to_string(limits.bytes) + " bytes of JSON, found " +
                              std::to_string(text.size()));
  }
  const Scan scanned = scan(text, limits.depth);
  if (scanned.depth > limits.depth) {
    return resource_exhausted(prefix + "expected JSON nested at most " + std::to_string(limits.depth) +
                              " levels deep, found more");
  }
  try {
    if (scanned.rewritten.empty()) return json::parse(text);
    json value = json::parse(scanned.rewritten);
    restore_non_finite(value);
    return value;
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without its tag.
    std::string_view reason = error.what();
    if (const size_t tag = reason.find("] "); tag != std::string_view::npos) reason.remove_prefix(tag + 2);
    return invalid_argument(prefix + "expected valid JSON, found a " + std::string(shorten(reason, 200)));
  }
}

std::string describe_json(const json& value) {
  constexpr size_t kShown = 60;
  if (value.is_object()) return "an object with " + std::to_string(value.size()) + " keys";
  if (value.is_array() && value.size() > 8) return "an array of " + std::to_string(value.size()) + " items";
  if (value.is_number_float() && !std::isfinite(value.get<double>())) return format_number(value.get<double>());
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= kShown ? text : std::string(shorten(text, kShown)) + "...";
}

std::string quote_json(std::string_view text) {
  return describe_json(json(shorten(text, 64)));
}

JsonView::JsonView(const json& root, std::string_view name) : JsonView(root, name, "") {}

JsonView::JsonView(const json& value, std::string_view name, std::string path)
    : value_(&value), name_(name), path_(std::move(path)) {}

JsonView JsonView::child(const json& value, std::string_view key) const {
  return JsonView(value, name_, join_path(path_, key));
}

std::string JsonView::where() const {
  return path_.empty() ? name_ : name_ + ": " + path_;
}

Status JsonView::expected(std::string_view what) const {
  return invalid_argument(where() + " expected " + std::string(what) + ", found " + describe_json(*value_));
}

bool JsonView::has(std::string_view key) const {
  if (!value_->is_object()) return false;
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

std::vector<std::string> JsonView::keys() const {
  std::vector<std::string> names;
  if (!value_->is_object()) return names;
  for (const auto& [key, unused] : value_->items()) names.push_back(key);
  return names;
}

Status JsonView::check_object() const {
  return value_->is_object() ? ok_status() : expected("an object");
}

Result<const json*> JsonView::find(std::string_view key) const {
  AZ_RETURN_IF_ERROR(check_object());
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

Result<JsonView> JsonView::require(std::string_view key, std::string_view what) const {
  AZ_ASSIGN_OR_RETURN(const json* found, find(key));
  if (found) return child(*found, key);
  return invalid_argument(name_ + ": " + join_path(path_, key) + " expected " + std::string(what) + ", found nothing");
}

Result<JsonView> JsonView::at(std::string_view key) const {
  return require(key, "a value");
}

Result<JsonView> JsonView::object(std::string_view key) const {
  AZ_ASSIGN_OR_RETURN(JsonView member, require(key, "an object"));
  AZ_RETURN_IF_ERROR(member.check_object());
  return member;
}

Result<std::vector<JsonView>> JsonView::array(std::string_view key) const {
  AZ_ASSIGN_OR_RETURN(const JsonView member, require(key, "an array"));
  return member.items();
}

Result<std::vector<JsonView>> JsonView::items() const {
  if (!value_->is_array()) return expected("an array");
  std::vector<JsonView> views;
  views.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) views.push_back(child((*value_)[i], "[" + std::to_string(i) + "]"));
  return views;
}

Result<int64_t> JsonView::as_integer(int64_t min, int64_t max) const {
  if (value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(kMax)) {
    return expected(integer_text(min, max));
  }
  if (!value_->is_number_integer()) return expected(integer_text(min, max));
  const int64_t number = value_->get<int64_t>();
  if (number < min || number > max) return expected(integer_text(min, max));
  return number;
}

Result<double> JsonView::as_number(double min, double max) const {
  if (!value_->is_number()) return expected(number_text(min, max));
  const double number = value_->get<double>();
  if (number >= min && number <= max) return number;  // false for NaN
  return expected(number_text(min, max));
}

Result<bool> JsonView::as_boolean() const {
  if (!value_->is_boolean()) return expected("true or false");
  return value_->get<bool>();
}

Result<std::string> JsonView::as_string() const {
  if (!value_->is_string()) return expected("a string");
  return value_->get<std::string>();
}

Result<int64_t> JsonView::integer(std::string_view key, int64_t min, int64_t max) const {
  AZ_ASSIGN_OR_RETURN(const JsonView member, require(key, integer_text(min, max)));
  return member.as_integer(min, max);
}

Result<int64_t> JsonView::integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const {
  AZ_ASSIGN_OR_RETURN(const json* found, find(key));
  return found ? child(*found, key).as_integer(min, max) : Result<int64_t>(fallback);
}

Result<double> JsonView::number(std::string_view key, double min, double max) const {
  AZ_ASSIGN_OR_RETURN(const JsonView member, require(key, number_text(min, max)));
  return member.as_number(min, max);
}

Result<double> JsonView::number_or(std::string_view key, double fallback, double min, double max) const {
  AZ_ASSIGN_OR_RETURN(const json* found, find(key));
  return found ? child(*found, key).as_number(min, max) : Result<double>(fallback);
}

Result<bool> JsonView::boolean(std::string_view key) const {
  AZ_ASSIGN_OR_RETURN(const JsonView member, require(key, "true or false"));
  return member.as_boolean();
}

Result<bool> JsonView::boolean_or(std::string_view key, bool fallback) const {
  AZ_ASSIGN_OR_RETURN(const json* found, find(key));
  return found ? child(*found, key).as_boolean() : Result<bool>(fallback);
}

Result<std::string> JsonView::string(std::string_view key) const {
  AZ_ASSIGN_OR_RETURN(const JsonView member, require(key, "a string"));
  return member.as_string();
}

Result<std::string> JsonView::string_or(std::string_view key, std::string_view fallback) const {
  AZ_ASSIGN_OR_RETURN(const json* found, find(key));
  return found ? child(*found, key).as_string() : Result<std::string>(std::string(fallback));
}

Result<std::vector<int64_t>> JsonView::integers(std::string_view key, int64_t min, int64_t max) const {
  AZ_ASSIGN_OR_RETURN(const auto members, array(key));
  std::vector<int64_t> values;
  for (const JsonView& member : members) {
    AZ_ASSIGN_OR_RETURN(values.emplace_back(), member.as_integer(min, max));
  }
  return values;
}

Result<std::vector<double>> JsonView::numbers(std::string_view key, double min, double max) const {
  AZ_ASSIGN_OR_RETURN(const auto members, array(key));
  std::vector<double> values;
  for (const JsonView& member : members) {
    AZ_ASSIGN_OR_RETURN(values.emplace_back(), member.as_number(min, max));
  }
  return values;
}

Result<std::vector<std::string>> JsonView::strings(std::string_view key) const {
  AZ_ASSIGN_OR_RETURN(const auto members, array(key));
  std::vector<std::string> values;
  for (const JsonView& member : members) {
    AZ_ASSIGN_OR_RETURN(values.emplace_back(), member.as_string());
  }
  return values;
}

}  // namespace azimuth
