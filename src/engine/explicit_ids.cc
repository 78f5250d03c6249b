#include "engine/explicit_ids.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "engine/npy.h"

namespace azimuth {
namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 29;

std::vector<float> token_major(const double* values, int64_t axes, int64_t tokens) {
  std::vector<float> ids(static_cast<size_t>(axes * tokens));
  for (int64_t axis = 0; axis < axes; ++axis) {
    for (int64_t token = 0; token < tokens; ++token)
      ids[static_cast<size_t>(token * axes + axis)] = static_cast<float>(values[axis * tokens + token]);
  }
  return ids;
}

Status check_axes(int64_t axes, std::string_view name) {
  if (1 <= axes && axes <= kMaxPositionAxes) return ok_status();
  return invalid_argument(std::string(name) + " expected 1 to " + std::to_string(kMaxPositionAxes) +
                          " axes of ids, found " + std::to_string(axes) + "; the axes come before the tokens");
}

Result<std::vector<PositionIds>> from_npy(std::string_view bytes, std::string_view name) {
  AZ_ASSIGN_OR_RETURN(engine::NpyArray array, engine::parse_npy(bytes, name));
  if (array.shape.empty() || array.shape.size() > 3) {
    return invalid_argument(std::string(name) + " expected an array of shape [tokens], [axes, tokens] or " +
                            "[samples, axes, tokens], found " + std::to_string(array.shape.size()) + " dimensions");
  }
  while (array.shape.size() < 3) array.shape.insert(array.shape.begin(), 1);
  const int64_t samples = array.shape[0];
  const int64_t axes = array.shape[1];
  const int64_t tokens = array.shape[2];
  AZ_RETURN_IF_ERROR(check_axes(axes, name));
  if (samples == 0 || tokens == 0) return invalid_argument(std::string(name) + " expected ids, found an empty array");
  std::vector<PositionIds> out;
  for (int64_t sample = 0; sample < samples; ++sample) {
    PositionIds ids;
    ids.sets.push_back({static_cast<int>(axes), token_major(array.values.data() + sample * axes * tokens, axes, tokens),
                        std::nullopt});
    out.push_back(std::move(ids));
  }
  return out;
}

// ---- JSON

Result<std::vector<double>> read_numbers(const JsonView& list) {
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> items, list.items());
  std::vector<double> numbers;
  for (const JsonView& item : items) {
    // Bounds do not matter here: ids are checked when they meet a prompt, where the message can name the token.
    if (!item.value().is_number()) return item.expected("a number");
    numbers.push_back(item.value().get<double>());
  }
  return numbers;
}

// [0, 1, ...], or a list of such lists, one for each axis.
Result<PositionIdSet> read_list(const JsonView& json) {
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> items, json.items());
  if (items.empty()) return json.expected("ids");
  PositionIdSet set;
  std::vector<double> values;
  int64_t tokens = static_cast<int64_t>(items.size());
  if (items[0].value().is_array()) {
    AZ_RETURN_IF_ERROR(check_axes(static_cast<int64_t>(items.size()), json.where()));
    set.axes = static_cast<int>(items.size());
    tokens = static_cast<int64_t>(items[0].value().size());
    for (const JsonView& axis : items) {
      AZ_ASSIGN_OR_RETURN(const std::vector<double> numbers, read_numbers(axis));
      if (static_cast<int64_t>(numbers.size()) != tokens) {
        return invalid_argument(axis.where() + " expected " + std::to_string(tokens) +
                                " ids like the first axis, found " + std::to_string(numbers.size()));
      }
      values.insert(values.end(), numbers.begin(), numbers.end());
    }
  } else {
    AZ_ASSIGN_OR_RETURN(values, read_numbers(json));
  }
  set.ids = token_major(values.data(), set.axes, tokens);
  return set;
}

Result<PositionIdSet> read_set(const JsonView& json) {
  if (!json.value().is_object()) return read_list(json);
  if (!json.has("ids")) return json.expected("a key \"ids\"");
  AZ_ASSIGN_OR_RETURN(const JsonView ids, json.at("ids"));
  AZ_ASSIGN_OR_RETURN(PositionIdSet set, read_list(ids));
  if (json.has("next")) {
    AZ_ASSIGN_OR_RETURN(set.next, json.number("next"));
  }
  return set;
}

