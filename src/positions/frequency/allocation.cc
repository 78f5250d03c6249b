#include "positions/frequency/allocation.h"

#include <algorithm>
#include <numeric>

namespace azimuth::positions {
namespace {

using Axes = std::vector<int8_t>;  // [pairs]

std::string to_string(std::span<const int> section) {
  std::string text = "[";
  for (size_t i = 0; i < section.size(); ++i) text += (i ? "," : "") + std::to_string(section[i]);
  return text + "]";
}

Status check_counts(std::span<const int> section) {
  if (section.size() == 3 && std::ranges::all_of(section, [](int n) { return n >= 0; })) return ok_status();
  return invalid_argument("a three-axis policy expected a section of three counts [t,h,w], found " +
                          to_string(section));
}

Status check_section(std::span<const int> section, int pairs) {
  AZ_RETURN_IF_ERROR(check_counts(section));
  const int total = std::accumulate(section.begin(), section.end(), 0);
  if (total == pairs) return ok_status();
  return invalid_argument("section " + to_string(section) + " adds up to " + std::to_string(total) +
                          ", but the head has " + std::to_string(pairs) + " rotary pairs; give counts that add up");
}

Axes one_axis(std::span<const int>, int pairs) {
  return Axes(static_cast<size_t>(pairs), 0);
}

Axes chunked(std::span<const int> section, int) {
  Axes axes;
  for (int axis = 0; axis < 3; ++axis) {
    axes.insert(axes.end(), static_cast<size_t>(section[static_cast<size_t>(axis)]), static_cast<int8_t>(axis));
  }
  return axes;
}

// h at pairs 1, 4, 7, ... and w at 2, 5, 8, ... as often as the section says and the pairs allow.
Axes interleaved(std::span<const int> section, int pairs) {
  Axes axes(static_cast<size_t>(pairs), 0);
  for (int axis = 1; axis <= 2; ++axis) {
    for (int k = 0; k < section[static_cast<size_t>(axis)] && axis + 3 * k < pairs; ++k) {
      axes[static_cast<size_t>(axis + 3 * k)] = static_cast<int8_t>(axis);
    }
  }
  return axes;
}

Axes videorope(std::span<const int> section, int pairs) {
  Axes axes(static_cast<size_t>(pairs), 0);
  for (int pair = 0; pair < section[1] + section[2]; ++pair) {
    axes[static_cast<size_t>(pair)] = static_cast<int8_t>(pair % 2 == 0 ? 1 : 2);
  }
  return axes;
}

Axes videorope_jjj(std::span<const int> section, int pairs) {
  Axes axes(static_cast<size_t>(pairs), 0);
  for (int pair = 1; pair < section[1] + section[2]; ++pair) {
    axes[static_cast<size_t>(pair)] = static_cast<int8_t>(pair % 2 == 1 ? 1 : 2);
  }
  return axes;
}

Axes hope(std::span<const int> section, int pairs) {
  Axes axes = videorope(section, pairs);
  std::ranges::replace(axes, int8_t{0}, int8_t{-1});
  return axes;
}

Axes mmrope(std::span<const int>, int pairs) {
  static constexpr int8_t kPeriod[] = {0, 0, 1, 2, 1, 2, 1, 2};
  Axes axes;
  for (int pair = 0; pair < pairs; ++pair) axes.push_back(kPeriod[pair % 8]);
  return axes;
}

struct Kind {
  AllocationKind kind;
  std::string name;
  int axes;
  Axes (*axes_of_pairs)(std::span<const int> section, int pairs);  // nullptr: per head
  bool reads_section;
  bool keeps_counts;  // refused where the counts would differ from the section
  std::vector<int> published;
};

const std::vector<Kind>& kinds() {
  using enum AllocationKind;
  static const std::vector<Kind> all = {
      {one_axis, "one_axis", 1, positions::one_axis, false, false, {}},
      {chunked, "chunked", 3, positions::chunked, true, true, {16, 24, 24}},
      {interleaved, "interleaved", 3, positions::interleaved, true, true, {24, 20, 20}},
      {videorope, "videorope", 3, positions::videorope, true, true, {16, 24, 24}},
      {videorope_jjj, "videorope_jjj", 3, positions::videorope_jjj, true, false, {16, 24, 24}},
      {hope, "hope", 3, positions::hope, true, false, {16, 24, 24}},
      {mmrope, "mmrope", 3, positions::mmrope, false, false, {}},
      {per_head, "per_head", 3, nullptr, true, false, {2, 3, 3}},
  };
  return all;
}

const Kind& kind_of(AllocationKind kind) {
  return kinds()[static_cast<size_t>(kind)];
}

// Every pair of a KV head turns with the head's axis; heads beyond the section never turn (positions.md 4.4).
Result<AxisMap> per_head(std::span<const int> section, int pairs, int kv_heads) {
  AZ_RETURN_IF_ERROR(check_counts(section));
  const int total = std::accumulate(section.begin(), section.end(), 0);
  if (total > kv_heads) {
    return invalid_argument("a plan per head expected a section of at most " + std::to_string(kv_heads) +
                            " key-value heads, found " + to_string(section) + " = " + std::to_string(total) +
                            "; give section= with counts that fit the model");
  }
  AxisMap map;
  map.groups = kv_heads;
  for (int axis = 0; axis < 3; ++axis) {
    const size_t channels = static_cast<size_t>(section[static_cast<size_t>(axis)]) * static_cast<size_t>(pairs);
    map.axis.insert(map.axis.end(), channels, static_cast<int8_t>(axis));
  }
  map.axis.resize(static_cast<size_t>(kv_heads) * static_cast<size_t>(pairs), -1);
  return map;
}

}  // namespace

Result<AllocationKind> find_allocation(std::string_view name) {
  std::string known;
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind.kind;
    known += (known.empty() ? "" : ", ") + kind.name;
  }
  return not_found("unknown frequency plan \"" + std::string(name) + "\"; known are " + known);
}

