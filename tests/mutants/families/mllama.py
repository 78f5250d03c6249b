"""mllama's traps."""

from fault import Fault

CROSS = "src/decoder/cross_attention.cc"
OUTER = "src/decoder/outer_features.cc"
TOWER = "src/vision/canvas_tower.cc"
CANVAS = "src/preprocess/schemes/canvas.cc"

FAULTS = [
    Fault("gates-not-tanh", "src/engine/load_parts.cc", "gate = std::tanh(value.data()[0]);", "gate = value.data()[0];",
          "learned gates act as they are instead of as their tanh"),
    Fault("front-tokens-closed", CROSS, "const bool closed = !sees || token < chunk.input->features.first_token;",
          "const bool closed = !sees;", "the MLP of tokens in front of the first picture is not closed"),
    Fault("front-tokens-blind", OUTER, "kernels::KeyRange range{0, out.rows->shape()[0]};", "kernels::KeyRange range{0, 0};",
          "tokens in front of the first picture see nothing instead of everything"),
    Fault("front-tokens-filled", OUTER, "kernels::KeyRange range{0, out.rows->shape()[0]};",
          "kernels::KeyRange range{0, pictures.back().end};", "tokens in front of the first picture do not see empty tiles"),
    Fault("runs-not-joined", OUTER, "if (!adjacent) range.begin = pictures[next].begin;", "range.begin = pictures[next].begin;",
          "of adjacent pictures text sees the last one alone"),
    Fault("runs-never-end", OUTER, "if (!adjacent) range.begin = pictures[next].begin;", "if (next == 0) range.begin = 0;",
          "text goes on seeing pictures in front of the last run"),
    Fault("cross-keys-not-normed", CROSS, "project_keys(spec, weights, features, keys, values, pool);",
          "weights.key.apply(features.data(), rows, keys.data(), pool);\n  weights.value.apply(features.data(), rows, values.data(), pool);",
          "keys of cross-attention are not normalised"),
    Fault("cross-queries-not-normed", CROSS, """kernels::rms_norm(work.queries.data(), rows * spec.heads, spec.head_dim, spec.head_dim, weights.query_norm.data(),
                    spec.norm_eps, work.queries.data(), spec.head_dim, pool);""", "",
          "queries of cross-attention are not normalised"),
    Fault("empty-tiles-unseen", "src/vision/tower_layer.cc", "{0, rows.all()});", "{0, rows.filled()});",
          "empty tiles are not seen by the picture's tokens"),
    Fault("empty-tiles-see-all", "src/vision/tower_layer.cc", "kernels::KeyRange{0, rows.filled()});", "kernels::KeyRange{0, rows.all()});",
          "empty tiles see each other"),
    Fault("filled-up-to-nothing", TOWER, "rows.empty = (canvas.multiple - rows.per_tile % canvas.multiple) % canvas.multiple;",
          "rows.empty = 0;",
          "tokens of a tile are not filled up with empty ones"),
    Fault("ratio-transposed", TOWER, "aspect_ratio_id(pixels.tile_rows, pixels.tile_columns, canvas.tiles)",
          "aspect_ratio_id(pixels.tile_columns, pixels.tile_rows, canvas.tiles)", "rows and columns of a canvas are exchanged"),
    Fault("gated-positions", TOWER, "1.0f - canvas.position_gate", "canvas.position_gate",
          "the gate between the two position tables is the same for both"),
    Fault("class-token-tiled", TOWER, "if (token > 0) add_scaled(tile, canvas.gate_before, width, x);",
          "add_scaled(tile, canvas.gate_before, width, x);", "the class token gets the first tile embedding, too"),
    Fault("features-side-by-side", TOWER, "copy(hidden, spec_.hidden + i, chosen);", "copy(hidden, spec_.hidden * (1 + i), 1);",
          "chosen layers stand side by side instead of channel by channel"),
    Fault("features-normed", TOWER, "if (layer < spec.layers) chosen.see(layer, hidden); if (layer == spec.layers - 1) normalise(weights.final_norm, kOuterNormEps, hidden, hidden, pool);",
          "if (layer == spec.layers - 1) normalise(weights.final_norm, kOuterNormEps, hidden, hidden, pool); if (layer < spec.layers) chosen.see(layer, hidden);",
          "the last of the chosen layers is read behind the norm"),
    Fault("canvas-enlarges-most", CANVAS, "best_scale < 1.0 || scale < best_scale", "best_scale < 1.0 || scale > best_scale",
          "a small picture gets the largest canvas"),
    Fault("canvas-floor", CANVAS, "std::floor(static_cast<double>(side) * scale)", "std::ceil(static_cast<double>(side) * scale)",
          "the fitted picture's side is rounded up"),
    Fault("bos-in-front", "src/prompt/frame.cc", "PromptText out = text; insert_at(out, at, bos); return out;",
          "PromptText out = text; insert_at(out, 0, bos); return out;",
          "bos stands in front of the images that a prompt begins with"),
    Fault("image-token-scored", "src/engine/trace.cc", "next < vocab ? json(", "next < 2 * vocab ? json(",
          "a token that the head lacks gets a log-probability"),
    Fault("cross-cache-shared", "src/engine/turn.cc", "if (sees_other_pictures(before, next.prompt, media)) return {};", "",
          "a second turn keeps the keys of another picture", "session", traced=False),
]  # fmt: skip
