#include "positions/frequency/allocation.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace azimuth::positions {
namespace {

std::string to_string(std::span<const int> section) {
  std::string text = "[";
  for (size_t i = 0; i < section.size(); ++i) text += (i ? "," : "") + std::to_string(section[i]);
  return text + "]";
}

Status check_section(std::span<const int> section, int pairs) {
  const bool valid = section.size() == 3 && std::all_of(section.begin(), section.end(), [](int n) { return n >= 0; });
  if (!valid) {
    return invalid_argument("a three-axis policy expected a section of three counts [t,h,w], found " +
                            to_string(section));
  }
  const int total = std::accumulate(section.begin(), section.end(), 0);
  if (total == pairs) return ok_status();
  return invalid_argument("section " + to_string(section) + " adds up to " + std::to_string(total) +
                          ", but the head has " + std::to_string(pairs) + " rotary pairs; give counts that add up");
}

}  // namespace

Result<std::vector<int8_t>> allocate_one_axis(std::span<const int>, int pairs) {
  return std::vector<int8_t>(static_cast<size_t>(pairs), 0);
}

Result<std::vector<int8_t>> allocate_chunked(std::span<const int> section, int pairs) {
  AZ_RETURN_IF_ERROR(check_section(section, pairs));
  std::vector<int8_t> axes;
  for (int axis = 0; axis < 3; ++axis)
    axes.insert(axes.end(), static_cast<size_t>(section[axis]), static_cast<int8_t>(axis));
  return axes;
}

Result<std::vector<int8_t>> allocate_interleaved(std::span<const int> section, int pairs) {
  AZ_RETURN_IF_ERROR(check_section(section, pairs));
  std::vector<int8_t> axes(static_cast<size_t>(pairs), 0);
  for (int axis = 1; axis <= 2; ++axis) {
    for (int k = 0; k < section[axis]; ++k) {
      const int pair = axis + 3 * k;
      if (pair >= pairs) {
        return invalid_argument("section " + to_string(section) + " does not fit an interleave over " +
                                std::to_string(pairs) + " pairs: axis " + (axis == 1 ? "h" : "w") + " would get " +
                                std::to_string(k) + " pairs instead of " + std::to_string(section[axis]) +
                                "; use a section with at most a third for h and for w");
      }
      axes[static_cast<size_t>(pair)] = static_cast<int8_t>(axis);
    }
  }
  return axes;
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
