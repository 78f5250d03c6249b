#include "engine/held_media.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>

namespace azimuth::engine {
namespace {

using preprocess::MediaPixels;
using preprocess::Patches;
using preprocess::PixelSize;

constexpr int64_t kChannels = 3;
constexpr std::string_view kMemory = "memory:";

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

Status wrong_shape(const std::string& what, const std::string& expected, const std::vector<int64_t>& found) {
  return invalid_argument(what + " expected an array of shape " + expected + ", found " + shape_text(found));
}

template <typename T>
bool has_rank(const Array<T>& array, size_t rank) {
  return array.shape.size() == rank && !array.empty();
}

Result<media::Image> image_at(const ByteArray& rgb, int64_t index, int64_t height, int64_t width) {
  media::Image image;
  image.height = height;
  image.width = width;
  const uint8_t* first = rgb.data.get() + index * height * width * kChannels;
  image.rgb.assign(first, first + height * width * kChannels);
  return image;
}

Status check_size(int64_t height, int64_t width, int64_t max_pixels, const std::string& where) {
  if (width <= max_pixels / height) return ok_status();
  return resource_exhausted(where + " expected at most " + std::to_string(max_pixels) + " pixels, found " +
                            std::to_string(width) + " x " + std::to_string(height));
}

Tensor copied(const float* values, const Shape& shape) {
  Tensor out(shape);
  std::copy_n(values, out.elements(), out.data());
  return out;
}

Result<Grid> checked_grid(const MediaGeometry& geometry, const std::string& where) {
  if (!geometry.grid) {
    return invalid_argument(where + " expected a grid (patches t, h, w: a row of image_grid_thw or video_grid_thw), " +
                            "found none; positions depend on it");
  }
  const Grid grid = *geometry.grid;
  const auto valid = [](int64_t side) { return side > 0 && side <= preprocess::kMaxResizedPixels; };
  const bool sides = valid(grid.t) && valid(grid.h) && valid(grid.w);
  if (sides && grid.h <= preprocess::kMaxResizedPixels / grid.w &&
      grid.h * grid.w <= preprocess::kMaxResizedPixels / grid.t) {
    return grid;
  }
  return invalid_argument(where + " expected a grid of at least one patch, found " + std::to_string(grid.t) + " x " +
                          std::to_string(grid.h) + " x " + std::to_string(grid.w));
}

// ---- one function per layout of arrays

// Rows of patches as the processor orders them (PixelArray::patch_rows).
Result<MediaPixels> from_patch_rows(const PixelInput& input, const HeldFormat& format, const std::string& where) {
  AZ_ASSIGN_OR_RETURN(const Grid grid, checked_grid(input.geometry, where));
  const ImageProcessorSpec& spec = format.processor;
  const int64_t width = kChannels * spec.temporal_patch_size * spec.patch_size * spec.patch_size;
  if (!has_rank(input.values, 2) || input.values.shape[1] != width) {
    return wrong_shape(where + ": pixels", "[patches, " + std::to_string(width) + "]", input.values.shape);
  }
  if (input.values.shape[0] != grid.cells()) {
    return invalid_argument(where + " has " + std::to_string(input.values.shape[0]) +
                            " rows of patches, but its grid " + std::to_string(grid.t) + " x " +
                            std::to_string(grid.h) + " x " + std::to_string(grid.w) + " makes " +
                            std::to_string(grid.cells()) + "; the two counts must be equal");
  }
  Patches tile;
  tile.grid = grid;
  tile.resized = {grid.w * spec.patch_size, grid.h * spec.patch_size};
  tile.pixels = copied(input.values.data.get(), Shape({grid.cells(), width}));
  MediaPixels out;
  out.source = tile.resized;
  out.tiles.push_back(std::move(tile));
  return out;
}

// Columns and rows of patches whose places are given one by one, in raster order, -1 behind them.
Result<Grid> grid_of_places(const IntArray& places, const std::string& where) {
  const bool frames = places.shape.size() == 3;
  if (places.empty() || places.shape.back() != 2 || places.shape.size() < 2 || places.shape.size() > 3) {
    return wrong_shape(where + ": image_position_ids", "[patches, 2] or [frames, patches, 2]", places.shape);
  }
  const int64_t per_frame = places.shape[frames ? 1 : 0];
  Grid grid{frames ? places.shape[0] : 1, 0, 0};
  const int64_t* const place = places.data.get();
  for (int64_t i = 0; i < per_frame; ++i) {
    grid.w = std::max(grid.w, std::min(place[2 * i], per_frame) + 1);
    grid.h = std::max(grid.h, std::min(place[2 * i + 1], per_frame) + 1);
  }
  for (int64_t i = 0; i < grid.t * per_frame; ++i) {
    const int64_t patch = i % per_frame;
    const bool real = grid.h <= per_frame && patch < grid.h * grid.w;
    const int64_t x = real ? patch % grid.w : -1;
    const int64_t y = real ? patch / grid.w : -1;
    if (place[2 * i] == x && place[2 * i + 1] == y && grid.h * grid.w <= per_frame) continue;
    return invalid_argument(where + ": image_position_ids expected (x, y) of " + std::to_string(grid.w) + " x " +
                            std::to_string(grid.h) + " patches row by row, then -1, found (" +
                            std::to_string(place[2 * i]) + ", " + std::to_string(place[2 * i + 1]) + ") at patch " +
                            std::to_string(i));
  }
  if (grid.cells() > 0) return grid;
  return invalid_argument(where + ": image_position_ids expected at least one patch, found none");
}

// PixelArray::padded_patches.
Result<MediaPixels> from_padded_patches(const PixelInput& input, const HeldFormat& format, const std::string& where) {
  const ImageProcessorSpec& spec = format.processor;
  const int64_t width = kChannels * spec.patch_size * spec.patch_size;
  const std::vector<int64_t>& shape = input.values.shape;
  const bool fits = !input.values.empty() && (shape.size() == 2 || shape.size() == 3) && shape.back() == width;
  if (!fits) {
    return wrong_shape(where + ": pixels",
                       "[patches, " + std::to_string(width) + "] or [frames, patches, " + std::to_string(width) + "]",
                       shape);
  }
  AZ_ASSIGN_OR_RETURN(const Grid grid, grid_of_places(input.geometry.position_ids, where));
  const int64_t frames = shape.size() == 3 ? shape[0] : 1;
  const int64_t per_frame = shape[shape.size() - 2];
  const std::vector<int64_t>& places = input.geometry.position_ids.shape;
  if (grid.t != frames || places[places.size() - 2] != per_frame) {
    return invalid_argument(where + " has patches of " + std::to_string(frames) + " x " + std::to_string(per_frame) +
                            ", but image_position_ids of " + std::to_string(grid.t) + " x " +
                            std::to_string(places[places.size() - 2]) + "; the two must be equal");
  }
  Patches tile;
  tile.grid = grid;
  tile.resized = {grid.w * spec.patch_size, grid.h * spec.patch_size};
  tile.padded_rows = per_frame;
  tile.pixels = Tensor({grid.cells(), width});
  const int64_t filled = grid.h * grid.w;
  for (int64_t frame = 0; frame < frames; ++frame) {
    std::copy_n(input.values.data.get() + frame * per_frame * width, filled * width, tile.pixels.row(frame * filled));
  }
  MediaPixels out;
  out.source = tile.resized;
  out.tiles.push_back(std::move(tile));
  return out;
}

// [tiles, 3, height, width] of an array, one by one.
struct Planes {
  const float* data = nullptr;
  int64_t tiles = 0;
  int64_t height = 0;
  int64_t width = 0;

