// A report as JSON: the scores under the keys that golden vectors use, the verdicts and the findings.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "azimuth/lint.h"

namespace azimuth {
namespace {

using nlohmann::json;

// To so many decimals, exact ties to the even digit; whole numbers as integers.
json rounded(double number, int decimals) {
  char text[512];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  const double value = std::strtod(text, nullptr);
  if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

template <typename Value>
json or_null(const std::optional<Value>& value) {
  return value ? json(*value) : json();
}

void add_block_scores(const LintScores& scores, json& out) {
  if (scores.blocks.empty()) {
    for (const char* key : {"injective", "lattice", "lattice_rank", "growth", "future_overlap", "past_overlap",
                            "triple_collisions", "interval_thw"}) {
      out[key] = nullptr;
    }
    return;
  }
  const BlockScores& block = scores.blocks.back();
  out["injective"] = block.injective;
  out["lattice"] = block.lattice;
  out["lattice_rank"] = std::to_string(block.rank) + "/" + std::to_string(block.extents);
  out["growth"] = rounded(block.growth, 3);
  out["future_overlap"] = rounded(block.future_overlap, 2);
  out["past_overlap"] = rounded(block.past_overlap, 2);
  out["triple_collisions"] = block.triple_collisions;
  out["interval_thw"] = json::array();
  for (const double interval : block.interval) out["interval_thw"].push_back(rounded(interval, 2));
}

void add_spectrum(const LintScores& scores, json& out) {
  for (const char* key : {"spectrum_coverage_thw", "spectrum_share_thw", "spectrum_range_thw", "wavelength_thw"}) {
    out[key] = scores.spectrum ? json::array() : json();
  }
  if (!scores.spectrum) return;
  for (const AxisSpectrum& axis : *scores.spectrum) {
    out["spectrum_coverage_thw"].push_back(rounded(axis.coverage, 2));
    out["spectrum_share_thw"].push_back(rounded(axis.share, 2));
    out["spectrum_range_thw"].push_back(axis.fastest < 0 ? json() : json({axis.fastest, axis.slowest}));
    const bool turns = axis.longest_wavelength > 0.0 && std::isfinite(axis.longest_wavelength);
    out["wavelength_thw"].push_back(turns ? rounded(axis.longest_wavelength, 3) : json());
  }
}

json finding_json(const LintFinding& finding) {
  json out = {{"check", finding.check},
              {"severity", to_string(finding.severity)},
              {"message", finding.message},
              {"may_cause", finding.may_cause},
              {"published", finding.published}};
  if (finding.guideline != LintGuideline::none) out["guideline"] = to_string(finding.guideline);
  if (finding.span >= 0) out["span"] = finding.span;
  if (finding.span >= 0 || finding.end > 0) out["tokens"] = {finding.begin, finding.end};
  return out;
}

}  // namespace

std::string lint_json(const LintReport& report) {
  json out = {{"policy", report.policy},
              {"tokens", report.tokens},
              {"text_prior_ids", or_null(report.scores.text_prior_ids)},
              {"text_integral", report.scores.text_integral},
              {"text_freq", or_null(report.scores.text_freq)},
              {"decode_continuous", report.scores.decode_continuous},
              {"growth_exponent", report.scores.growth_exponent ? rounded(*report.scores.growth_exponent, 3) : json()},
              {"findings", json::array()},
              {"failed", report.failed()}};
  add_block_scores(report.scores, out);
  add_spectrum(report.scores, out);
  for (const LintGuideline guideline : {LintGuideline::coherence, LintGuideline::spectrum, LintGuideline::text_prior}) {
    out["verdict"][std::string(to_string(guideline))] = to_string(report.verdict(guideline));
  }
  for (const LintFinding& finding : report.findings) out["findings"].push_back(finding_json(finding));
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace azimuth
