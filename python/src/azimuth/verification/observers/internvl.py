"""InternVL: tiles and frames of all media in one array, each between <img> and </img>."""

from . import tile_spans


def sample_spans(processor, sample, ids):
    return tile_spans.spans(
        processor, sample, ids, processor.image_token_id, processor.start_image_token_id, processor.end_image_token_id
    )
