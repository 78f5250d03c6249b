"""Qwen 2 and 2.5, text only: biases on q, k and v; head_dim is hidden / heads."""

from transformers import Qwen2ForCausalLM

from . import text_only


def write(draw, folder):
    config = {
        **text_only.sizes(draw),
        **text_only.sliding_window(draw),
        "rope_parameters": text_only.rope_parameters(draw),
    }
    config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.head_dim", [8, 10, 16])
    text_only.write(draw, folder, config, Qwen2ForCausalLM, "qwen")
