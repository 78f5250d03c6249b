#include "support/trace_compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

namespace azimuth::testing {
namespace {

using Json = nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Four units in the last place of f32: no number is compared more finely than it is stored.
constexpr double kStorage = 0x1p-21;
// Normalised pixels: one subtraction and one division in f32, each rounded to half a unit, of values below 8.
constexpr double kPixel = 0x1p-20;
// Below this many numbers a list's own spread says little about its scale.
constexpr size_t kFewNumbers = 8;
// Log-probabilities and entropies are differences of logits (|d log p| <= 2 max |d logit|). Where nothing is wrong,
// logits of spread s still differ by up to 1e-5 s, r / 20, because sums of f32 are taken in another order; a confident
// model makes long lists of nearly equal numbers out of them. So no list is compared more finely than this share of r
// s.
constexpr double kLogitShare = 1.0 / 8;

std::string at(const std::string& path, size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string shown(const Json& value) {
  constexpr size_t kLongest = 160;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

// Population standard deviation of the numbers of a list; nulls are left out.
double spread(const Json& list, size_t* count = nullptr) {
  double sum = 0.0, squares = 0.0;
  size_t n = 0;
  for (const Json& item : list) {
    if (!item.is_number()) continue;
    sum += item.get<double>();
    ++n;
  }
  const double mean = n == 0 ? 0.0 : sum / static_cast<double>(n);
  for (const Json& item : list) {
    if (item.is_number()) squares += (item.get<double>() - mean) * (item.get<double>() - mean);
  }
  if (count != nullptr) *count = n;
  return n == 0 ? 0.0 : std::sqrt(squares / static_cast<double>(n));
}

// A field of which nothing is said: null, zero, or lists of such. The other side may leave it out.
bool is_void(const Json& value) {
  if (value.is_array()) return std::all_of(value.begin(), value.end(), is_void);
  return value.is_null() || (value.is_number() && value.get<double>() == 0.0);
}

Json first_items(const Json& list, size_t count) {
  if (!list.is_array() || list.size() <= count) return list;
  return Json(list.begin(), list.begin() + static_cast<Json::difference_type>(count));
}

// Greedy ids up to which both traces must agree: the first tie, or all.
constexpr size_t kNoTie = std::numeric_limits<size_t>::max();

class Comparer {
 public:
  Comparer(const Json& expected, const Json& actual, double tolerance)
      : expected_(expected), actual_(actual), tolerance_(tolerance) {}

  TraceReport run() {
    find_ties();
    for (const char* name : {"prompt", "input_ids", "spans", "token_type_ids", "image_grid_thw", "video_grid_thw",
                             "image_position_ids", "video_position_ids", "mm_token_type_ids", "aspect_ratio_ids",
                             "aspect_ratio_mask", "position_ids", "position_ids_by_layer_type", "rope_delta"}) {
      compare_field(name, &Comparer::exact);
    }
    compare_field("pixel_values", &Comparer::pixels);
    compare_field("pixel_values_videos", &Comparer::pixels);
    compare_field("pixel_attention_mask", &Comparer::exact);
    compare_field("vision_features", &Comparer::summaries);
    compare_field("deepstack_features", &Comparer::summaries);
    compare_field("layers_last", &Comparer::summaries);
    compare_field("logits_last", &Comparer::own_scale);
    compare_field("logprobs", &Comparer::own_scale);
    compare_field("entropies", &Comparer::own_scale);
    compare_field("greedy_ids", &Comparer::greedy_list);
    compare_field("greedy_text", &Comparer::greedy_text);
    compare_field("greedy_logprobs", &Comparer::greedy_numbers);
    compare_field("decode_position_ids", &Comparer::decode_positions);
    return std::move(report_);
  }

 private:
  using Compare = void (Comparer::*)(const std::string&, const Json&, const Json&, size_t);

  // Calls `compare` for every sample's entry of a field.
  void compare_field(const char* name, Compare compare) {
    const auto expected = expected_.find(name);
    if (expected == expected_.end()) return;
    report_.stages.emplace_back().stage = name;
    const auto actual = actual_.find(name);
    if (actual == actual_.end()) {
      if (!is_void(*expected)) differ(name, "expected the field, got none");
      return;
    }
    if (!same_length(name, *expected, *actual)) return;
    for (size_t i = 0; i < expected->size(); ++i) {
      (this->*compare)(at(name, i), (*expected)[i], (*actual)[i], i);
    }
  }

  StageReport& stage() { return report_.stages.back(); }

  void differ(const std::string& path, const std::string& what) {
    StageReport& here = stage();
    if (!here.difference) here.difference = path + ": " + what;
    here.worst_ratio = kInfinity;
  }

  void mismatch(const std::string& path, const Json& expected, const Json& actual) {
    differ(path, "expected " + shown(expected) + ", got " + shown(actual));
  }

  bool same_length(const std::string& path, const Json& expected, const Json& actual) {
    if (!expected.is_array() || !actual.is_array()) {
      if (!expected.is_array() || actual.is_array() != expected.is_array()) mismatch(path, expected, actual);
      return false;
    }
    if (expected.size() == actual.size()) return true;
    differ(path, "expected " + std::to_string(expected.size()) + " entries, got " + std::to_string(actual.size()));
    return false;
  }

  // Equal in every element; numbers by value (3 is 3.0), objects in the keys of the expected one.
  void exact(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    if (expected.is_array() && actual.is_array()) {
      // The elements first: where a list went wrong says more than that its length did.
      const size_t common = std::min(expected.size(), actual.size());
      for (size_t i = 0; i < common && !stage().difference; ++i) exact(at(path, i), expected[i], actual[i], sample);
      if (!stage().difference) same_length(path, expected, actual);
    } else if (expected.is_object() && actual.is_object()) {
      for (const auto& [key, value] : expected.items()) {
        const auto found = actual.find(key);
        if (found == actual.end()) {
          differ(path + "." + key, "expected " + shown(value) + ", got nothing");
        } else {
          exact(path + "." + key, value, *found, sample);
        }
      }
    } else {
      ++stage().compared;
      if (expected != actual) mismatch(path, expected, actual);
    }
  }

  void number(const std::string& path, const Json& expected, const Json& actual, double allowed) {
    ++stage().compared;
    if (!expected.is_number() || !actual.is_number()) {
      if (expected != actual) mismatch(path, expected, actual);
      return;
    }
    const double e = expected.get<double>(), a = actual.get<double>();
    const double error = std::abs(a - e), bound = std::max(allowed, kStorage * std::abs(e));
    const double ratio = error == 0.0 ? 0.0 : error / bound;
    StageReport& here = stage();
    if (ratio > here.worst_ratio || here.worst_at.empty()) {
      here.worst_ratio = std::max(here.worst_ratio, ratio);
      here.worst_at = path;
    }
    if (!(ratio <= 1.0) && !here.difference) {
      here.difference = path + ": expected " + shown(e) + ", got " + shown(a) + ", which is " + shown(ratio) +
                        " times the tolerance of " + shown(bound);
    }
  }

  void numbers(const std::string& path, const Json& expected, const Json& actual, double allowed) {
    if (!same_length(path, expected, actual)) return;
    for (size_t i = 0; i < expected.size(); ++i) number(at(path, i), expected[i], actual[i], allowed);
  }

  // Lists whose scale is their own spread, or that of the sample's logits where they are short or nearly constant.
  void own_scale(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    size_t count = 0;
    double scale = spread(expected, &count);
    scale = count < kFewNumbers ? logits_spread(sample) : std::max(scale, kLogitShare * logits_spread(sample));
    numbers(path, expected, actual, tolerance_ * scale);
  }

  double logits_spread(size_t sample) const {
    const auto logits = expected_.find("logits_last");
    if (logits == expected_.end() || !logits->is_array() || sample >= logits->size()) return 0.0;
    return spread((*logits)[sample]);
  }

  // Lists of summaries, or one: {shape, norm, std, first...}.
  void summaries(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    if (expected.is_array()) {
      if (!same_length(path, expected, actual)) return;
      for (size_t i = 0; i < expected.size(); ++i) summaries(at(path, i), expected[i], actual[i], sample);
      return;
    }
    if (!expected.is_object() || !actual.is_object()) return mismatch(path, expected, actual);
    const double scale = tolerance_ * expected.value("std", 0.0);
    for_keys(path, expected, actual,
             [&](const std::string& key, const std::string& here, const Json& e, const Json& a) {
               if (key == "shape") return exact(here, e, a, sample);
               if (e.is_array()) return numbers(here, e, a, scale);
               number(here, e, a, key == "norm" ? tolerance_ * e.get<double>() : scale);
             });
  }

  void pixels(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    if (!expected.is_object() || !actual.is_object()) return mismatch(path, expected, actual);
    for_keys(path, expected, actual,
             [&](const std::string& key, const std::string& here, const Json& e, const Json& a) {
               if (key == "shape") return exact(here, e, a, sample);
               if (!e.is_array()) return number(here, e, a, kPixel);
               if (!same_length(here, e, a)) return;
               for (size_t i = 0; i < e.size(); ++i) {
                 const double size = e[i].is_number() ? std::abs(e[i].get<double>()) : 0.0;
                 number(at(here, i), e[i], a[i], kPixel * std::max(1.0, size));
               }
             });
  }

  // Calls visit(key, path, expected, actual) for the expected object's keys, the shape first.
  template <typename Visit>
  void for_keys(const std::string& path, const Json& expected, const Json& actual, Visit visit) {
    std::vector<std::string> keys;
    for (const auto& item : expected.items()) keys.push_back(item.key());
    std::stable_partition(keys.begin(), keys.end(), [](const std::string& key) { return key == "shape"; });
    for (const std::string& key : keys) {
      const auto found = actual.find(key);
      if (found == actual.end()) {
        differ(path + "." + key, "expected a value, got none");
        return;
      }
      visit(key, path + "." + key, expected.at(key), *found);
      if (key == "shape" && stage().difference) return;
    }
  }

  // Where the reference's two best tokens are closer than the tolerance lets logits be, either is right; what follows
  // in that sample then has another history and is not compared.
  void find_ties() {
    const auto ids = expected_.find("greedy_ids"), margins = expected_.find("greedy_margins");
    const auto actual = actual_.find("greedy_ids");
    if (ids == expected_.end() || margins == expected_.end() || actual == actual_.end() || !actual->is_array()) return;
    ties_.assign(ids->size(), kNoTie);
    for (size_t i = 0; i < std::min({ids->size(), margins->size(), actual->size()}); ++i) {
      const Json &e = (*ids)[i], &a = (*actual)[i], &margin = (*margins)[i];
      if (!e.is_array() || !a.is_array() || !margin.is_array()) continue;
      size_t step = 0;
      while (step < std::min(e.size(), a.size()) && e[step] == a[step]) ++step;
      if (step >= std::min({e.size(), a.size(), margin.size()})) continue;
      const double open = 2 * tolerance_ * logits_spread(i);
      if (!margin[step].is_number() || margin[step].get<double>() > open) continue;
      ties_[i] = step;
      report_.ties.push_back("sample " + std::to_string(i) + ", step " + std::to_string(step) +
                             ": the reference prefers " + shown(e[step]) + " to " + shown(a[step]) +
                             " by a margin of " + shown(margin[step].get<double>()) + ", tolerance " + shown(open));
    }
  }

  size_t agreed(size_t sample) const { return sample < ties_.size() ? ties_[sample] : kNoTie; }

  void greedy_list(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    exact(path, first_items(expected, agreed(sample)), first_items(actual, agreed(sample)), sample);
  }

  void greedy_text(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    if (agreed(sample) == kNoTie) exact(path, expected, actual, sample);
  }

  void greedy_numbers(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    own_scale(path, first_items(expected, agreed(sample)), first_items(actual, agreed(sample)), sample);
  }

  void decode_positions(const std::string& path, const Json& expected, const Json& actual, size_t sample) {
    const size_t count = agreed(sample);
    const bool by_axis = expected.is_array() && !expected.empty() && expected[0].is_array();
    if (!by_axis) return exact(path, first_items(expected, count), first_items(actual, count), sample);
    if (!same_length(path, expected, actual)) return;
    for (size_t axis = 0; axis < expected.size(); ++axis) {
      exact(at(path, axis), first_items(expected[axis], count), first_items(actual[axis], count), sample);
    }
  }

  const Json& expected_;
  const Json& actual_;
  const double tolerance_;
  std::vector<size_t> ties_;  // per sample
  TraceReport report_;
};

}  // namespace

const StageReport* TraceReport::first_difference() const {
  const auto found =
      std::find_if(stages.begin(), stages.end(), [](const StageReport& s) { return s.difference.has_value(); });
  return found == stages.end() ? nullptr : &*found;
}

std::string TraceReport::summary() const {
  std::string text;
  if (const StageReport* first = first_difference()) {
    text = "first difference in " + first->stage + ": " + *first->difference;
  } else {
    const auto worst = std::max_element(stages.begin(), stages.end(), [](const StageReport& a, const StageReport& b) {
      return a.worst_ratio < b.worst_ratio;
    });
    text = "equal";
    if (worst != stages.end()) text += ", worst " + shown(worst->worst_ratio) + " of the tolerance in " + worst->stage;
  }
  for (const std::string& tie : ties) text += "\ntie: " + tie;
  return text;
}

std::string TraceReport::table() const {
  std::string text;
  for (const StageReport& stage : stages) {
    char line[128];
    std::snprintf(line, sizeof line, "%-26s %8zu compared, worst %-10.3g ", stage.stage.c_str(), stage.compared,
                  stage.worst_ratio);
    text += line + stage.difference.value_or(stage.worst_at) + "\n";
  }
  return text;
}

TraceReport compare_traces(const Json& expected, const Json& actual, double tolerance) {
  return Comparer(expected, actual, tolerance).run();
}

Result<TraceReport> compare_trace_texts(std::string_view expected, std::string_view actual, double tolerance) {
  const Json e = Json::parse(expected, nullptr, false), a = Json::parse(actual, nullptr, false);
  if (!e.is_object()) return invalid_argument("expected a trace (one JSON object) to compare with, got something else");
  if (!a.is_object()) {
    return invalid_argument("expected a trace (one JSON object), got " + std::to_string(actual.size()) +
                            " bytes of something else");
  }
  return compare_traces(e, a, tolerance);
}

}  // namespace azimuth::testing
