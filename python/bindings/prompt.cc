// Spans of a prompt and the pictures behind them.
#include "azimuth/prompt.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <tuple>

#include "azimuth/hooks.h"
#include "bindings.h"

namespace azimuth::python {
namespace {

std::string kind_name(SpanKind kind) {
  switch (kind) {
    case SpanKind::text: return "text";
    case SpanKind::image: return "image";
    case SpanKind::video: break;
  }
  return "video";
}

std::string delivery_name(Delivery delivery) {
  switch (delivery) {
    case Delivery::injected: return "injected";
    case Delivery::row_suffix: return "row_suffix";
    case Delivery::cross: break;
  }
  return "cross";
}

std::tuple<int64_t, int64_t, int64_t> thw(const Grid& grid) {
  return {grid.t, grid.h, grid.w};
}

std::string describe(const Span& span) {
  std::string text =
      "Span(" + kind_name(span.kind) + ", tokens " + std::to_string(span.begin) + " to " + std::to_string(span.end);
  if (span.kind != SpanKind::text) {
    text +=
        ", grid " + std::to_string(span.grid.t) + "x" + std::to_string(span.grid.h) + "x" + std::to_string(span.grid.w);
  }
  return text + ")";
}

}  // namespace

void bind_prompt(nb::module_& module) {
  nb::class_<Span>(module, "Span",
                   "A run of text, or the tokens of one tile of a picture, or of one frame group of a video.")
      .def_prop_ro(
          "kind", [](const Span& span) { return kind_name(span.kind); }, "\"text\", \"image\" or \"video\"")
      .def_ro("begin", &Span::begin, "First token.")
      .def_ro("end", &Span::end, "Behind the last token.")
      .def_prop_ro("tokens", &Span::tokens, "end - begin")
      .def_ro("media", &Span::media, "Index among the request's pictures, or among its videos, by kind; -1 for text.")
      .def_ro("tile", &Span::tile, "This is tile `tile` of `tiles` of its picture.")
      .def_ro("tiles", &Span::tiles)
      .def_ro("global_tile", &Span::global_tile, "True for the tile that shows the whole picture.")
      .def_ro("view", &Span::view, "This is view `view` of `views` of its panorama.")
      .def_ro("views", &Span::views)
      .def_ro("global_view", &Span::global_view)
      .def_prop_ro(
          "grid", [](const Span& span) { return thw(span.grid); },
          "(frames, rows, columns) of cells after merging; zeros for text.")
      .def_ro("features", &Span::features, "Feature rows behind this span.")
      .def_prop_ro(
          "delivery", [](const Span& span) { return delivery_name(span.delivery); },
          "How features reach the decoder: \"injected\" one per token, with a \"row_suffix\", or \"cross\".")
      .def_ro("start_seconds", &Span::start_seconds, "Of a video's first frame in this span.")
      .def_ro("step_seconds", &Span::step_seconds, "Seconds between grid frames.")
      .def("__repr__", &describe);

  nb::class_<MediaHandle>(module, "MediaHandle", "A picture or video of a request.")
      .def_prop_ro(
          "kind", [](const MediaHandle& media) { return kind_name(media.kind); }, "\"image\" or \"video\"")
      .def_ro("number", &MediaHandle::number, "Span.media of its spans.")
      .def_ro("original_width", &MediaHandle::original_width, "Pixels, as decoded and turned upright.")
      .def_ro("original_height", &MediaHandle::original_height)
      .def_ro("width", &MediaHandle::width, "Pixels after the resize to whole patches.")
      .def_ro("height", &MediaHandle::height)
      .def_prop_ro(
          "patches", [](const MediaHandle& media) { return thw(media.patches); },
          "(frames, rows, columns) of patches, before merging.")
      .def("__repr__", [](const MediaHandle& media) {
        return "MediaHandle(" + kind_name(media.kind) + " " + std::to_string(media.number) + ", " +
               std::to_string(media.width) + "x" + std::to_string(media.height) + " pixels)";
      });
}

}  // namespace azimuth::python
