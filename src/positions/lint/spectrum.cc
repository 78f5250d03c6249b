// What each axis gets of the spectrum (positions.md 5.2): coverage, share, aliasing; and whether the plan is the one
// that was asked for: allocation.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "positions/lint/outcome.h"
#include "positions/lint/scores.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

constexpr double kLeastCoverage = 0.85;  // positions.md 5.2
constexpr double kLeastShare = 0.2;

struct Group {
  std::span<const int8_t> axis;     // [pairs]
  std::span<const float> inv_freq;  // [pairs]
};

std::vector<Group> groups_of(const FrequencyPlan& plan) {
  std::vector<Group> groups;
  const auto pairs = static_cast<size_t>(plan.pairs);
  for (size_t group = 0; group < static_cast<size_t>(plan.groups); ++group) {
    groups.push_back(
        {std::span(plan.axis).subspan(group * pairs, pairs), std::span(plan.inv_freq).subspan(group * pairs, pairs)});
  }
  return groups;
}

// Longest run of consecutive pairs that `axis` does not drive.
int longest_gap(std::span<const int8_t> axes, int axis) {
  int longest = 0;
  int run = 0;
  for (const int8_t each : axes) {
    run = each == axis ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  return longest;
}

AxisSpectrum spectrum_of_axis(const FrequencyPlan& plan, int axis) {
  AxisSpectrum out;
  int64_t driven = 0;
  for (const Group& group : groups_of(plan)) {
    // Frequencies that do not fall from pair to pair belong to axes with complete spectra of their own.
    const bool own_spectra = !std::ranges::is_sorted(group.inv_freq, std::greater<>());
    int64_t in_group = 0;
    for (int pair = 0; pair < plan.pairs; ++pair) {
      if (group.axis[static_cast<size_t>(pair)] != axis) continue;
      ++in_group;
      if (out.fastest < 0 || pair < out.fastest) out.fastest = pair;
      out.slowest = std::max(out.slowest, pair);
      const double f = group.inv_freq[static_cast<size_t>(pair)];
      const double wavelength = f > 0.0 ? 2.0 * std::numbers::pi / f : std::numeric_limits<double>::infinity();
      out.longest_wavelength = std::max(out.longest_wavelength, wavelength);
    }
    driven += in_group;
    const double coverage =
        own_spectra ? (in_group > 0 ? 1.0 : 0.0)
                    : 1.0 - static_cast<double>(longest_gap(group.axis, axis)) / static_cast<double>(plan.pairs);
    out.coverage = std::max(out.coverage, coverage);
  }
  out.share = static_cast<double>(driven) / (static_cast<double>(plan.groups) * static_cast<double>(plan.pairs));
  return out;
}

// Distance between the smallest and the largest id that visual tokens have on an axis.
double visual_extent(const Context& context, size_t axis) {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = -smallest;
  for (const BlockScores& block : context.scores.blocks) {
    const Span& span = context.input.spans[static_cast<size_t>(block.span)];
    for (int64_t token = span.begin; token < span.end; ++token) {
      const double id = triple_of(context.first_set(), token)[axis];
      smallest = std::min(smallest, id);
      largest = std::max(largest, id);
    }
  }
  return largest - smallest;
}

std::string in_layers(const NamedPlan& plan) {
  return plan.layer_type.empty() ? "" : " in layers of type " + plan.layer_type;
}

struct PlanSpectrum {
  const NamedPlan& plan;
  std::array<AxisSpectrum, 3> axes;
};

std::vector<PlanSpectrum> spectra_of(const Context& context) {
  std::vector<PlanSpectrum> spectra;
  for (const NamedPlan& plan : context.input.layout.plans) {
    const auto axes = spectrum_of(plan.plan, context.first_set().axes);
    if (axes) spectra.push_back({plan, *axes});
  }
  return spectra;
}

std::string hundredths(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", number);
  return text;
}

template <typename Member>
std::string three(const std::array<AxisSpectrum, 3>& axes, Member member) {
  return "t " + hundredths(axes[0].*member) + ", h " + hundredths(axes[1].*member) + ", w " +
         hundredths(axes[2].*member);
}

}  // namespace

std::optional<std::array<AxisSpectrum, 3>> spectrum_of(const FrequencyPlan& plan, int axes) {
  if (plan.pairs == 0) return std::nullopt;
  std::array<AxisSpectrum, 3> out;
  for (int axis = 0; axis < 3; ++axis) out[static_cast<size_t>(axis)] = spectrum_of_axis(plan, axes == 1 ? 0 : axis);
  return out;
}

