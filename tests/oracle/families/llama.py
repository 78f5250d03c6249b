"""Llama 2 and 3, text only: no norms on q and k, optional biases, Llama 3's frequency scaling."""

from transformers import LlamaForCausalLM

from . import text_only


def write(draw, folder):
    config = {
        **text_only.sizes(draw),
        "attention_bias": draw.chance("text.bias", 0.3),
        "mlp_bias": draw.chance("text.mlp_bias", 0.3),
        "rope_parameters": text_only.rope_parameters(draw),
    }
    head_dim = draw.pick("text.head_dim", [8, 12, 16])
    config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.hidden_per_head", [8, 12, 16])
    config["head_dim"] = head_dim
    text_only.grow_rope(draw, config)
    text_only.write(draw, folder, config, LlamaForCausalLM, "llama3")
