// Pages and drawings.
#include "azimuth/report.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "engine.h"
#include "json_value.h"

namespace azimuth::python {
namespace {

std::vector<PictureView> pictures_of(const EngineHandle& handle, const Request& request) {
  Call call;
  return run_call<std::vector<PictureView>>(
      call, [engine = handle.get(), request] { return picture_views(*engine, request); });
}

std::string positions_page(const std::string& model, std::vector<PromptReport> policies,
                           std::vector<PictureView> pictures, std::vector<LintReport> lint, bool svg) {
  const PositionsPage page{model, std::move(policies), std::move(pictures), std::move(lint)};
  return unwrap(svg ? positions_svg(page) : positions_html(page));
}

}  // namespace

void bind_report(nb::module_& module) {
  nb::class_<PictureView>(module, "PictureView");
  module.def("picture_views", &pictures_of);
  module.def("positions_page", &positions_page);
  module.def("attend_page",
             [](const std::string& model, const AttendReport& report, std::vector<PictureView> pictures) {
               return attend_html({model, report, std::move(pictures)});
             });
}

}  // namespace azimuth::python