  int64_t elements() const { return kChannels * height * width; }
  const float* tile(int64_t index) const { return data + index * elements(); }
};

Result<Planes> planes_of(const PixelInput& input, const std::string& where) {
  const std::vector<int64_t>& shape = input.values.shape;
  const size_t rank = shape.size();
  if (input.values.empty() || (rank != 3 && rank != 4) || shape[rank - 3] != kChannels) {
    return wrong_shape(where + ": pixels", "[tiles, 3, height, width] or [3, height, width]", shape);
  }
  return Planes{input.values.data.get(), rank == 4 ? shape[0] : 1, shape[rank - 2], shape[rank - 1]};
}

bool is_padding(const Planes& planes, int64_t tile) {
  const float* first = planes.tile(tile);
  return std::all_of(first, first + planes.elements(), [](float value) { return value == 0.0f; });
}

// Rows and columns of a tile that hold pixels: all, or what its mask says.
Result<PixelSize> filled_size(const ByteArray& mask, const Planes& planes, int64_t tile, const std::string& where) {
  if (mask.data == nullptr) return PixelSize{planes.width, planes.height};
  const std::vector<int64_t> expected{planes.tiles, planes.height, planes.width};
  if (mask.shape != expected) return wrong_shape(where + ": pixel_attention_mask", shape_text(expected), mask.shape);
  const uint8_t* const first = mask.data.get() + tile * planes.height * planes.width;
  PixelSize size{0, 0};
  while (size.width < planes.width && first[size.width] != 0) ++size.width;
  while (size.height < planes.height && first[size.height * planes.width] != 0) ++size.height;
  for (int64_t i = 0; i < planes.height * planes.width; ++i) {
    const bool inside = i / planes.width < size.height && i % planes.width < size.width;
    if ((first[i] != 0) == inside) continue;
    return invalid_argument(where + ": pixel_attention_mask expected the pixels of tile " + std::to_string(tile) +
                            " in one rectangle from the upper left corner on, found another one at row " +
                            std::to_string(i / planes.width) + ", column " + std::to_string(i % planes.width));
  }
  return size;
}

Patches tile_of(const Planes& planes, int64_t tile, PixelSize size, const VisionSpec& vision) {
  Patches out;
  out.resized = size;
  out.grid = {1, size.height / vision.patch, size.width / vision.patch};
  out.pixels = Tensor({kChannels, size.height, size.width});
  float* to = out.pixels.data();
  for (int64_t line = 0; line < kChannels * size.height; ++line) {
    const int64_t row = line / size.height * planes.height + line % size.height;
    to = std::copy_n(planes.tile(tile) + row * planes.width, size.width, to);
  }
  return out;
}

Status check_patches(const Patches& tile, const VisionSpec& vision, const std::string& where) {
  if (tile.grid.cells() > 0) return ok_status();
  return invalid_argument(where + " expected tiles of at least one patch of " + std::to_string(vision.patch) + " x " +
                          std::to_string(vision.patch) + " pixels, found " + std::to_string(tile.resized.width) +
                          " x " + std::to_string(tile.resized.height));
}

// Which tile shows the whole picture, of a picture that is divided into `tiles` and itself.
int global_tile_of(const ImageProcessorSpec& spec, size_t tiles) {
  if (tiles < 2) return -1;
  switch (spec.scheme) {
    case PreprocessScheme::pan_and_scan:
    case PreprocessScheme::any_resolution: return 0;
    case PreprocessScheme::split:
    case PreprocessScheme::quarters: return static_cast<int>(tiles) - 1;
    case PreprocessScheme::tiles:
      if (!spec.thumbnail) return -1;
      return spec.thumbnail_first ? 0 : static_cast<int>(tiles) - 1;
    default: return -1;
  }
}

// How a picture of `tiles` tiles, the one that shows the whole of it included, was divided, where that is known.
Status set_division(const MediaGeometry& geometry, const HeldFormat& format, size_t tiles, const std::string& where,
                    MediaPixels& out) {
  out.global_tile = global_tile_of(format.processor, tiles);
  out.tile_rows = geometry.tile_rows;
  out.tile_columns = geometry.tile_columns;
  const auto parts = static_cast<int64_t>(tiles) - (out.global_tile >= 0 ? 1 : 0);
  if (geometry.tile_rows == 0 && geometry.tile_columns == 0) {
    // In one row: right for one tile, and of no consequence where the prompt does not tell rows from columns.
    out.tile_rows = 1;
    out.tile_columns = std::max<int64_t>(parts, 1);
    if (format.complete_prompt || parts < 2 || !format.tells_division) return ok_status();
    return invalid_argument(where + " has " + std::to_string(parts) +
                            " tiles and expected tile_rows and tile_columns, " +
                            "which the prompt may name, found neither; give them, or the prompt as ids");
  }
  if (out.tile_rows > 0 && out.tile_columns > 0 && out.tile_rows * out.tile_columns == parts) return ok_status();
  return invalid_argument(where + " has " + std::to_string(parts) + " tiles, but tile_rows and tile_columns are " +
                          std::to_string(out.tile_rows) + " x " + std::to_string(out.tile_columns) +
                          "; the two counts must be equal");
}

Result<PixelSize> source_of(const MediaGeometry& geometry, const std::string& where) {
  if (!geometry.image_size) {
    return invalid_argument(where +
                            " expected image_size (height and width of the picture as it was decoded: a row of " +
                            "image_sizes), found none; how it was divided depends on it");
  }
  const auto [height, width] = *geometry.image_size;
  constexpr int64_t kMost = int64_t{1} << 31;
  if (height > 0 && width > 0 && height < kMost && width < kMost) return PixelSize{width, height};
  return invalid_argument(where + " expected an image_size of at least 1 x 1, found " + std::to_string(height) + " x " +
                          std::to_string(width));
}

// Tiles of a picture of any resolution: as many as its size calls for, or the whole alone.
Result<int64_t> divide_by_size(const MediaGeometry& geometry, const ImageProcessorSpec& spec, bool whole_alone,
                               const std::string& where, MediaPixels& out) {
  AZ_ASSIGN_OR_RETURN(out.source, source_of(geometry, where));
  if (whole_alone || !spec.divides) return 1;
  AZ_ASSIGN_OR_RETURN(const preprocess::TileCounts counts, preprocess::any_resolution_tiles(out.source, spec));
  out.tile_rows = counts.rows;
  out.tile_columns = counts.columns;
  out.global_tile = 0;
  return counts.rows * counts.columns + 1;
}

Result<MediaPixels> any_resolution_planes(const PixelInput& input, const Planes& planes, const HeldFormat& format,
                                          const std::string& where) {
  MediaPixels out;
  bool whole_alone = planes.tiles == 1;
  if (!whole_alone && format.processor.divides_only_alone) {
    whole_alone = true;
    for (int64_t tile = 1; tile < planes.tiles && whole_alone; ++tile) whole_alone = is_padding(planes, tile);
  }
  AZ_ASSIGN_OR_RETURN(const int64_t tiles, divide_by_size(input.geometry, format.processor, whole_alone, where, out));
  if (tiles > planes.tiles) {
    return invalid_argument(where + " has " + std::to_string(planes.tiles) + " tiles, but a picture of " +
                            std::to_string(out.source.width) + " x " + std::to_string(out.source.height) + " has " +
                            std::to_string(tiles) + "; pixels and image_sizes do not belong together");
  }
  for (int64_t tile = 0; tile < tiles; ++tile) {
    out.tiles.push_back(tile_of(planes, tile, {planes.width, planes.height}, format.vision));
  }
  return out;
}

// The rows and columns of tiles on a canvas: as given, or by the number that the reference has for them.
Result<preprocess::TileCounts> canvas_of(const MediaGeometry& geometry, int64_t places, const std::string& where) {
  preprocess::TileCounts counts{geometry.tile_rows, geometry.tile_columns};
  if (geometry.aspect_ratio_id) {
    counts = {1, *geometry.aspect_ratio_id};
    while (counts.rows <= places && counts.columns > places / counts.rows) counts.columns -= places / counts.rows++;
  }
  if (counts.rows > 0 && counts.columns > 0 && counts.columns <= places && counts.rows <= places / counts.columns) {
    return counts;
  }
  return invalid_argument(where + " expected an aspect_ratio_id, or tile_rows and tile_columns, of at most " +
                          std::to_string(places) + " tiles, found " + std::to_string(counts.rows) + " x " +
                          std::to_string(counts.columns) + "; the tower depends on them");
}

Status set_canvas(const MediaGeometry& geometry, const VisionSpec& vision, const std::string& where, MediaPixels& out) {
  AZ_ASSIGN_OR_RETURN(const preprocess::TileCounts counts, canvas_of(geometry, vision.canvas->tiles, where));
  out.tile_rows = counts.rows;
  out.tile_columns = counts.columns;
  const auto found = static_cast<int64_t>(out.tiles.size());
  if (counts.rows * counts.columns == found) return ok_status();
  return invalid_argument(where + " has " + std::to_string(found) + " tiles, but its aspect ratio stands for " +
                          std::to_string(counts.rows) + " x " + std::to_string(counts.columns) +
                          "; the two counts must be equal");
}

// A video's frames as planes of one size.
MediaPixels frames_planes(const Planes& planes, PixelSize size, const VisionSpec& vision) {
  Patches tile;
  tile.resized = size;
  tile.grid = {planes.tiles, size.height / vision.patch, size.width / vision.patch};
  tile.pixels = Tensor({planes.tiles, kChannels, size.height, size.width});
  float* to = tile.pixels.data();
  for (int64_t frame = 0; frame < planes.tiles; ++frame) {
    const Patches one = tile_of(planes, frame, size, vision);
    to = std::copy_n(one.pixels.data(), one.pixels.elements(), to);
  }
  MediaPixels out;
  out.source = size;
  out.tiles.push_back(std::move(tile));
  return out;
}

Result<MediaPixels> from_planes(const PixelInput& input, const HeldFormat& format, const std::string& where) {
  AZ_ASSIGN_OR_RETURN(const Planes planes, planes_of(input, where));
  const ByteArray& mask = input.geometry.pixel_mask;
  if (input.kind == SpanKind::video) {
    AZ_ASSIGN_OR_RETURN(const PixelSize size, filled_size(mask, planes, 0, where));
    MediaPixels out = frames_planes(planes, size, format.vision);
    AZ_RETURN_IF_ERROR(check_patches(out.tiles[0], format.vision, where));
    return out;
  }
  if (format.processor.scheme == PreprocessScheme::any_resolution) {
    AZ_ASSIGN_OR_RETURN(MediaPixels out, any_resolution_planes(input, planes, format, where));
    AZ_RETURN_IF_ERROR(check_patches(out.tiles[0], format.vision, where));
    return out;
  }
  MediaPixels out;
  for (int64_t tile = 0; tile < planes.tiles; ++tile) {
    // As in the reference, a tile without any value is padding; the first one stays.
    if (is_padding(planes, tile) && !(tile + 1 == planes.tiles && out.tiles.empty())) continue;
    AZ_ASSIGN_OR_RETURN(const PixelSize size, filled_size(mask, planes, tile, where));
    out.tiles.push_back(tile_of(planes, tile, size, format.vision));
    AZ_RETURN_IF_ERROR(check_patches(out.tiles.back(), format.vision, where));
  }
  out.source = out.tiles[0].resized;
  if (format.vision.canvas) {
    AZ_RETURN_IF_ERROR(set_canvas(input.geometry, format.vision, where, out));
    return out;
  }
  const bool divides = format.processor.scheme != PreprocessScheme::fixed;
  if (!divides && out.tiles.size() > 1 && !format.complete_prompt) {
    return invalid_argument(where + " expected the pixels of one picture, found those of " +
                            std::to_string(out.tiles.size()) + "; give each as a medium of its own");
  }
  AZ_RETURN_IF_ERROR(set_division(input.geometry, format, out.tiles.size(), where, out));
  return out;
}

// ---- features

// Cells of every tile of families whose tiles all have one size; 0 elsewhere.
Grid fixed_tile(const VisionSpec& vision, const ImageProcessorSpec& spec) {
  const int64_t patch = vision.patch;
  const int64_t height = spec.do_center_crop && spec.crop_height > 0 ? spec.crop_height : spec.height;
  const int64_t width = spec.do_center_crop && spec.crop_width > 0 ? spec.crop_width : spec.width;
  switch (spec.scheme) {
    case PreprocessScheme::fixed:
    case PreprocessScheme::pan_and_scan:
    case PreprocessScheme::tiles: return {1, height / patch, width / patch};
    case PreprocessScheme::split: return {1, spec.tile_size / patch, spec.tile_size / patch};
    default: return {};
  }
}

// A tile of `grid` patches without pixels.
Patches empty_tile(const Grid& grid, int64_t patch) {
  Patches tile;
  tile.grid = grid;
  tile.resized = {grid.w * patch, grid.h * patch};
  return tile;
}

// Rows that the decoder gets for one tile of `grid`.
int64_t rows_of_tile(const VisionSpec& vision, const Grid& grid) {
  const int64_t classes = vision.class_features && vision.projector.queries == 0 ? vision.class_tokens : 0;
  return vision.projector.merged(grid).cells() + classes;
}

// Tiles that make `rows` features, where all are alike.
Status add_alike(const Grid& grid, int64_t rows, const HeldFormat& format, bool video, const std::string& where,
                 MediaPixels& out) {
  const int64_t per_tile = rows_of_tile(format.vision, grid);
  if (per_tile <= 0 || rows % per_tile != 0) {
    return invalid_argument(where + " has " + std::to_string(rows) + " features, but every " +
                            (video ? "frame" : "tile") + " of this model has " + std::to_string(per_tile) +
                            "; expected a multiple of it");
  }
  const int64_t count = rows / per_tile;
  if (video) {
    out.tiles.push_back(empty_tile({count, grid.h, grid.w}, format.vision.patch));
    return ok_status();
  }
  for (int64_t i = 0; i < count; ++i) out.tiles.push_back(empty_tile(grid, format.vision.patch));
  return ok_status();
}

// On a canvas, where nothing is said, the picture fills all places.
Status lay_out_canvas(const MediaGeometry& geometry, const VisionSpec& vision, const std::string& where,
                      MediaPixels& out) {
  preprocess::TileCounts counts{1, vision.canvas->tiles};
  if (geometry.aspect_ratio_id || geometry.tile_rows > 0) {
    AZ_ASSIGN_OR_RETURN(counts, canvas_of(geometry, vision.canvas->tiles, where));
  }
  out.tile_rows = counts.rows;
  out.tile_columns = counts.columns;
  const Grid grid{1, vision.learned_side, vision.learned_side};
  for (int64_t i = 0; i < counts.rows * counts.columns; ++i) out.tiles.push_back(empty_tile(grid, vision.patch));
  return ok_status();
}

// Tiles of a picture of any resolution, or the frames of a video; none where its size was not given.
Status lay_out_any_resolution(const FeatureInput& input, int64_t rows, const HeldFormat& format,
                              const std::string& where, MediaPixels& out) {
  const ImageProcessorSpec& spec = format.processor;
  const int64_t pixels = spec.crop_height > 0 ? spec.crop_height : spec.height > 0 ? spec.height : spec.shortest_edge;
  const Grid tile{1, pixels / format.vision.patch, pixels / format.vision.patch};
  if (input.kind == SpanKind::video) {
    const Grid cells = format.vision.projector.merged(tile);
    const int64_t pooled = (cells.h + 1) / 2 * ((cells.w + 1) / 2);
    if (pooled > 0 && rows > 1 && (rows - 1) % pooled == 0)
      out.tiles.push_back(empty_tile({(rows - 1) / pooled, tile.h, tile.w}, format.vision.patch));
    return ok_status();
  }
  if (!input.geometry.image_size) return ok_status();
  const bool whole_alone = spec.divides_only_alone && rows == format.vision.projector.merged(tile).cells() + 1;
  AZ_ASSIGN_OR_RETURN(const int64_t tiles, divide_by_size(input.geometry, spec, whole_alone, where, out));
  for (int64_t i = 0; i < tiles; ++i) out.tiles.push_back(empty_tile(tile, format.vision.patch));
  return ok_status();
}

// Tiles with a grid only, whose blocks have `rows` features in all.
Status lay_out_features(const FeatureInput& input, int64_t rows, const HeldFormat& format, const std::string& where,
                        MediaPixels& out) {
  const MediaGeometry& geometry = input.geometry;
  const VisionSpec& vision = format.vision;
  if (vision.canvas) return lay_out_canvas(geometry, vision, where, out);
  if (geometry.grid || format.processor.array == PixelArray::patch_rows) {
    AZ_ASSIGN_OR_RETURN(const Grid grid, checked_grid(geometry, where));
    out.tiles.push_back(empty_tile(grid, vision.patch));
    return ok_status();
  }
  if (geometry.position_ids.data != nullptr) {
    AZ_ASSIGN_OR_RETURN(const Grid grid, grid_of_places(geometry.position_ids, where));
    out.tiles.push_back(empty_tile(grid, vision.patch));
    return ok_status();
  }
  const bool video = input.kind == SpanKind::video;
  const Grid tile = fixed_tile(vision, format.processor);
  if (vision.projector.queries > 0) {
    const Grid any{1, vision.projector.merge, vision.projector.merge};
    return add_alike(tile.cells() > 0 ? tile : any, rows, format, video, where, out);
  }
  if (tile.cells() > 0) return add_alike(tile, rows, format, video, where, out);
  if (format.processor.scheme == PreprocessScheme::any_resolution) {
    AZ_RETURN_IF_ERROR(lay_out_any_resolution(input, rows, format, where, out));
    if (!out.tiles.empty()) return ok_status();
  }
  // Nothing says how they lie: one row of cells.
  FeatureBlock block;
  block.grid = {1, 1, rows};
  block.features = rows;
  out.blocks = {block};
  out.tiles.push_back(empty_tile({1, vision.projector.merge, rows * vision.projector.merge}, vision.patch));
  return ok_status();
}

Result<Tensor> feature_rows(const FloatArray& array, int64_t rows, int64_t hidden, const std::string& what) {
  if (!has_rank(array, 2) || array.shape[1] != hidden || (rows > 0 && array.shape[0] != rows)) {
    return wrong_shape(
        what, "[" + (rows > 0 ? std::to_string(rows) : std::string("rows")) + ", " + std::to_string(hidden) + "]",
        array.shape);
  }
  AZ_RETURN_IF_ERROR(check_finite(array.values(), what));
  return copied(array.data.get(), Shape({array.shape[0], hidden}));
}

}  // namespace

Result<std::optional<size_t>> memory_index(std::string_view source, size_t count) {
  if (!source.starts_with(kMemory)) return std::optional<size_t>();
  const std::string_view digits = source.substr(kMemory.size());
  size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const bool whole = error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  if (whole && index < count) return std::optional<size_t>(index);
  return invalid_argument("\"" + std::string(source) + "\" expected memory:N with N below the " +
                          std::to_string(count) + " media that the request holds in memory");
}

SpanKind kind_of(const MediaInput& media) {
  if (std::holds_alternative<FramesInput>(media)) return SpanKind::video;
  if (const auto* pixels = std::get_if<PixelInput>(&media)) return pixels->kind;
  if (const auto* features = std::get_if<FeatureInput>(&media)) return features->kind;
  return SpanKind::image;
}

Status check_finite(std::span<const float> values, const std::string& what) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return ok_status();
  return invalid_argument(what + " expected finite numbers, found " + (std::isnan(*bad) ? "NaN" : "infinity") +
                          " at element " + std::to_string(bad - values.begin()));
}

