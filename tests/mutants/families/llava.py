"""Traps of the LLaVA line: which states of the tower are read, what is cut and padded, where newlines stand."""

from fault import Fault

MODEL = "src/models/parts/llava_model.cc"
TOWER = "src/models/parts/vit_tower.cc"
FIXED = "src/preprocess/schemes/fixed.cc"
TILES = "src/preprocess/schemes/any_resolution.cc"
ROWS = "src/vision/arrangement/unpadded_rows.cc"
WHOLE = "src/vision/arrangement/whole_with_newline.cc"

FAULTS = [
    Fault("llava-state-off-by-one", MODEL, "state < 0 ? state + layers + 1 : state", "state < 0 ? state + layers : state",
          "layer -2 is one layer too early", "models"),
    Fault("llava-class-token-kept", MODEL, 'vision.class_features = strategy == "full" && vision.class_tokens > 0;',
          "vision.class_features = vision.class_tokens > 0;", "the class token becomes a feature", "models"),
    Fault("llava-projector-without-activation", "src/vision/projectors/mlp.cc",
          "kernels::activate(spec.activation, inner.data(), inner.elements(), pool);", "", "two products in a row"),
    Fault("clip-without-first-norm", TOWER, "vision.pre_norm = traits.clip;", "vision.pre_norm = false;",
          "CLIP's norm in front of the first layer is forgotten"),
    Fault("clip-class-without-position", TOWER, "vision.class_positions = traits.clip;", "vision.class_positions = false;",
          "the class token takes no row of the position table"),
    Fault("clip-defaults-of-siglip", "src/models/clip_vision_model.cc", '.activation = "quick_gelu"', '.activation = "gelu"',
          "a CLIP config without hidden_act takes the exact GELU", "models", traced=False),
    Fault("crop-rounds-up", FIXED, "return (side - crop) / 2;", "return (side - crop + 1) / 2;",
          "the middle lies half a pixel to the lower right", "preprocess"),
    Fault("pillow-pads-like-torchvision", FIXED, "arithmetic == PixelArithmetic::pillow ? (missing + 1) / 2 : missing / 2",
          "missing / 2", "Pillow's backend pads less in front", "preprocess"),
    Fault("square-of-black", FIXED, "std::clamp(spec.mean[c] * 255.0, 0.0, 255.0)", "0.0",
          "pictures are padded to squares with black instead of the mean colour", "preprocess"),
    Fault("shorter-edge-is-longer", FIXED, "return image.width <= image.height ?", "return image.width > image.height ?",
          "the given edge is the longer one", "preprocess"),
    Fault("tiles-waste-more", TILES, "found.wasted < best.wasted", "found.wasted > best.wasted",
          "among equal sizes the most wasteful is taken", "preprocess"),
    Fault("best-size-column-by-column", TILES, "cut(fitted, {column * side, row * side, side, side})",
          "cut(fitted, {row * side, column * side, side, side})", "tiles leave column by column", "preprocess"),
    Fault("bars-on-one-side", TILES,
          "cut(fitted, {-((size.width - inner.width) / 2), -((size.height - inner.height) / 2), size.width, size.height})",
          "cut(fitted, {0, 0, size.width, size.height})", "the picture lies in the corner instead of the middle", "preprocess"),
    Fault("bars-stay-in", ROWS, "window.top = (window.rows - whole_length(height * (columns / width))) / 2;", "",
          "rows of bars are not left out", "vision"),
    Fault("length-cut-not-rounded", ROWS, "x - floor >= 1.0 - 5e-8", "x - floor >= 1.0",
          "a length just below a whole number loses a row", "vision"),
    Fault("newline-before-rows", ROWS,
          """    to = std::copy_n(cells.row(row * grid.w), grid.w * width, to);
    to = std::copy_n(newline.data(), width, to);""",
          """    to = std::copy_n(newline.data(), width, to);
    to = std::copy_n(cells.row(row * grid.w), grid.w * width, to);""", "newlines stand in front of their rows", "vision"),
    Fault("tiles-transposed", ROWS, "1 + y / grid.h * pixels.tile_columns + x / grid.w",
          "1 + x / grid.w * pixels.tile_rows + y / grid.h", "the grid of tiles is read transposed", "vision"),
    Fault("cells-never-fewer", ROWS, "constexpr double kTolerated = 1.1;", "constexpr double kTolerated = 1e9;",
          "a picture gets the cells of all of its tiles", "vision"),
    Fault("cells-fewer-too-soon", ROWS, "constexpr double kTolerated = 1.1;", "constexpr double kTolerated = 0.1;",
          "cells are resampled although they are few", "vision"),
    Fault("cells-on-corners", "src/vision/arrangement/resample_cells.cc", "down = positions::bilinear(",
          "down = positions::bilinear_corners(", "features are resampled with corners aligned", "vision"),
    Fault("frames-pooled-down", WHOLE, "return {grid.t, (grid.h + 1) / 2, (grid.w + 1) / 2};",
          "return {grid.t, std::max<int64_t>(1, grid.h / 2), std::max<int64_t>(1, grid.w / 2)};",
          "half of an odd number of cells is rounded down", "vision"),
    Fault("several-pictures-divided", "src/engine/media_loader.cc", "(several_pictures_ || views > 1)", "views > 1",
          "LLaVA-OneVision divides each of several pictures"),
    Fault("mistral-without-window", "src/models/parts/dense_decoder.cc", "std::ranges::fill(windows, window);", "",
          "Mistral's layers see everything", "models"),
]  # fmt: skip
