"""Gemma 2, text only: alternating windows, norms behind attention and MLP, soft caps."""

from transformers import Gemma2ForCausalLM

from . import gemma_parts


def write(draw, folder):
    gemma_parts.write_text_family(draw, folder, gemma_parts.gemma2_config(draw), Gemma2ForCausalLM, post_norms=True)
