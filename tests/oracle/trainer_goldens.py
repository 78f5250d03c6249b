#!/usr/bin/env python3
"""Writes tests/golden/trainer: what TRL 1.16's GRPOTrainer holds for prompts with images, and how it scores them.

    trainer_goldens.py [--only CASE] [--check]

Each CASE.npz holds the tensors under TRL's names, in up to four paddings, with log-probabilities and entropies at two
temperatures; cases.json says which checkpoint of tests/golden/trace they belong to and what TRL itself did with each
batch size. Every number of TRL is held against a forward pass of transformers over each sample alone, so that a golden
never rests on one of the two. --check writes nothing and compares with the committed files.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import trl_reference as reference  # sets the environment before torch is loaded

import numpy
import PIL.Image
import torch
import transformers

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "golden"
TRACES, OUT = GOLDENS / "trace", GOLDENS / "trainer"
TEMPERATURES = (1.0, 0.7)
AGREEMENT = 5e-5  # between TRL, in padded batches, and transformers on each sample alone; half of what scores may err; nats

PROMPTS = ["What is in the picture?", "hello", "Compare the three pictures.", "Two  spaces"]
COMPLETIONS = ["a small boat.", "yes", "two red boats on the sea", "it's the 3rd"]


def picture(rng, height, width):
    """Stripes and noise: resizing and cutting it move every number."""
    rows, columns = numpy.mgrid[0:height, 0:width]
    waves = 110 + 70 * numpy.sin(rows / 3.1)[..., None] + 60 * numpy.cos(columns / 4.7)[..., None] * [1, -1, 0.5]
    return PIL.Image.fromarray(numpy.clip(waves + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(numpy.uint8))


SIZES = {"wide": (33, 61), "tall": (50, 24), "square": (40, 40), "small": (27, 30), "strip": (24, 70)}


class Case:
    """checkpoint: of tests/golden/trace; counts: images of each sample; sizes: taken in turn."""

    def __init__(self, checkpoint, counts=(1, 0, 3), sizes=("wide", "tall", "square", "small"), by_hand=False,
                 repeats=1, dropped=(), truncated=(), image_options=None):  # fmt: skip
        self.checkpoint, self.counts, self.sizes, self.by_hand = checkpoint, counts, sizes, by_hand
        self.repeats = repeats  # completions of each prompt, as num_generations
        self.dropped = dropped  # tensors of the processor that TRL's scoring function does not take
        self.truncated = truncated  # samples whose completion is masked out (mask_truncated_completions)
        self.image_options = image_options  # images_kwargs; they make tiles that TRL does not count

    def samples(self, trainer):
        """prompts [B], images [B][...], completions [B][...]"""
        rng = numpy.random.default_rng(7)
        turn = iter(self.sizes * 8)
        prompts, images, completions = [], [], []
        for i, count in enumerate(self.counts):
            pictures = [picture(rng, *SIZES[next(turn)]) for _ in range(count)]
            for _ in range(self.repeats):
                prompts.append(PROMPTS[i])
                images.append(pictures)
                ids = trainer._tokenizer(COMPLETIONS[len(completions) % 4], add_special_tokens=False)["input_ids"]
                completions.append(ids + [trainer.eos_token_ids[0]] * (len(completions) % 2))
        return prompts, images, completions


PAN_AND_SCAN = {
    "do_pan_and_scan": True, "pan_and_scan_min_crop_size": 8, "pan_and_scan_max_num_crops": 4,
    "pan_and_scan_min_ratio_to_activate": 1.5,
}  # fmt: skip

CASES = {
    "qwen2_5_vl": Case("qwen2_5_vl_windows_divide"),
    "qwen2_5_vl_shared": Case("qwen2_5_vl_windows_divide", counts=(2, 0, 1), repeats=2),
    "qwen3_vl": Case("qwen3_vl_batch_shards", counts=(0, 3, 1)),
    "qwen3_vl_truncated": Case("qwen3_vl_batch_shards", counts=(1, 0, 2), truncated=(1, 2)),
    "qwen3_vl_text": Case("qwen3_vl_batch_shards", counts=(0, 0)),
    "qwen3_text": Case("qwen3_tied", counts=(0, 0, 0)),
    "gemma3": Case("gemma3_v4_batch", by_hand=True),
    "gemma3_crops": Case("gemma3_v4_batch", sizes=("strip", "small", "wide", "square"), by_hand=True,
                         image_options=PAN_AND_SCAN),
    "gemma4": Case("gemma4_shared_keys", sizes=("small", "square"), by_hand=True),
    "internvl": Case("internvl_tiles_thumbnail_v4", sizes=("strip", "small", "square")),
    "internvl_shared": Case("internvl_resampled_inner_layer", counts=(1, 3), sizes=("small", "wide"), repeats=2),
    "smolvlm": Case("smolvlm_batch_padded", counts=(1, 0, 3)),
    "smolvlm_as_many": Case("smolvlm_batch_padded", counts=(2, 1, 0)),  # as many samples as images
    "idefics3": Case("idefics3_marks_are_text", sizes=("small", "square")),
    "llava": Case("llava_layers_class_token_pad"),
    "llava_siglip": Case("llava_interleaved_siglip", counts=(0, 1, 3)),
    "llava_next": Case("llava_next_batch_of_tiles", sizes=("wide", "square", "tall")),
    "llava_onevision": Case("llava_onevision_several_images", by_hand=True, dropped=("batch_num_images",)),
}  # fmt: skip


def repadded(held, side):
    """The same samples as rows that are padded on one side as a whole."""
    width = int(held["attention_mask"].sum(1).max())
    moved = dict(held)
    mask = held["attention_mask"].bool()
    for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
        if name not in held:
            continue
        rows = torch.zeros(len(mask), width, dtype=held[name].dtype)
        for b, kept in enumerate(mask):
            own = held[name][b][kept]
            place = slice(width - len(own), width) if side == "left" else slice(0, len(own))
            rows[b, place] = own
        moved[name] = rows
    return moved


def trl_scores(trainer, held, expected):
    """Scores of the whole batch, and what TRL did with each batch size: "agrees", "differs by ..." or its error."""
    verdicts, best = {}, None
    for size in (None, 1, 2):
        try:
            logps, entropies = reference.scores(trainer, held, size)
            error = float(abs(logps - expected).max())
            verdicts[str(size)] = "agrees" if error <= AGREEMENT else f"differs by {error:.1e}"
            if error <= AGREEMENT and best is None:
                best = logps, entropies
        except Exception as error:  # whatever TRL, the model or torch raise is what is to be noted
            message = str(error).splitlines()[0][:160]
            verdicts[str(size)] = f"{type(error).__name__}: {message}"
    return best, verdicts


def held_by_trainer(trainer, prompts, images, completions):
    """(what TRL holds, what is wrong with it or None)."""
    held = reference.held_by_trainer(trainer, prompts, images, completions)
    columns = held["input_ids"].shape[1]
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in held and held[name].shape[1] != columns:
            right = reference.held_by_hand(trainer, prompts, images, completions)
            expected = reference.scores_alone(trainer, right, prompts, images, 1.0)[0]
            _, verdicts = trl_scores(trainer, {**held, "batch_size": None}, expected)
            more = held[name].shape[1] - columns
            return held, f"{name} has {more} column more than input_ids: {verdicts['None']}"
    return held, None


def check_pictures_matter(trainer, held, prompts, images):
    """A checkpoint whose scores do not depend on the pictures would show nothing."""
    negatives = [[PIL.Image.fromarray(255 - numpy.asarray(p)) for p in pictures] for pictures in images]
    scored = [reference.scores_alone(trainer, held, prompts, each, 1.0)[0] for each in (images, negatives)]
    moved = abs(scored[0] - scored[1]).max(1)
    for b, pictures in enumerate(images):
        if pictures and held["attention_mask"][b, -held["logits_to_keep"] :].any():
            assert moved[b] > 50 * AGREEMENT, f"pictures of sample {b} move its scores by {moved[b]} only"


def pictures_of(trainer, prompts, images):
    """Per sample a list with [rows, sha256] of each part of pixel_values that is known to belong together: of an image,
    or of all images where the processor returns them so. From the processor, one sample at a time; without padding."""
    parts = []
    for prompt, pictures in zip(prompts, images, strict=True):
        inputs = reference.processed(trainer, [prompt], [pictures])
        pixels = inputs.get("pixel_values")
        if pixels is None:
            parts.append([])
            continue
        if pixels.ndim == 2:
            own = pixels.split(inputs["image_grid_thw"].prod(-1).tolist())
        elif pixels.ndim == 4 and len(pixels) != len(pictures):
            own = pixels.split([sum(tiles_of(trainer, [[picture]])) for picture in pictures])
        else:
            own = pixels  # [images, ...], or [1, tiles of all images, ...]
        own = [part[part.flatten(1).any(1)] if pixels.ndim == 5 else part for part in own]
        hashes = [hashlib.sha256(numpy.ascontiguousarray(part.numpy()).tobytes()).hexdigest() for part in own]
        parts.append([[len(part) if pixels.ndim != 3 else 1, digest] for part, digest in zip(own, hashes, strict=True)])
    return parts


def tiles_of(trainer, images):
    """Rows of pixel_values that belong to each sample."""
    alone = [reference.processed(trainer, ["count"], [pictures]) if pictures else {} for pictures in images]
    return [len(inputs.get("pixel_values", ())) for inputs in alone]


def compute(case):
    """(arrays, notes) of one case."""
    trainer = reference.open_trainer(TRACES / case.checkpoint / "model", case.image_options)
    prompts, images, completions = case.samples(trainer)
    notes = {"checkpoint": case.checkpoint, "trl": {}, "oracle": {}}
    held, fault = held_by_trainer(trainer, prompts, images, completions)
    if fault:
        notes["trl"]["tensors"] = fault
    if case.by_hand:
        held = reference.held_by_hand(trainer, prompts, images, completions)
    held.pop("batch_size", None)
    for name in case.dropped:
        held.pop(name)
    for b in case.truncated:
        held["attention_mask"][b, -held["logits_to_keep"] :] = 0
    if case.image_options:
        held["num_tiles"] = tiles_of(trainer, images)
    check_pictures_matter(trainer, held, prompts, images)
    arrays = {}
    for padding in ("trainer", "left", "right"):
        rows = held if padding == "trainer" else repadded(held, padding)
        for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
            if name in rows:
                arrays[f"{padding}.{name}"] = rows[name].numpy().astype(numpy.int32)
        for temperature in TEMPERATURES:
            reference.set_temperature(trainer, temperature)
            alone = reference.scores_alone(trainer, rows, prompts, images, temperature)
            best, verdicts = trl_scores(trainer, rows, alone[0])
            logps, entropies = best or alone
            assert abs(entropies - alone[1]).max() <= AGREEMENT, abs(entropies - alone[1]).max()
            arrays[f"{padding}.logps.{temperature}"], arrays[f"{padding}.entropies.{temperature}"] = logps, entropies
            notes["oracle"][f"{padding}.{temperature}"] = "TRL" if best else "transformers"
            notes["trl"].setdefault("batch_size", {})[padding] = verdicts
    notes["logits_to_keep"], notes["num_images"] = held["logits_to_keep"], held["num_images"]
    notes["num_tiles"] = held["num_tiles"]
    notes["pictures"] = pictures_of(trainer, prompts, images)
    notes["image_token_id"] = getattr(trainer.model.config, "image_token_id", None)
    for name in held:
        if name.startswith("pixel") or name.startswith("image") or name == "spatial_shapes":
            arrays[name] = held[name].numpy()
    return arrays, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    OUT.mkdir(exist_ok=True)
    index_file = OUT / "cases.json"
    index = json.loads(index_file.read_text(encoding="utf-8")) if index_file.exists() else {}
    failures = 0
    for name in arguments.only or CASES:
        arrays, notes = compute(CASES[name])
        file = OUT / f"{name}.npz"
        if arguments.check:
            with numpy.load(file) as kept:
                same = sorted(kept) == sorted(arrays) and all(
                    numpy.allclose(kept[key], value, rtol=0, atol=AGREEMENT) for key, value in arrays.items()
                )
            failures += not (same and index[name] == notes)
            print(f"{name}: {'confirmed' if same and index[name] == notes else 'DIFFERS'}", flush=True)
            continue
        numpy.savez_compressed(file, **arrays)
        index[name] = notes
        batch = notes["trl"]["batch_size"]["trainer"]
        print(f"{name}: {file.stat().st_size / 1024:.0f} KiB, {notes['num_images']} images; {batch}", flush=True)
    if not arguments.check:
        ordered = {name: index[name] for name in CASES if name in index}
        index_file.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
