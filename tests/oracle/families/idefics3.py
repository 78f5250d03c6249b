"""Idefics3: as SmolVLM without videos, with Llama 3's tokenizer or SmolLM's; `<global-img>` is often no token there."""

from . import idefics_parts, smolvlm, templates


def write(draw, folder):
    specials = [*smolvlm.SPECIALS, idefics_parts.FAKE, idefics_parts.IMAGE, idefics_parts.END]
    if draw.chance("tokenizer.global", 0.5):
        specials.append(idefics_parts.GLOBAL)
    smolvlm.write_files(draw, folder, "Idefics3", templates.SMOLVLM, specials, video=False)
