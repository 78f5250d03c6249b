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
