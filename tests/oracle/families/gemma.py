"""Gemma 1, text only: norms 1 + w, scaled embeddings, one head_dim for all sizes."""

from transformers import GemmaForCausalLM

from . import gemma_parts


def write(draw, folder):
    gemma_parts.write_text_family(draw, folder, gemma_parts.gemma_config(draw), GemmaForCausalLM, post_norms=False)
