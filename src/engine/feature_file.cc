// Features as files: safetensors with "features", "deepstack.0" and so on, and the picture's geometry in the metadata;
// or a NumPy array of the features alone.
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "azimuth/features.h"
#include "base/json.h"
#include "engine/array_of.h"
#include "engine/model.h"
#include "engine/npy.h"
#include "formats/safetensors.h"

namespace azimuth {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "azimuth-features-1";
constexpr int64_t kMostPatches = int64_t{1} << 27;
constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 32;

TensorView view_of(const FloatArray& array) {
  return TensorView::contiguous(array.data.get(), DType::f32, Shape(array.shape));
}

json geometry_json(const EncodedMedium& medium) {
  const MediaGeometry& geometry = medium.input.geometry;
  json out = {{"kind", medium.kind == SpanKind::video ? "video" : "image"},
              {"tile_rows", geometry.tile_rows},
              {"tile_columns", geometry.tile_columns}};
  if (geometry.grid) out["grid_thw"] = {geometry.grid->t, geometry.grid->h, geometry.grid->w};
  if (geometry.image_size) out["image_size"] = *geometry.image_size;
  return out;
}

Status read_geometry(const std::string& text, const std::string& path, FeatureInput& out) {
  AZ_ASSIGN_OR_RETURN(const json root, parse_json(text, path));
  const JsonView view(root, path);
  AZ_RETURN_IF_ERROR(view.check_object());
  AZ_ASSIGN_OR_RETURN(const std::string kind, view.string_or("kind", "image"));
  if (kind != "image" && kind != "video") return view.expected("a kind that is image or video");
  out.kind = kind == "video" ? SpanKind::video : SpanKind::image;
  AZ_ASSIGN_OR_RETURN(out.geometry.tile_rows, view.integer_or("tile_rows", 0, 0, kMostPatches));
  AZ_ASSIGN_OR_RETURN(out.geometry.tile_columns, view.integer_or("tile_columns", 0, 0, kMostPatches));
  if (view.has("grid_thw")) {
    AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> grid, view.integers("grid_thw", 1, kMostPatches));
    if (grid.size() != 3) return view.expected("three numbers grid_thw");
    out.geometry.grid = Grid{grid[0], grid[1], grid[2]};
  }
  if (!view.has("image_size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> size, view.integers("image_size", 1, int64_t{1} << 31));
  if (size.size() != 2) return view.expected("two numbers image_size");
  out.geometry.image_size = {size[0], size[1]};
  return ok_status();
}

Result<FloatArray> read_rows(const formats::SafeTensors& file, const std::string& name) {
  AZ_ASSIGN_OR_RETURN(const TensorView view, file.tensor(name));
  Result<Tensor> rows = to_f32(view);
  if (!rows.ok()) return rows.status().with_context(file.path() + ": " + name);
  return engine::array_of(std::move(*rows));
}

Result<FeatureInput> read_safetensors(const std::string& path) {
  AZ_ASSIGN_OR_RETURN(formats::SafeTensors file, formats::SafeTensors::open(path));
  file.read_lost_pages_as_zeros();
  FeatureInput out;
  if (file.find("features") == nullptr) {
    return invalid_argument(path + " expected a tensor named features, and deepstack.0 and so on beside it, found " +
                            (file.entries().empty() ? "none" : file.entries()[0].name) +
                            "; azimuth encode writes such files");
  }
  AZ_ASSIGN_OR_RETURN(out.rows, read_rows(file, "features"));
  for (int level = 0;; ++level) {
    const std::string name = "deepstack." + std::to_string(level);
    if (file.find(name) == nullptr) break;
    AZ_ASSIGN_OR_RETURN(FloatArray rows, read_rows(file, name));
    out.deepstack.push_back(std::move(rows));
  }
  const auto geometry = file.metadata().find("geometry");
  if (geometry != file.metadata().end()) AZ_RETURN_IF_ERROR(read_geometry(geometry->second, path, out));
  if (!file.lost()) return out;
  return data_loss(path + " was cut short while it was read; write it again");
}

Result<FeatureInput> read_array(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = stream ? static_cast<std::streamoff>(stream.tellg()) : -1;
  if (size < 0) return not_found("no file " + path + " that can be read; check the path");
  if (static_cast<uintmax_t>(size) > kMaxFileBytes) {
    return resource_exhausted(path + " expected at most " + std::to_string(kMaxFileBytes) +
                              " bytes of features, found " + std::to_string(size));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  stream.seekg(0).read(bytes.data(), size);
  if (!stream) return data_loss(path + " could not be read to its end; check the disk");
  AZ_ASSIGN_OR_RETURN(const engine::NpyArray array, engine::parse_npy(bytes, path));
  FeatureInput out;
  out.rows = make_array(array.shape, std::vector<float>(array.values.begin(), array.values.end()));
  return out;
}

}  // namespace

Status write_features(const Engine& engine, const EncodedMedium& medium, const std::string& path) {
  if (path.ends_with(".npy")) return engine::write_npy(path, view_of(medium.features));
  if (!path.ends_with(".safetensors")) {
    return invalid_argument("a file of features expected a name that ends in .safetensors or .npy, found " + path);
  }
  std::vector<formats::NamedTensor> tensors = {{"features", view_of(medium.features)}};
  for (size_t level = 0; level < medium.deepstack.size(); ++level)
    tensors.push_back({"deepstack." + std::to_string(level), view_of(medium.deepstack[level])});
  if (!medium.last_hidden_state.empty()) tensors.push_back({"last_hidden_state", view_of(medium.last_hidden_state)});
  const ModelInfo info = engine.info();
  return formats::write_safetensors(path, tensors,
                                    {{"format", std::string(kFormat)},
                                     {"model", info.directory},
                                     {"model_type", info.model_type},
                                     {"dtype", info.dtype},
                                     {"geometry", geometry_json(medium).dump()}});
}

Result<FeatureInput> read_features(const std::string& path) {
  return path.ends_with(".npy") ? read_array(path) : read_safetensors(path);
}

}  // namespace azimuth