Result<PositionIds> read_sample(const JsonView& json) {
  PositionIds ids;
  if (!json.value().is_object() || !json.has("sets")) {
    AZ_ASSIGN_OR_RETURN(PositionIdSet set, read_set(json));
    ids.sets.push_back(std::move(set));
    return ids;
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> sets, json.array("sets"));
  for (const JsonView& each : sets) {
    AZ_ASSIGN_OR_RETURN(PositionIdSet set, read_set(each));
    ids.sets.push_back(std::move(set));
  }
  if (!json.has("set_of_layer")) return ids;
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> chosen, json.integers("set_of_layer", 0, INT16_MAX));
  ids.set_of_layer.assign(chosen.begin(), chosen.end());
  return ids;
}

// A list of objects or of lists of lists has one entry for each sample; a list of lists of numbers has axes.
bool is_batch(const nlohmann::json& root) {
  if (!root.is_array() || root.empty()) return false;
  const nlohmann::json& first = root[0];
  return first.is_object() || (first.is_array() && !first.empty() && first[0].is_array());
}

Result<std::vector<PositionIds>> from_json(std::string_view text, std::string_view name) {
  AZ_ASSIGN_OR_RETURN(const nlohmann::json root, parse_json(text, name));
  const JsonView json(root, name);
  std::vector<PositionIds> out;
  if (!is_batch(root)) {
    AZ_ASSIGN_OR_RETURN(PositionIds ids, read_sample(json));
    out.push_back(std::move(ids));
    return out;
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> samples, json.items());
  for (const JsonView& sample : samples) {
    AZ_ASSIGN_OR_RETURN(PositionIds ids, read_sample(sample));
    out.push_back(std::move(ids));
  }
  return out;
}

}  // namespace

Result<std::vector<PositionIds>> parse_position_ids(std::string_view bytes, std::string_view name) {
  return engine::is_npy(bytes) ? from_npy(bytes, name) : from_json(bytes, name);
}

Result<std::vector<PositionIds>> read_position_ids(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) return not_found("no file " + path + " that can be read; check the path");
  if (static_cast<uintmax_t>(size) > kMaxFileBytes) {
    return resource_exhausted(path + " expected at most " + std::to_string(kMaxFileBytes) + " bytes of ids, found " +
                              std::to_string(size));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0).read(bytes.data(), size);
  if (!file) return data_loss(path + " could not be read to its end; check the disk");
  return parse_position_ids(bytes, path);
}

namespace engine {
namespace {

std::string axis_name(int axis, int axes) {
  if (axes == 1) return "";
  return axis < 3 ? std::string(" on axis ") + "thw"[axis] : " on axis " + std::to_string(axis);
}

Status check_id(float id, int64_t token, int axis, int axes, std::string_view where) {
  if (std::fabs(id) < kMaxPositionId) return ok_status();  // false for NaN
  return out_of_range(std::string(where) + " expected a number with magnitude below 2^24 (" +
                      std::to_string(static_cast<int64_t>(kMaxPositionId)) + ") for token " + std::to_string(token) +
                      axis_name(axis, axes) + ", found " + std::to_string(id) + "; correct the id");
}

Status check_next(double next, std::string_view where) {
  if (std::fabs(next) < kMaxPositionId) return ok_status();
  return out_of_range(std::string(where) + " expected the next id to have a magnitude below 2^24, found " +
                      std::to_string(next) + "; correct it");
}

// Ids of the text behind the last id given, one by one.
Status extend(const Prompt& prompt, PositionSet& set) {
  const int64_t given = set.tokens();
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text || span.end <= given) continue;
    return invalid_argument("position ids expected to cover every picture of the conversation, found ids for " +
                            std::to_string(given) + " tokens and a picture at token " + std::to_string(span.begin) +
                            "; give ids for the whole prompt, or start a new conversation");
  }
  set.ids.resize(static_cast<size_t>(tokens * set.axes));
  for (int64_t token = given; token < tokens; ++token) set.decode_ids(token - given, set.ids.data() + token * set.axes);
  set.next_text = set.next_decode = set.next_decode + static_cast<double>(tokens - given);
  return ok_status();
}

