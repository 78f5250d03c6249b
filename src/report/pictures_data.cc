#include "report/pictures_data.h"

#include <nlohmann/json.hpp>

namespace azimuth::report {

nlohmann::json pictures_list(const std::vector<PictureView>& pictures) {
  nlohmann::json list = nlohmann::json::array();
  for (const PictureView& view : pictures) {
    list.push_back({{"span", view.span}, {"frame", view.frame}, {"url", view.data_url}});
  }
  return list;
}

}  // namespace azimuth::report
