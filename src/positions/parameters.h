// Parameters of a position policy: "videorope:delta=2" names the policy videorope with the parameter delta.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::positions {

enum class ParameterKind : uint8_t {
  number,  // 0.5
  count,   // a whole number
  flag,    // 0, 1, false, true
  word,    // one of `words`
  counts,  // whole numbers joined by dashes: 24-20-20
  text,    // anything without a comma; the policy checks it
};

// What a policy declares of one of its parameters.
struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::number;
  std::string fallback = "";  // the value where none is given; "" for a parameter that is unset then
  std::string help = "";      // for people, with the unit
  double min = -1e6;          // of numbers and counts
  double max = 1e6;
  std::vector<std::string> words = {};
};

// Values that have been checked against their declarations. Asking for a name that was not declared is a bug.
class Parameters {
 public:
  // `text`: "key=value,key=value", or "". The failure names the policy, and the parameters that it has.
  static Result<Parameters> parse(std::string_view policy, const std::vector<Parameter>& declared,
                                  std::string_view text);

  bool given(std::string_view name) const;  // false where the fallback stands
  bool has(std::string_view name) const;    // declared, and with a value
  double number(std::string_view name) const;
  int64_t count(std::string_view name) const;
  bool flag(std::string_view name) const;
  const std::string& word(std::string_view name) const;
  std::vector<int> counts(std::string_view name) const;
  // The given ones as "key=value,key=value" in the order of their names.
  std::string to_string() const;

 private:
  struct Value {
    std::string text;
    bool given = false;
  };
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace azimuth::positions
