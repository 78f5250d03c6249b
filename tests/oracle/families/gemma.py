"""Gemma 1, text only: norms 1 + w, scaled embeddings, one head_dim for all sizes."""

from transformers import GemmaForCausalLM

from . import gemma_parts

GOLDEN_CASES = {
    "gemma_v4_gelu": (1, {
        **gemma_parts.SMALL, "files.generation": 4, "text.activation": "gelu", "text.head_dim": 20, "text.rope": "default",
        "text.kv_heads": 1, "text.group": 3,
    }),
}  # fmt: skip


def write(draw, folder):
    gemma_parts.write_text_family(draw, folder, gemma_parts.gemma_config(draw), GemmaForCausalLM, post_norms=False)