Result<PositionSet> explicit_set(const PositionIdSet& given, bool continues, const Prompt& prompt,
                                 const PositionSet& laid_out) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  PositionSet set;
  AZ_RETURN_IF_ERROR(check_axes(given.axes, "position ids"));
  set.axes = given.axes;
  set.ids = given.ids;
  const bool whole = set.ids.size() % static_cast<size_t>(set.axes) == 0;
  const bool shorter_is_fine = continues && whole && set.tokens() < tokens;
  if (!whole || (set.tokens() != tokens && !shorter_is_fine)) {
    return invalid_argument("position ids expected " + std::to_string(tokens) + " tokens x " +
                            std::to_string(set.axes) + (set.axes == 1 ? " axis" : " axes") + " = " +
                            std::to_string(tokens * set.axes) + " ids, found " + std::to_string(set.ids.size()) +
                            "; give one for each token that `azimuth positions` lists");
  }
  set.text_axes = set.axes == laid_out.axes ? laid_out.text_axes : static_cast<uint8_t>(0xff);
  set.next_text = given.next.value_or(laid_out.next_text);
  set.next_decode = given.next.value_or(laid_out.next_decode);
  if (!shorter_is_fine) return set;
  if (!given.next) {
    return invalid_argument("position ids of " + std::to_string(set.tokens()) + " tokens for a prompt of " +
                            std::to_string(tokens) + " expected to say how they go on; give \"next\" beside them");
  }
  AZ_RETURN_IF_ERROR(extend(prompt, set));
  return set;
}

}  // namespace

Result<PositionTable> explicit_table(const PositionIds& ids, const Prompt& prompt, const PositionTable& laid_out,
                                     int layers) {
  if (ids.sets.empty()) return invalid_argument("position ids expected at least one set of ids, found none");
  if (!ids.set_of_layer.empty() && layers > 0 && static_cast<int>(ids.set_of_layer.size()) != layers) {
    return invalid_argument("position ids expected a set for each of the model's " + std::to_string(layers) +
                            " layers, found " + std::to_string(ids.set_of_layer.size()) + "; correct set_of_layer");
  }
  PositionTable table;
  table.set_of_layer = ids.set_of_layer;
  for (const PositionIdSet& given : ids.sets) {
    const PositionSet& like = laid_out.sets[std::min(table.sets.size(), laid_out.sets.size() - 1)];
    AZ_ASSIGN_OR_RETURN(PositionSet set, explicit_set(given, ids.continues, prompt, like));
    table.integral = table.integral && std::ranges::all_of(set.ids, [](float id) { return id == std::floor(id); });
    table.sets.push_back(std::move(set));
  }
  return table;
}

Status check_table(const PositionTable& table, int64_t tokens, const decoder::PositionEncoding& encoding,
                   const TextSpec& text, std::string_view where) {
  for (const PositionSet& set : table.sets) {
    const bool counts = set.axes > 0 && static_cast<int64_t>(set.ids.size()) == tokens * set.axes;
    if (!counts) continue;  // said by validate below
    for (size_t i = 0; i < set.ids.size(); ++i) {
      const auto axes = static_cast<size_t>(set.axes);
      AZ_RETURN_IF_ERROR(
          check_id(set.ids[i], static_cast<int64_t>(i / axes), static_cast<int>(i % axes), set.axes, where));
    }
    AZ_RETURN_IF_ERROR(check_next(set.next_decode, where));
    AZ_RETURN_IF_ERROR(check_next(set.next_text, where));
  }
  AZ_RETURN_IF_ERROR(table.validate(tokens).with_context(where));
  if (!table.set_of_layer.empty() && table.set_of_layer.size() != text.layers.size()) {
    return invalid_argument(std::string(where) + " expected an id set for each of " +
                            std::to_string(text.layers.size()) + " layers, found " +
                            std::to_string(table.set_of_layer.size()));
  }
  for (size_t layer = 0; layer < text.layers.size(); ++layer) {
    const int index = table.set_of_layer.empty() ? 0 : table.set_of_layer[layer];
    if (index < 0 || static_cast<size_t>(index) >= table.sets.size()) {
      return out_of_range(std::string(where) + " expected layer " + std::to_string(layer) + " to use one of " +
                          std::to_string(table.sets.size()) + " id sets, found set " + std::to_string(index));
    }
    if (text.layers[layer].rope < 0) continue;
    const std::vector<int8_t>& turning = encoding.plan(text.layers[layer].rope).axis;
    const int needed = turning.empty() ? 1 : 1 + *std::ranges::max_element(turning);
    const PositionSet& set = table.sets[static_cast<size_t>(index)];
    if (set.axes >= needed) continue;
    return invalid_argument(std::string(where) + " expected ids on " + std::to_string(needed) +
                            " axes, which the frequency plan turns, found " + std::to_string(set.axes) +
                            (set.axes == 1 ? " axis" : " axes") +
                            "; give all of them, or choose a policy with a one-axis plan");
  }
  return ok_status();
}

}  // namespace engine
}  // namespace azimuth
