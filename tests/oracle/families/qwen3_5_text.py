"""Qwen3.5 without its tower."""

from transformers import Qwen3_5ForCausalLM

from . import qwen3_5, text_only


def write(draw, folder):
    config = {
        **text_only.sizes(draw),
        "attention_bias": draw.chance("text.bias", 0.25),
        "rope_parameters": text_only.rope_parameters(draw),
    }
    config.update(qwen3_5.more_text(draw, config))
    text_only.write(draw, folder, config, Qwen3_5ForCausalLM, "qwen", qwen3_5.text_tensor)
