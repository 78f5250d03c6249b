"""Qwen3-VL-MoE: Qwen3-VL whose decoder layers send each token through a few of many experts."""

import numpy
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

from . import checkpoint, qwen3_vl


def more_text(draw, config):
    layers = config["num_hidden_layers"]
    experts = draw.pick("moe.experts", [4, 5, 8])
    keys = {
        "num_experts": experts,
        "num_experts_per_tok": draw.pick("moe.chosen", [1, 2, 3, experts]),
        "moe_intermediate_size": draw.odd(
            "moe.square", 0.15, [config["hidden_size"] // 2], draw.pick("moe.intermediate", [12, 20, 36])
        ),
        "decoder_sparse_step": draw.pick("moe.sparse_step", [1, 1, 1, 2]),
        "mlp_only_layers": draw.pick("moe.mlp_only", [[], [], [0], [layers - 1]]),
    }
    if draw.chance("moe.norm_topk_prob", 0.5):  # 5.23 divides by the sum whatever it says
        keys["norm_topk_prob"] = True
    return keys


def text_tensor(name, shape, rng, scale, qk_gain):
    noise = rng.standard_normal(shape)
    if name.endswith("mlp.gate.weight"):
        return 3.0 / numpy.sqrt(shape[1]) * noise
    if name.endswith("experts.gate_up_proj"):  # [experts, 2 * intermediate, hidden]
        return 1.4 / numpy.sqrt(shape[2]) * noise
    if name.endswith("experts.down_proj"):  # [experts, hidden, intermediate]
        return scale * 1.5 / numpy.sqrt(shape[2]) * noise
    return checkpoint.text_tensor(name, shape, rng, scale, qk_gain)


def saved(draw, tensors):
    """Experts as transformers 5 keeps them, or with rows and columns exchanged, as they are published."""
    if draw.pick("moe.files", ["published", "v5"]) == "v5":
        return tensors
    return {
        name: numpy.ascontiguousarray(value.swapaxes(1, 2)) if ".experts." in name else value
        for name, value in tensors.items()
    }


KIND = qwen3_vl.Kind(
    "qwen3_vl_moe", Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration, more_text, text_tensor, saved
)  # fmt: skip


def write(draw, folder):
    qwen3_vl.write_kind(draw, folder, KIND)


SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "processor.pil": False, "request.sized": False, "request.stops": False,
    "request.padded": False, "request.samples": 1, "request.new_tokens": 12, "text.hidden": 40, "text.layers": 2,
    "vision.heads": 1, "vision.head_dim": 12, "vision.depth": 2, "vision.merge": 2, "vision.patch": 6, "vision.scale": 0.3,
    "text.scale": 1.0, "text.tie": True, "tokenizer.merges": 40, "text.kv_heads": 1, "text.group": 2, "text.head_dim": 16,
    "text.spare_rows": 7, "vision.intermediate": 36, "sample0.system": False, "sample0.turns": 1, "sample0.turn0.media": "one",
    "sample0.turn0.image0.hw": [30, 41], "vision.side": 5,
}  # fmt: skip

GOLDEN_CASES = {
    "qwen3_vl_moe_published_experts": (1, {
        **SMALL, "files.generation": 4, "files.processor": "v4", "files.template": "json", "moe.experts": 5, "moe.chosen": 2,
        "moe.intermediate": 12, "moe.sparse_step": 1, "moe.mlp_only": [], "moe.files": "published", "vision.deepstack": 2,
        "vision.temporal_patch": 2, "text.act": "silu", "moe.norm_topk_prob": True, "text.intermediate": 52,
    }),
    "qwen3_vl_moe_some_layers_v5": (2, {
        **SMALL, "files.generation": 5, "files.processor": "v5", "moe.experts": 4, "moe.chosen": 3,
        "vision.deepstack": 0, "moe.intermediate": 12,
        "text.layers": 3, "moe.sparse_step": 1, "moe.mlp_only": [1], "moe.files": "v5", "vision.temporal_patch": 2,
        "text.act": "gelu_pytorch_tanh", "moe.norm_topk_prob": False, "text.intermediate": 52, "text.hidden": 40,
    }),
}  # fmt: skip
