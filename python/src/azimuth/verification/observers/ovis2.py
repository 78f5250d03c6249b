"""Ovis2: tiles between <IMG_START> and <IMG_END>, other indicators among them."""

from . import tile_spans


def sample_spans(processor, sample, ids):
    to_id = processor.tokenizer.convert_tokens_to_ids
    return tile_spans.spans(processor, sample, ids, *(to_id(name) for name in ("<IMG_ATOM>", "<IMG_START>", "<IMG_END>")))
