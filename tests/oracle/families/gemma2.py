"""Gemma 2, text only: alternating windows, norms behind attention and MLP, soft caps."""

from transformers import Gemma2ForCausalLM

from . import gemma_parts

GOLDEN_CASES = {
    "gemma2_windows_caps": (2, {
        **gemma_parts.SMALL, "text.window_keys": 6, "text.final_cap": 1.0, "text.attention_cap": 0.5,
        "text.query_scalar": 7, "text.scale": 1.0,
    }),
    "gemma2_v4_untied": (3, {
        **gemma_parts.SMALL, "files.generation": 4, "text.untied": True, "text.bias": True, "text.window_keys": 3,
        "text.final_cap": None, "text.attention_cap": None, "text.scale": 0.03, "files.pattern": True, "request.raw": True,
    }),
}  # fmt: skip


def write(draw, folder):
    gemma_parts.write_text_family(draw, folder, gemma_parts.gemma2_config(draw), Gemma2ForCausalLM, post_norms=True)
