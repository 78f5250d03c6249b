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
        "linear_key_head_dim": draw.pick("linear.key_dim", [6, 8, 20]),
        "linear_value_head_dim": draw.pick("linear.value_dim", [6, 10, 16]),
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
    if name.endswith("linear_attn.out_proj.weight"):
        return scale * noise / numpy.sqrt(shape[1])
    return checkpoint.text_tensor(name, shape, rng, scale, qk_gain)


KIND = qwen3_vl.Kind("qwen3_5", Qwen3_5Config, Qwen3_5ForConditionalGeneration, more_text, text_tensor)


def write(draw, folder):
    qwen3_vl.write_kind(draw, folder, KIND)
