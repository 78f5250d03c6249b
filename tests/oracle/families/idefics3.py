"""Idefics3: as SmolVLM without videos, with Llama 3's tokenizer or SmolLM's; `<global-img>` is often no token there."""

from . import idefics_parts, smolvlm, templates


GOLDEN_CASES = {
    # `<row_1_col_1>` and `<global-img>` are no tokens; a fixed size; tiles and table with a remainder.
    "idefics3_marks_are_text": (1, {
        **idefics_parts.SMALL, "files.generation": 4, "files.processor": "v4", "files.vision_type": "idefics3",
        "vision.side": 6, "tiles.scale": 3, "tiles.rest": 2, "vision.image_rest": 3, "processor.splitting": True,
        "tokenizer.global": False, "tokenizer.rows": [0, 0], "processor.size_hw": {"height": 40, "width": 71},
        "sample0.turn0.media": "titi", "sample0.turn0.i1.hw": [50, 20], "sample0.turn0.i3.hw": [3, 4],
    }),
    # Pillow's arithmetic; 19 patches in a table of 19, of which one row falls one cell too low.
    "idefics3_pil_nineteen_patches": (2, {
        **idefics_parts.SMALL, "processor.pil": True, "vision.side": 19, "tiles.other_side": 19, "tiles.scale": 1,
        "vision.patch": 4, "vision.depth": 1, "vision.heads": 1, "processor.splitting": False, "processor.tiles": 1,
        "sample0.turn0.media": "it", "sample0.turn0.i0.hw": [60, 90],
    }),
}  # fmt: skip


def write(draw, folder):
    specials = [*smolvlm.SPECIALS, idefics_parts.FAKE, idefics_parts.IMAGE, idefics_parts.END]
    if draw.chance("tokenizer.global", 0.5):
        specials.append(idefics_parts.GLOBAL)
    smolvlm.write_files(draw, folder, "Idefics3", templates.SMOLVLM, specials, video=False)
