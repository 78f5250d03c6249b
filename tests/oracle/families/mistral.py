"""Mistral, text only: as Llama, without biases, with one window on all layers."""

from transformers import MistralForCausalLM

from . import text_only


def write(draw, folder):
    config = {
        **text_only.sizes(draw),
        "rope_parameters": text_only.rope_parameters(draw),
        "sliding_window": draw.pick("text.window", [None, None, 5, 20]),
    }
    head_dim = draw.pick("text.head_dim", [8, 12, 16])
    config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.hidden_per_head", [8, 12, 16])
    if config["hidden_size"] != config["num_attention_heads"] * head_dim or draw.chance("text.names_head_dim", 0.5):
        config["head_dim"] = head_dim
    text_only.write(draw, folder, config, MistralForCausalLM, "llama3")


GOLDEN_CASES = {
    "mistral_v4_window": (1, {
        "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 4, "text.scale": 0.3, "text.layers": 2,
        "tokenizer.merges": 60, "request.raw": False, "request.stops": False, "request.padded": False,
        "request.samples": 2, "request.no_generation_prompt": False, "text.act": "silu", "text.window": 9,
        "text.head_dim": 12, "text.hidden_per_head": 8, "text.kv_heads": 2, "text.group": 2, "text.rope": "default",
    }),
}  # fmt: skip
