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
    text_only.write(draw, folder, config, Qwen3_5ForCausalLM, "qwen", qwen3_5.text_tensor, qwen3_5.alike)


SMALL = {
    "odd": False, "shards": 1, "text.hidden": 40, "tokenizer.merges": 60, "request.raw": False, "request.stops": False,
    "request.padded": False, "request.no_generation_prompt": False, "request.new_tokens": 12, "text.spare_rows": 0,
}  # fmt: skip
GOLDEN_CASES = {
    "qwen3_5_text_hybrid": (1, {
        **SMALL, "dtype": "bf16", "files.generation": 5, "text.hybrid_layers": 3, "text.linear0": True, "text.linear1": False,
        "text.linear2": True, "linear.key_heads": 2, "linear.group": 2, "linear.key_dim": 12, "linear.value_dim": 18,
        "linear.kernel": 4, "text.share": [0.5, 20], "text.kv_heads": 2, "text.group": 2, "text.scale": 0.3,
        "text.act": "silu", "text.tie": False, "request.samples": 2, "text.rope": "default",
    }),
    "qwen3_5_text_v4_small_stream": (2, {
        **SMALL, "dtype": "f32", "files.generation": 4, "text.hybrid_layers": 2, "text.linear0": True,
        "text.linear1": False, "linear.key_heads": 1, "linear.group": 3, "linear.key_dim": 16, "linear.value_dim": 12,
        "linear.kernel": 2, "text.share": [0.25, 24], "text.kv_heads": 1, "text.group": 3, "text.scale": 0.03,
        "text.act": "gelu_pytorch_tanh", "text.tie": True, "request.samples": 1, "text.rope": "yarn",
        "text.rope_original": 32,
    }),
}  # fmt: skip
