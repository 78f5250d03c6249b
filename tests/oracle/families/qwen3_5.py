"""Qwen3.5: gated delta-rule layers between layers of attention, whose queries carry a gate and turn in part."""

import numpy
from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

from . import checkpoint, qwen3_vl


def hybrid_keys(draw, config):
    """Keys of the decoder beyond Qwen3-VL's: kinds of layers, sizes of linear attention, the share that turns."""
    layers = draw.pick("text.hybrid_layers", [2, 3, 4, 5])
    kinds = [("full_attention", "linear_attention")[draw.chance(f"text.linear{i}", 0.6)] for i in range(layers)]
    if "full_attention" not in kinds:  # the reference takes its length of the cache from one of them
        kinds[-1] = "full_attention"
    key_heads = draw.pick("linear.key_heads", [1, 2, 3])
    keys = {
        "num_hidden_layers": layers,
        "layer_types": kinds,
        "linear_num_key_heads": key_heads,
        "linear_num_value_heads": key_heads * draw.pick("linear.group", [1, 2, 3]),
        "linear_key_head_dim": draw.pick("linear.key_dim", [12, 16, 20, 36]),
        "linear_value_head_dim": draw.pick("linear.value_dim", [12, 18, 26]),
        "linear_conv_kernel_dim": draw.pick("linear.kernel", [2, 3, 4]),
        "attn_output_gate": True,
    }
    if draw.odd("text.interval", 0.2):  # as published: every n-th layer attends
        keys["full_attention_interval"] = min(layers, draw.pick("text.interval_of", [2, 3]))
        keys["layer_types"] = None
    return keys


def turning_share(draw, config):
    """rope_parameters whose partial_rotary_factor leaves an even number of channels, and a head that it divides."""
    share, head_dim = draw.pick("text.share", [(0.25, 32), (0.25, 24), (0.5, 20), (0.5, 16), (0.75, 16), (1.0, 12)])
    rope = {**config["rope_parameters"], "partial_rotary_factor": share}
    return {"head_dim": head_dim, "rope_parameters": rope}, int(head_dim * share) // 2


def more_text(draw, config):
    keys = hybrid_keys(draw, config)
    turning, pairs = turning_share(draw, config)
    rope = turning["rope_parameters"]
    rope.pop("mrope_section", None)
    section = [pairs - 2 * (pairs // 3), pairs // 3, pairs // 3]
    rope["mrope_section"] = section
    return {**keys, **turning}


def text_tensor(name, shape, rng, scale, qk_gain):
    noise = rng.standard_normal(shape)
    if name.endswith("linear_attn.norm.weight"):
        return 1.0 + 0.25 * noise
    if name.endswith("norm.weight"):  # acts as 1 + w
        return (0.2 if name.endswith(("q_norm.weight", "k_norm.weight")) else 0.0) + 0.25 * noise
    if name.endswith("A_log"):
        return numpy.log(rng.uniform(0.05, 4.0, shape))
    if name.endswith("dt_bias"):
        return noise
    if name.endswith("conv1d.weight"):
        return 0.7 * noise
    if name.endswith("layernorm.weight"):
        return 0.25 * noise
    if name.endswith("linear_attn.out_proj.weight"):  # a part of the stream that leaves its rounding errors small (alike())
        return 0.15 * scale * noise / numpy.sqrt(shape[1])
    return checkpoint.text_tensor(name, shape, rng, scale, qk_gain)


def alike(draw, tensors):
    """Queries of linear attention lie near their keys, as trained ones do.

    The norm behind a head makes any read of the memory as long as any other. A query at right angles to all keys reads
    rounding errors, so that the reference's own logits would move by more than the tolerance when its embeddings move
    by 1e-7.
    """
    count = draw.made["linear.key_heads"] * draw.made["linear.key_dim"]
    for name, value in tensors.items():
        if name.endswith(("linear_attn.in_proj_qkv.weight", "linear_attn.conv1d.weight")):
            value[:count] = 0.4 * value[:count] + 0.9 * value[count : 2 * count]
    return tensors


KIND = qwen3_vl.Kind("qwen3_5", Qwen3_5Config, Qwen3_5ForConditionalGeneration, more_text, text_tensor, alike)


def write(draw, folder):
    qwen3_vl.write_kind(draw, folder, KIND)


GOLDEN_CASES = {
    "qwen3_5_image_and_video": (1, {
        "odd": False, "shards": 1, "dtype": "bf16", "files.generation": 5, "files.processor": "v5", "processor.pil": False,
        "text.hidden": 48, "text.hybrid_layers": 3, "text.linear0": True, "text.linear1": False, "text.linear2": True,
        "linear.key_heads": 1, "linear.group": 2, "linear.key_dim": 12, "linear.value_dim": 12, "linear.kernel": 4,
        "text.share": [0.5, 16], "text.kv_heads": 2, "text.group": 2, "text.scale": 0.3, "text.tie": False,
        "vision.heads": 2, "vision.head_dim": 12, "vision.depth": 2, "vision.merge": 2, "vision.patch": 6, "vision.scale": 0.3,
        "vision.temporal_patch": 2, "tokenizer.merges": 60, "request.sized": False, "request.stops": False,
        "request.padded": False, "request.samples": 1, "request.new_tokens": 12, "sample0.system": False,
        "sample0.turns": 1, "sample0.turn0.media": "video_image", "sample0.turn0.video.whole": False,
        "sample0.turn0.video.count": 4, "sample0.turn0.video.hw": [30, 30], "sample0.turn0.image0.hw": [40, 61],
    }),
}  # fmt: skip
