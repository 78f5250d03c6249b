"""Gemma 3, text only: windows with a rotary base of their own, norms on q and k."""

from transformers import Gemma3ForCausalLM

from . import gemma_parts

GOLDEN_CASES = {
    "gemma3_text_two_bases": (4, {
        **gemma_parts.SMALL, "text.window_keys": 6, "text.pattern": 2, "text.rope": "linear", "text.rope_factor": 2.0,
        "text.theta": 80.0, "text.local_theta": 37.5, "text.final_cap": 2.0, "text.attention_cap": 1.0,
    }),
    "gemma3_text_v4_pattern": (5, {
        **gemma_parts.SMALL, "files.generation": 4, "text.window_keys": 3, "text.pattern": 3, "text.gemma_layers": 3, "files.pattern": True,
        "text.rope": "llama3", "text.rope_original": 32, "text.theta": 10000.0, "text.final_cap": None, "dtype": "f16",
        "text.attention_cap": None, "text.query_scalar": 168, "text.scale": 0.03, "files.defaults_left_out": True,
    }),
}  # fmt: skip


def write(draw, folder):
    gemma_parts.write_text_family(
        draw, folder, gemma_parts.gemma3_config(draw), Gemma3ForCausalLM, post_norms=True
    )
