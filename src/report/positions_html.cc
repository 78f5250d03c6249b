#include <nlohmann/json.hpp>

#include "report/color_ramp.h"
#include "report/html_page.h"
#include "report/pictures_data.h"
#include "report/positions_data.h"
#include "report/positions_page.h"

namespace azimuth {
namespace report {
namespace {

bool same_span(const Span& a, const Span& b) {
  return a.kind == b.kind && a.begin == b.begin && a.end == b.end && a.media == b.media && a.grid == b.grid;
}

bool same_prompt(const Prompt& a, const Prompt& b) {
  return a.ids == b.ids && std::equal(a.spans.begin(), a.spans.end(), b.spans.begin(), b.spans.end(), same_span);
}

}  // namespace

Status check_page(const PositionsPage& page) {
  if (page.policies.size() != 1 && page.policies.size() != 2) {
    return invalid_argument("a page about positions expected one policy or two, found " +
                            std::to_string(page.policies.size()));
  }
  if (!page.lint.empty() && page.lint.size() != page.policies.size()) {
    return invalid_argument("a page about positions expected a lint report for each of its " +
                            std::to_string(page.policies.size()) + " policies or none, found " +
                            std::to_string(page.lint.size()));
  }
  for (const PromptReport& policy : page.policies) {
    if (!policy.positions.sets.empty() && same_prompt(policy.prompt, page.policies[0].prompt)) continue;
    return invalid_argument(
        "two policies side by side expected the ids of one prompt, found those of two; lay out "
        "the same request with both");
  }
  return ok_status();
}

std::string policy_names(const PositionsPage& page) {
  std::string names = page.policies[0].policy;
  if (page.policies.size() > 1) names += " and " + page.policies[1].policy;
  return names;
}

}  // namespace report

Result<std::string> positions_html(const PositionsPage& page) {
  using nlohmann::json;
  AZ_RETURN_IF_ERROR(report::check_page(page));
  json reports = json::array();
  for (size_t i = 0; i < page.policies.size(); ++i) {
    reports.push_back(report::positions_object(page.policies[i], page.lint.empty() ? nullptr : &page.lint[i]));
  }
  const json data = {{"model", page.model},
                     {"reports", std::move(reports)},
                     {"pictures", report::pictures_list(page.pictures)},
                     {"ramp", report::ramp_stops(report::kRampStops)}};
  return report::fill_page("positions.html",
                           {{"title", report::escape_markup("Positions: " + report::policy_names(page))},
                            {"data", report::embed_json(data)}});
}

}  // namespace azimuth
