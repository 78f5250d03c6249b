#include <cmath>
#include <numbers>

#include "positions/frequency/spectrum.h"
#include "positions/tower/rotary_rules.h"

namespace azimuth::positions {

TowerRotation mixed_rotation(const VisionSpec& vision, const std::vector<PatchPosition>& patches,
                             std::span<const float> frequencies) {
  const size_t width = static_cast<size_t>(vision.heads) * static_cast<size_t>(vision.head_dim / 2);  // [heads, d/2]
  HeadRotation rotation;
  rotation.pairing = Pairing::interleaved;
  RotaryTable& table = rotation.table;
  table.groups = vision.heads;
  table.pairs = vision.head_dim / 2;
  table.cosines.resize(patches.size() * width);
  table.sines.resize(patches.size() * width);
  for (size_t patch = 0; patch < patches.size(); ++patch) {
    const auto x = static_cast<float>(patches[patch].column);
    const auto y = static_cast<float>(patches[patch].row);
    for (size_t i = 0; i < width; ++i) {
      const float angle = x * frequencies[i] + y * frequencies[width + i];  // f32, as the reference adds them
      rotate_unit(angle, 1.0f, 1.0f, table.cosines[patch * width + i], table.sines[patch * width + i]);
    }
  }
  TowerRotation rotations;
  rotations.push_back(std::move(rotation));
  return rotations;
}

std::vector<float> initial_mixed_frequencies(double theta, int head_dim, std::span<const float> angles) {
  const std::vector<float> magnitudes = inverse_frequencies(theta, head_dim / 2);  // [d/4]
  constexpr double kRightAngle = std::numbers::pi / 2;
  std::vector<float> frequencies;
  for (const bool along_x : {true, false}) {
    for (const float angle : angles) {
      for (const double direction : {static_cast<double>(angle), angle + kRightAngle}) {
        const auto share = static_cast<float>(along_x ? std::cos(direction) : std::sin(direction));
        for (const float magnitude : magnitudes) frequencies.push_back(magnitude * share);
      }
    }
  }
  return frequencies;
}

}  // namespace azimuth::positions