std::string_view to_string(AllocationKind kind) {
  return kind_of(kind).name;
}

const std::vector<std::string>& allocation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Kind& kind : kinds()) out.push_back(kind.name);
    return out;
  }();
  return names;
}

int axes_of(AllocationKind kind) {
  return kind_of(kind).axes;
}

bool keeps_section(AllocationKind kind) {
  return kind_of(kind).keeps_counts || kind == AllocationKind::per_head;
}

std::vector<int> published_section(AllocationKind kind) {
  return kind_of(kind).published;
}

Result<AxisMap> allocate(AllocationKind kind, std::span<const int> section, int pairs, int kv_heads, bool cuts) {
  const Kind& entry = kind_of(kind);
  if (entry.axes_of_pairs == nullptr) return per_head(section, pairs, kv_heads);
  if (entry.reads_section) AZ_RETURN_IF_ERROR(check_section(section, pairs));
  AxisMap map{1, entry.axes_of_pairs(section, pairs)};
  for (int axis = 0; axis < 3 && entry.keeps_counts && !cuts; ++axis) {
    const int wanted = section[static_cast<size_t>(axis)];
    const auto given = static_cast<int>(std::ranges::count(map.axis, static_cast<int8_t>(axis)));
    if (given == wanted) continue;
    return invalid_argument("section " + to_string(section) + " does not fit the " + entry.name + " plan over " +
                            std::to_string(pairs) + " pairs: axis " + "thw"[axis] + " would get " +
                            std::to_string(given) + " pairs instead of " + std::to_string(wanted) +
                            "; use a section that the plan can give");
  }
  return map;
}

std::vector<int> scale_section(std::span<const int> section, int pairs) {
  const int total = std::accumulate(section.begin(), section.end(), 0);
  std::vector<int> scaled;
  std::vector<int> remainder;  // of the exact share times `total`
  int given = 0;
  for (const int count : section) {
    scaled.push_back(count * pairs / total);
    remainder.push_back(count * pairs % total);
    given += scaled.back();
  }
  for (; given < pairs; ++given) {
    const auto largest = std::max_element(remainder.begin(), remainder.end());  // the first of equals: t, h, w
    ++scaled[static_cast<size_t>(largest - remainder.begin())];
    *largest = -1;
  }
  return scaled;
}

}  // namespace azimuth::positions
