#include "commands/position_cases.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/common.h"

namespace azimuth::tools {
namespace {

using nlohmann::json;

// ["t",5] as "t5", ["i",1,4,6] as "i1x4x6": the one parser of segments reads them all.
Result<std::string> segment_word(const json& segment) {
  const auto wrong = [&] {
    return invalid_argument("a segment expected [\"t\",n], [\"i\",T,h,w] or [\"v\",T,h,w], found " +
                            segment.dump().substr(0, 80));
  };
  if (!segment.is_array() || segment.size() < 2 || !segment[0].is_string()) return wrong();
  std::string word = segment[0];
  for (size_t i = 1; i < segment.size(); ++i) {
    if (!segment[i].is_number_integer()) return wrong();
    word += (i == 1 ? "" : "x") + std::to_string(segment[i].get<long long>());
  }
  return word;
}

Result<std::vector<Span>> read_segments(const json& segments) {
  if (segments.is_string()) return parse_segments(segments.get<std::string>());
  if (!segments.is_array()) return invalid_argument("a case expected a list of segments under \"segments\"");
  std::string words;
  for (const json& segment : segments) {
    AZ_ASSIGN_OR_RETURN(const std::string word, segment_word(segment));
    words += word + " ";
  }
  return parse_segments(words);
}

// A whole number under `key`, where there is one.
template <typename Integer>
Status read_integer(const json& entry, const char* key, Integer& out) {
  if (!entry.contains(key) || entry[key].is_null()) return ok_status();
  const json& value = entry[key];
  const bool whole = value.is_number() && std::fabs(value.get<double>()) < 1e9 &&
                     value.get<double>() == std::floor(value.get<double>());
  if (!whole)
    return invalid_argument(std::string(key) + " expected a whole number, found " + value.dump().substr(0, 80));
  out = static_cast<Integer>(value.get<double>());
  return ok_status();
}

Status read_section(const json& entry, std::vector<int>& section) {
  if (!entry.contains("section") || entry["section"].is_null()) return ok_status();
  const json& counts = entry["section"];
  const auto is_count = [](const json& n) { return n.is_number_integer() && n >= 0 && n <= 4096; };
  if (!counts.is_array() || !std::ranges::all_of(counts, is_count)) {
    return invalid_argument("section expected a list of counts for t, h, w, found " + counts.dump().substr(0, 80));
  }
  section = counts.get<std::vector<int>>();
  return ok_status();
}

Result<PositionCase> read_case(const json& entry) {
  PositionCase out;
  if (!entry.is_object() || !entry.contains("encoding") || !entry["encoding"].is_string()) {
    return invalid_argument("a case expected an object with a policy under \"encoding\"");
  }
  if (!entry.contains("segments")) return invalid_argument("a case expected a list of segments under \"segments\"");
  out.encoding = entry["encoding"];
  AZ_ASSIGN_OR_RETURN(out.spans, read_segments(entry["segments"]));
  AZ_RETURN_IF_ERROR(read_integer(entry, "head_dim", out.head.head_dim));
  AZ_RETURN_IF_ERROR(read_integer(entry, "kv_heads", out.head.kv_heads));
  AZ_RETURN_IF_ERROR(read_integer(entry, "seq_len", out.head.length));
  AZ_RETURN_IF_ERROR(read_section(entry, out.head.section));
  if (entry.contains("base") && !entry["base"].is_null()) {
    if (!entry["base"].is_number()) return invalid_argument("base expected a number, found " + entry["base"].dump());
    out.head.base = entry["base"];
  }
  if (entry.contains("compat")) {
    if (!entry["compat"].is_string()) return invalid_argument("compat expected azimuth, tf5 or tf4");
    AZ_ASSIGN_OR_RETURN(out.head.compat, parse_compat(entry["compat"].get<std::string>()));
  }
  if (entry.contains("scaling") && !entry["scaling"].is_null()) out.head.scaling = entry["scaling"].dump();
  return out;
}

}  // namespace

Result<std::vector<Result<PositionCase>>> read_position_cases(const std::string& path) {
  AZ_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array()) return invalid_argument(path + " expected a JSON list of cases");
  std::vector<Result<PositionCase>> cases;
  for (const json& entry : list) cases.push_back(read_case(entry));
  return cases;
}

std::string id_text(double id, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", id == std::floor(id) ? 0 : decimals, id + 0.0);  // -0 is 0
  return text;
}

json id_number(double id) {
  if (id == std::floor(id)) return static_cast<int64_t>(id);
  return static_cast<float>(id);
}

json ids_json(const PositionSet& set) {
  std::vector<json> rows(static_cast<size_t>(set.axes), json::array());
  bool one_row = true;
  for (size_t i = 0; i < set.ids.size(); ++i) {
    const size_t axis = i % static_cast<size_t>(set.axes);
    rows[axis].push_back(id_number(set.ids[i]));
    one_row = one_row && set.ids[i] == set.ids[i - axis];
  }
  return one_row ? rows[0] : json(rows);
}

json set_json(const PositionSet& set) {
  json decode = json::array();
  for (int64_t step = 0; step < 2; ++step) {
    std::vector<float> ids(static_cast<size_t>(set.axes));
    set.decode_ids(step, ids.data());
    decode.push_back(id_number(ids[0]));
  }
  return {{"ids", ids_json(set)},
          {"delta", id_number(set.next_decode - static_cast<double>(set.tokens()))},
          {"decode", std::move(decode)}};
}

json plan_json(const FrequencyPlan& plan) {
  const auto pairs = static_cast<size_t>(plan.pairs);
  json axes = json::array();
  for (int group = 0; group < plan.groups && pairs > 0; ++group) {
    const auto begin = plan.axis.begin() + group * plan.pairs;
    axes.push_back(std::vector<int>(begin, begin + plan.pairs));
  }
  // All groups have the same spectrum; they differ in the axes.
  return {{"axis_of_pair", plan.groups == 1 && !axes.empty() ? axes[0] : axes},
          {"inv_freq", std::vector<float>(plan.inv_freq.begin(), plan.inv_freq.begin() + plan.pairs)},
          {"attention_factor", plan.attention_scale}};
}

}  // namespace azimuth::tools
