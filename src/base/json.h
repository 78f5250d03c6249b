// Typed access to JSON documents that came from outside: checkpoints' configs, requests, shard indices.
//
// Every failure is a Status that names the file and the key path, what was expected and what was found:
//   config.json: text_config.num_attention_heads expected an integer in [1, 4096], found "x"
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth {

struct JsonLimits {
  size_t bytes = size_t{64} << 20;
  int depth = 64;  // nested objects and arrays
};

// Parses one document as Python's json.load does: the last of several equal keys wins, and the bare words NaN, Infinity
// and -Infinity are numbers. `name` (a file name) starts every error. Limits are checked before anything is built, so
// that a hostile document costs no more than one scan of its text.
// Errors: resource_exhausted beyond a limit, invalid_argument (with line and column) where the text is not JSON.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view name, const JsonLimits& limits = {});

// The value as it appears in error messages: compact JSON, shortened to about 60 bytes of valid UTF-8.
std::string describe_json(const nlohmann::json& value);

// Any text as a JSON string, quoted, escaped and shortened in the same way.
std::string quote_json(std::string_view text);

// A value inside a document, together with the path that leads to it. Cheap to copy; the document must outlive it.
//
// Getters take the key of an object; those without `_or` need the key, those with `_or` give the fallback where the key
// is absent or null (configs write null for "not set"). A value of another type is an error for both.
class JsonView {
 public:
  // The root of the document that was parsed from `name`.
  JsonView(const nlohmann::json& root, std::string_view name);

  const nlohmann::json& value() const { return *value_; }
  // "config.json: text_config.vision", or "config.json" for the root.
  std::string where() const;

  // True where this is an object whose `key` exists and is not null.
  bool has(std::string_view key) const;
  // Keys of this object, sorted; empty for other types.
  std::vector<std::string> keys() const;

  // Any value, object or array.
  Result<JsonView> at(std::string_view key) const;
  Result<JsonView> object(std::string_view key) const;
  Result<std::vector<JsonView>> array(std::string_view key) const;

  Result<int64_t> integer(std::string_view key, int64_t min = kMin, int64_t max = kMax) const;
  Result<int64_t> integer_or(std::string_view key, int64_t fallback, int64_t min = kMin, int64_t max = kMax) const;
  // Whole numbers count as numbers. Infinities pass only where a bound is infinite, NaN never does.
  Result<double> number(std::string_view key, double min = -kFinite, double max = kFinite) const;
  Result<double> number_or(std::string_view key, double fallback, double min = -kFinite, double max = kFinite) const;
  Result<bool> boolean(std::string_view key) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string_or(std::string_view key, std::string_view fallback) const;
  Result<std::vector<int64_t>> integers(std::string_view key, int64_t min = kMin, int64_t max = kMax) const;
  Result<std::vector<double>> numbers(std::string_view key, double min = -kFinite, double max = kFinite) const;
  Result<std::vector<std::string>> strings(std::string_view key) const;

  // The same conversions for this value itself.
  Status check_object() const;
  Result<std::vector<JsonView>> items() const;
  Result<int64_t> as_integer(int64_t min = kMin, int64_t max = kMax) const;
  Result<double> as_number(double min = -kFinite, double max = kFinite) const;
  Result<bool> as_boolean() const;
  Result<std::string> as_string() const;

  // invalid_argument "<where> expected <what>, found <value>".
  Status expected(std::string_view what) const;

 private:
  static constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  static constexpr double kFinite = std::numeric_limits<double>::max();

  JsonView(const nlohmann::json& value, std::string_view name, std::string path);
  JsonView child(const nlohmann::json& value, std::string_view key) const;
  // The member, or null where it is absent; an error where this is no object.
  Result<const nlohmann::json*> find(std::string_view key) const;
  // The member, which must exist; `what` is what a missing one was expected to be.
  Result<JsonView> require(std::string_view key, std::string_view what) const;

  const nlohmann::json* value_;
  std::string name_;
  std::string path_;
};

}  // namespace azimuth
