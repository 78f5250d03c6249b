"""Qwen 3, text only: norms on q and k, head_dim free of hidden / heads."""

from transformers import Qwen3ForCausalLM

from . import text_only


def write(draw, folder):
    config = {
        **text_only.sizes(draw),
        **text_only.sliding_window(draw),
        "head_dim": draw.pick("text.head_dim", [8, 12, 18, 32]),
        "attention_bias": draw.chance("text.bias", 0.25),
        "rope_parameters": text_only.rope_parameters(draw),
    }
    text_only.grow_rope(draw, config)
    text_only.write(draw, folder, config, Qwen3ForCausalLM, "qwen")
