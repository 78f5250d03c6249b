#include <nlohmann/json.hpp>

#include "azimuth/report.h"
#include "report/attend_data.h"
#include "report/color_ramp.h"
#include "report/html_page.h"
#include "report/pictures_data.h"

namespace azimuth {

std::string attend_html(const AttendPage& page) {
  const nlohmann::json data = {{"model", page.model},
                               {"report", report::attend_object(page.report)},
                               {"pictures", report::pictures_list(page.pictures)},
                               {"ramp", report::ramp_stops(report::kRampStops)}};
  return report::fill_page("attend.html", {{"title", report::escape_markup("Attention of " + page.model)},
                                           {"data", report::embed_json(data)}});
}

}  // namespace azimuth
