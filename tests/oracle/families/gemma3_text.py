"""Gemma 3, text only: windows with a rotary base of their own, norms on q and k."""

from transformers import Gemma3ForCausalLM

from . import gemma_parts


def write(draw, folder):
    gemma_parts.write_text_family(
        draw, folder, gemma_parts.gemma3_config(draw), Gemma3ForCausalLM, post_norms=True
    )
