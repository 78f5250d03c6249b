// Media that the caller holds in memory, out of NumPy arrays.
#include "azimuth/media.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"

namespace azimuth::python {
namespace {

Grid grid_of(const std::vector<int64_t>& sizes) {
  if (sizes.size() != 3) {
    raise(invalid_argument("a grid expected three numbers (frames, rows and columns of patches), found " +
                           std::to_string(sizes.size())));
  }
  return {sizes[0], sizes[1], sizes[2]};
}

void bind_geometry(nb::module_& module) {
  nb::class_<VideoInfo>(module, "VideoInfo")
      .def(nb::init<>())
      .def_rw("fps", &VideoInfo::fps)
      .def_rw("total_num_frames", &VideoInfo::total_num_frames)
      .def_rw("frames_indices", &VideoInfo::frames_indices)
      .def_rw("duration", &VideoInfo::duration)
      .def_rw("seconds_per_grid", &VideoInfo::seconds_per_grid);

  nb::class_<MediaGeometry>(module, "MediaGeometry")
      .def(nb::init<>())
      .def("set_grid",
           [](MediaGeometry& geometry, const std::vector<int64_t>& sizes) { geometry.grid = grid_of(sizes); })
      .def("set_position_ids",
           [](MediaGeometry& geometry, nb::handle ids) {
             geometry.position_ids = array_of<int64_t>(ids, "image_position_ids");
           })
      .def("set_pixel_mask",
           [](MediaGeometry& geometry, nb::handle mask) {
             geometry.pixel_mask = array_of<uint8_t>(mask, "pixel_attention_mask");
           })
      .def("set_image_size",
           [](MediaGeometry& geometry, int64_t height, int64_t width) {
             geometry.image_size = {height, width};
           })
      .def_rw("aspect_ratio_id", &MediaGeometry::aspect_ratio_id)
      .def_rw("tile_rows", &MediaGeometry::tile_rows)
      .def_rw("tile_columns", &MediaGeometry::tile_columns)
      .def_rw("video", &MediaGeometry::video);
}

}  // namespace

void bind_media(nb::module_& module) {
  bind_geometry(module);
  nb::class_<PictureInput>(module, "PictureInput").def("__init__", [](PictureInput* self, nb::handle rgb) {
    new (self) PictureInput{array_of<uint8_t>(rgb, "a picture")};
  });
  nb::class_<FramesInput>(module, "FramesInput")
      .def("__init__", [](FramesInput* self, nb::handle rgb, VideoInfo info, bool sampled) {
        new (self) FramesInput{array_of<uint8_t>(rgb, "frames"), std::move(info), sampled};
      });
  nb::class_<PixelInput>(module, "PixelInput")
      .def("__init__", [](PixelInput* self, bool video, nb::handle values, MediaGeometry geometry) {
        new (self) PixelInput{video ? SpanKind::video : SpanKind::image, array_of<float>(values, "pixel_values"),
                              std::move(geometry)};
      });
  nb::class_<FeatureInput>(module, "FeatureInput")
      .def(
          "__init__",
          [](FeatureInput* self, bool video, nb::handle rows, nb::list deepstack, MediaGeometry geometry) {
            FeatureInput input;
            input.kind = video ? SpanKind::video : SpanKind::image;
            input.rows = array_of<float>(rows, "features");
            for (nb::handle level : deepstack) input.deepstack.push_back(array_of<float>(level, "deepstack"));
            input.geometry = std::move(geometry);
            new (self) FeatureInput(std::move(input));
          },
          nb::sig("def __init__(self, video: bool, rows: object, deepstack: list[object], geometry: MediaGeometry) -> "
                  "None"))
      .def_prop_ro(
          "rows", [](const FeatureInput& input) { return view_of(input.rows); },
          nb::sig("def rows(self) -> numpy.typing.NDArray[numpy.float32]"))
      .def_prop_ro(
          "deepstack", [](const FeatureInput& input) { return views_of(input.deepstack); },
          nb::sig("def deepstack(self) -> list[numpy.typing.NDArray[numpy.float32]]"))
      .def_prop_ro(
          "grid",
          [](const FeatureInput& input) -> nb::object {
            if (!input.geometry.grid) return nb::none();
            return nb::make_tuple(input.geometry.grid->t, input.geometry.grid->h, input.geometry.grid->w);
          },
          nb::sig("def grid(self) -> tuple[int, int, int] | None"))
      .def_prop_ro("video", [](const FeatureInput& input) { return input.kind == SpanKind::video; })
      .def("__repr__", [](const FeatureInput& input) {
        const std::vector<size_t> shape(input.rows.shape.begin(), input.rows.shape.end());
        return "FeatureInput(rows " + shape_text(shape) + ", deepstack levels " +
               std::to_string(input.deepstack.size()) + ")";
      });
}

}  // namespace azimuth::python