Result<media::Image> image_of(const PictureInput& picture, int64_t max_pixels, const std::string& where) {
  if (!has_rank(picture.rgb, 3) || picture.rgb.shape[2] != kChannels) {
    return wrong_shape(where, "[height, width, 3]", picture.rgb.shape);
  }
  AZ_RETURN_IF_ERROR(check_size(picture.rgb.shape[0], picture.rgb.shape[1], max_pixels, where));
  return image_at(picture.rgb, 0, picture.rgb.shape[0], picture.rgb.shape[1]);
}

Result<media::VideoFrames> frames_of(const FramesInput& frames, int64_t max_pixels, const std::string& where) {
  const std::vector<int64_t>& shape = frames.rgb.shape;
  if (!has_rank(frames.rgb, 4) || shape[3] != kChannels) {
    return wrong_shape(where, "[frames, height, width, 3]", shape);
  }
  AZ_RETURN_IF_ERROR(check_size(shape[1], shape[2], max_pixels, where));
  media::VideoFrames video;
  for (int64_t i = 0; i < shape[0]; ++i) {
    AZ_ASSIGN_OR_RETURN(media::Image frame, image_at(frames.rgb, i, shape[1], shape[2]));
    video.frames.push_back(std::move(frame));
  }
  video.metadata = metadata_of(frames.info, shape[0]);
  video.sampled = frames.sampled;
  if (static_cast<int64_t>(video.metadata.frames_indices.size()) == shape[0]) return video;
  return invalid_argument(where + " expected one entry of frames_indices for each of " + std::to_string(shape[0]) +
                          " frames, found " + std::to_string(video.metadata.frames_indices.size()));
}