Outcome check_coverage(const Context& context) {
  const std::vector<PlanSpectrum> spectra = spectra_of(context);
  if (spectra.empty()) return not_checked("nothing turns");
  Outcome outcome;
  outcome.value = three(spectra[0].axes, &AxisSpectrum::coverage);
  for (const PlanSpectrum& spectrum : spectra) {
    std::string missing;
    for (size_t axis = 0; axis < 3; ++axis) {
      const AxisSpectrum& each = spectrum.axes[axis];
      if (each.coverage >= kLeastCoverage) continue;
      missing += (missing.empty() ? "" : ", ") + std::string("axis ") + axis_name(static_cast<int>(axis));
      if (each.fastest < 0) {
        missing += " has no pair";
      } else {
        missing += " has pairs " + std::to_string(each.fastest) + " to " + std::to_string(each.slowest) +
                   " (coverage " + hundredths(each.coverage) + ")";
      }
    }
    if (missing.empty()) continue;
    outcome.problems.push_back({Level::breaks, missing + " of " + std::to_string(spectrum.plan.plan.pairs) +
                                                   ", the fastest first; coverage 0.85 was expected of each axis" +
                                                   in_layers(spectrum.plan)});
  }
  return outcome;
}

Outcome check_share(const Context& context) {
  const std::vector<PlanSpectrum> spectra = spectra_of(context);
  if (spectra.empty()) return not_checked("nothing turns");
  Outcome outcome;
  outcome.value = three(spectra[0].axes, &AxisSpectrum::share);
  for (const PlanSpectrum& spectrum : spectra) {
    const auto small = [](const AxisSpectrum& axis) { return axis.share < kLeastShare; };
    if (std::ranges::none_of(spectrum.axes, small)) continue;
    outcome.problems.push_back(
        {Level::breaks, "the axes get these shares of the spectrum: " + three(spectrum.axes, &AxisSpectrum::share) +
                            "; 0.2 was expected of each" + in_layers(spectrum.plan)});
  }
  return outcome;
}

Outcome check_aliasing(const Context& context) {
  const std::vector<PlanSpectrum> spectra = spectra_of(context);
  if (spectra.empty()) return not_checked("nothing turns");
  Outcome outcome;
  for (int axis = 0; axis < std::min(context.first_set().axes, 3); ++axis) {
    outcome.value += (axis == 0 ? "longest wavelength " : ", ") + axis_name(axis) + " " +
                     shown(std::round(spectra[0].axes[static_cast<size_t>(axis)].longest_wavelength));
  }
  if (!context.has_blocks()) return outcome;
  for (int axis = 0; axis < std::min(context.first_set().axes, 3); ++axis) {
    const double extent = visual_extent(context, static_cast<size_t>(axis));
    for (const PlanSpectrum& spectrum : spectra) {
      const AxisSpectrum& each = spectrum.axes[static_cast<size_t>(axis)];
      if (each.fastest < 0 || extent <= each.longest_wavelength) continue;
      outcome.problems.push_back({Level::warns, "pictures span " + shown(extent) + " ids on " + axis_name(axis) +
                                                    ", and the slowest pair of that axis turns once in " +
                                                    shown(each.longest_wavelength) + in_layers(spectrum.plan)});
    }
  }
  return outcome;
}

Outcome check_allocation(const Context& context) {
  const std::vector<int>& section = context.input.section;
  if (section.size() != 3 || context.input.layout.plans.empty()) return not_checked("no section was given");
  const FrequencyPlan& plan = context.input.layout.plans[0].plan;
  std::array<int, 3> given = {};
  for (size_t i = 0; i < plan.axis.size(); ++i) {
    const bool counts_heads = plan.groups > 1;
    if (counts_heads && i % static_cast<size_t>(plan.pairs) != 0) continue;
    if (plan.axis[i] >= 0 && plan.axis[i] < 3) ++given[static_cast<size_t>(plan.axis[i])];
  }
  const auto text = [](auto counts) {
    return std::to_string(counts[0]) + ", " + std::to_string(counts[1]) + ", " + std::to_string(counts[2]);
  };
  Outcome outcome;
  outcome.value = text(given) + " as asked";
  if (std::ranges::equal(section, given)) return outcome;
  outcome.value = text(given) + " instead of " + text(section);
  outcome.problems.push_back({Level::warns, "the section asks for " + text(section) + " (t, h, w) of " +
                                                std::to_string(plan.pairs) +
                                                " pairs, and the interleave can give only " + text(given) +
                                                ": an axis with over a third of the pairs is cut"});
  return outcome;
}

}  // namespace azimuth::positions::lint
