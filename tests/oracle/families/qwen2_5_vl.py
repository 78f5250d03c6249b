"""Qwen2.5-VL: a tower with window attention, RMS norms and a gated MLP; time ids in seconds."""

from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from . import qwen2_vl


def vision_config(draw, text_hidden):
    config = qwen2_vl.shared_vision_config(draw)
    depth, factor = config["depth"], config["patch_size"] * config["spatial_merge_size"]
    count = draw.pick("vision.full_layers", range(0, depth + 1))
    chosen = sorted(int(i) for i in draw.stream("vision.full_layer_list").permutation(depth)[:count])
    if draw.odd("vision.full_layer_beyond", 0.1):
        chosen.append(depth + 3)
    return {
        **config,
        "hidden_size": config["num_heads"] * qwen2_vl.head_dim_of(draw),
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "out_hidden_size": text_hidden,
        "hidden_act": draw.pick("vision.act", ["silu", "silu", "silu", "gelu"]),
        # A whole number of merged cells, or a little more, which is cut.
        "window_size": factor * draw.pick("vision.window", [1, 2, 2, 3, 4]) + draw.odd("vision.window_rest", 0.2, [1, 5], 0),
        "fullatt_block_indexes": chosen,
        "tokens_per_second": draw.pick("vision.tokens_per_second", [2, 2, 4, 1, 3, 25]),
    }


KIND = qwen2_vl.Kind(
    "qwen2_5_vl", Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, "Qwen2_5_VLProcessor", vision_config,
    qwen2_vl.vision_tensor,
)  # fmt: skip


def write(draw, folder):
    qwen2_vl.write_kind(draw, folder, KIND)


GOLDEN_CASES = {
    "qwen2_5_vl_windows_do_not_divide": (1, {
        **qwen2_vl.SMALL, "files.config": "flat", "files.processor": "v4_pixels", "vision.window": 2,
        "vision.full_layers": 1, "vision.head_dim": 16,
        "sample0.turn0.media": "two", "sample0.turn0.adjacent": True, "sample0.turn0.image0.hw": [58, 83],
        "sample0.turn0.image1.hw": [37, 62], "dtype": "f16", "vision.scale": 1.0, "processor.max_squares": 40,
        "processor.min_squares": 1,
    }),
    "qwen2_5_vl_windows_divide": (2, {
        **qwen2_vl.SMALL, "files.config": "nested4", "files.names": "v5", "files.processor": "v4", "vision.window": 2,
        "vision.full_layers": 0, "vision.window_rest": 5, "vision.merge": 1, "vision.patch": 8, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [32, 48], "vision.scale": 0.01, "text.scale": 0.03, "vision.merger.off_centre": True,
        "processor.min_squares": 1, "processor.max_squares": 24, "request.samples": 2, "sample1.turns": 1,
        "sample1.turn0.media": "none", "request.padded": True, "request.padding_side": "left",
    }),
    "qwen2_5_vl_video_seconds_tf5": (3, {
        **qwen2_vl.SMALL, "files.config": "flat", "files.processor": "v4", "processor.video_file": True,
        "vision.tokens_per_second": 3, "vision.window": 1, "sample0.turn0.media": "video", "sample0.turn0.video.whole": True,
        "sample0.turn0.video.whole_count": 15, "sample0.turn0.video.fps": 1.0, "sample0.turn0.video.hw": [23, 32],
        "request.tf5": True, "vision.full_layers": 2,
    }),
    "qwen2_5_vl_video_as_trained": (4, {
        **qwen2_vl.SMALL, "files.config": "v5", "files.processor": "v5", "vision.tokens_per_second": 25, "vision.window": 3,
        "sample0.turn0.media": "video_image", "sample0.turn0.video.whole": False, "sample0.turn0.video.count": 7,
        "sample0.turn0.video.fps": 29.97, "sample0.turn0.video.hw": [44, 40], "sample0.turn0.image0.hw": [25, 38],
        "request.tf5": False,
    }),
}  # fmt: skip