media::VideoMetadata metadata_of(const VideoInfo& info, int64_t frames) {
  media::VideoMetadata metadata;
  metadata.fps = info.fps;
  metadata.duration = info.duration;
  metadata.total_num_frames = info.total_num_frames > 0 ? info.total_num_frames : frames;
  metadata.frames_indices = info.frames_indices;
  if (!metadata.frames_indices.empty()) return metadata;
  metadata.frames_indices.resize(static_cast<size_t>(frames));
  std::iota(metadata.frames_indices.begin(), metadata.frames_indices.end(), 0);
  return metadata;
}

Result<MediaPixels> pixels_of(const PixelInput& input, const HeldFormat& format, const std::string& where) {
  AZ_RETURN_IF_ERROR(check_finite(input.values.values(), where + ": pixels"));
  switch (format.processor.array) {
    case PixelArray::patch_rows: return from_patch_rows(input, format, where);
    case PixelArray::padded_patches: return from_padded_patches(input, format, where);
    case PixelArray::tiles:
    case PixelArray::tiles_per_image:
    case PixelArray::tiles_per_sample:
    case PixelArray::canvases: return from_planes(input, format, where);
  }
  return internal_error("no such layout of a processor's array");
}

Result<MediaPixels> features_of(const FeatureInput& input, const HeldFormat& format, const std::string& where) {
  const VisionSpec& vision = format.vision;
  auto features = std::make_shared<MediaFeatures>();
  AZ_ASSIGN_OR_RETURN(features->features, feature_rows(input.rows, 0, vision.projector.output, where + ": features"));
  const int64_t rows = features->features.shape()[0];
  if (input.deepstack.size() != vision.deepstack.size()) {
    return invalid_argument(where + " expected " + std::to_string(vision.deepstack.size()) +
                            " DeepStack levels beside its features, found " + std::to_string(input.deepstack.size()));
  }
  for (const FloatArray& level : input.deepstack) {
    AZ_ASSIGN_OR_RETURN(Tensor tensor,
                        feature_rows(level, rows, vision.projector.output, where + ": a DeepStack level"));
    features->deepstack.push_back(std::move(tensor));
  }
  MediaPixels out;
  AZ_RETURN_IF_ERROR(lay_out_features(input, rows, format, where, out));
  if (out.tiles.empty()) return invalid_argument(where + " expected at least one feature, found none");
  if (out.source.width == 0) out.source = out.tiles[0].resized;
  if (out.global_tile < 0 && !vision.canvas && input.kind == SpanKind::image) {
    AZ_RETURN_IF_ERROR(set_division(input.geometry, format, out.tiles.size(), where, out));
  }
  features->grid = vision.canvas ? Grid{1, 1, 1} : vision.projector.merged(out.tiles[0].grid);
  if (vision.canvas) {
    const int64_t per_tile = vision.class_tokens + int64_t{vision.learned_side} * vision.learned_side;
    features->filled_rows = static_cast<int64_t>(out.tiles.size()) * per_tile;
  }
  out.given = std::move(features);
  return out;
}

Status check_given(const MediaPixels& media, const std::string& where) {
  if (media.given == nullptr) return ok_status();
  int64_t expected = 0;
  for (const FeatureBlock& block : media.blocks) expected += block.features;
  const int64_t found = media.given->features.shape()[0];
  if (found == expected) return ok_status();
  return invalid_argument(where + " has " + std::to_string(found) + " features, but its grid makes " +
                          std::to_string(expected) + "; the two counts must be equal");
}

}  // namespace azimuth::engine
