#!/usr/bin/env python3
"""Writes tests/golden/additive: small decoders under additive position encodings, as additive_reference.py runs them.

    additive_goldens.py [--out DIR] [--only CASE]

Each model is a random checkpoint of a registered family with tensors position_encoding.* beside its own. A case is a
model, a policy and a prompt: cases.json holds ids, CASE.safetensors the logits of all positions and the outputs of all
layers at the last one. The same script writes the same files.
"""

import argparse
import json
import os
import pathlib
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.models.t5.modeling_t5 import T5Attention

import families
from additive_reference import PREFIX, AdditiveDecoder, weight_shapes, weight_values
from families.draw import Draw

ROOT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "additive"
CONTINUATION = 8

COMMON = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "tokenizer.merges": 20, "text.spare_rows": 0,
    "text.scale": 0.3, "text.act": "silu", "text.tie": True, "files.old_inv_freq": False,
}  # fmt: skip

# name: (family, seed, forced choices)
MODELS = {
    # Six heads: no power of two. Biases in front of queries and keys.
    "llama": ("llama", 1, {
        **COMMON, "text.kv_heads": 2, "text.group": 3, "text.head_dim": 12, "text.hidden_per_head": 8, "text.layers": 2,
        "text.intermediate": 52, "text.bias": True, "text.mlp_bias": False, "text.rope": "llama3",
    }),
    # Norms on queries and keys; a window of nine keys from the second layer on.
    "qwen3": ("qwen3", 2, {
        **COMMON, "text.kv_heads": 1, "text.group": 5, "text.head_dim": 18, "text.hidden": 40, "text.layers": 3,
        "text.intermediate": 52, "text.window": True, "text.window_keys": 9, "text.rope": "default",
    }),
}  # fmt: skip

# name: (model, policy, prompt tokens). A model's policies may ask for one shape of each tensor.
CASES = {
    "sinusoidal_vaswani": ("llama", "sinusoidal", 23),
    "sinusoidal_transformer_xl": ("qwen3", "sinusoidal:kind=transformer_xl", 19),
    "sinusoidal_m2m100": ("llama", "sinusoidal:kind=tensor2tensor,offset=2", 21),
    "sinusoidal_cora": ("qwen3", "sinusoidal:kind=cora,offset=3", 17),
    "learned": ("qwen3", "learned", 20),
    "learned_opt": ("llama", "learned:offset=2", 23),
    "learned_stretched": ("llama", "learned:offset=2,interpolate=61", 24),
    "shaw": ("llama", "shaw:left=3,right=2", 22),
    "shaw_values_window": ("qwen3", "shaw:left=5,right=0,values=1", 26),
    "transformer_xl": ("llama", "transformer_xl:segment=7,memory=7", 30),
    "transformer_xl_untied_clamp_window": ("qwen3", "transformer_xl:segment=5,memory=8,clamp=6,untied=1", 28),
    "t5": ("llama", "t5:buckets=10,distance=17", 29),
    "t5_unscaled_window": ("qwen3", "t5:buckets=8,distance=12,score_scale=1", 25),
    "t5_bidirectional": ("llama", "t5:buckets=10,distance=17,bidirectional=1", 22),
    "alibi": ("llama", "alibi", 27),
    "alibi_window": ("qwen3", "alibi", 24),
    "cable": ("llama", "cable", 25),
    "cable_unscaled_window": ("qwen3", "cable:score_scale=1", 23),
}


def write_model(name, out):
    """The checkpoint of a model with the tensors of all its cases."""
    family, seed, forced = MODELS[name]
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    draw = Draw(f"additive/{family}/{seed}", forced)
    folder.mkdir(parents=True)
    families.load(family).write(draw, folder)
    (folder / "request.json").unlink()
    add_weights(folder / "model", [policy for model, policy, _ in CASES.values() if model == name], draw)


def add_weights(folder, policies, draw, rows=40):
    """Puts the tensors position_encoding.* of some policies into the checkpoint. rows: of a learned table."""
    config = transformers.AutoConfig.from_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    for policy in policies:
        for name, shape in weight_shapes(policy, config, rows).items():
            value = weight_values(name, shape, draw.stream(PREFIX + name))
            if tensors.get(PREFIX + name, value).shape != value.shape:
                raise SystemExit(f"expected one shape of {name} in {folder}, got two: {policy} needs {shape}")
            tensors[PREFIX + name] = value
    save_file(tensors, file, metadata={"format": "pt"})


def prompt_ids(name, tokens, vocab):
    return [int(i) for i in Draw(f"additive/{name}").stream("prompt").integers(0, vocab, tokens)]


def answer(folder, policy, ids):
    """({logits, layers_last}, greedy continuation)."""
    decoder = AdditiveDecoder(folder, policy)
    logits, layers = decoder.run(ids)
    return {"logits": logits.contiguous(), "layers_last": layers.contiguous()}, decoder.greedy(ids, CONTINUATION)


def write_case(name, out):
    model, policy, tokens = CASES[name]
    folder = out / model / "model"
    ids = prompt_ids(name, tokens, transformers.AutoConfig.from_pretrained(folder).vocab_size)
    tensors, greedy = answer(folder, policy, ids)
    save_file(tensors, out / f"{name}.safetensors")
    print(f"{name}: {tokens} tokens, logits of standard deviation {tensors['logits'].std():.3f}", flush=True)
    return {"model": model, "policy": policy, "prompt_ids": ids, "greedy_ids": greedy}


# (buckets, distance, bidirectional): powers and other numbers, and distances where a logarithm is nearly whole.
T5_SETTINGS = [
    (32, 128, False), (32, 128, True), (2, 5, False), (3, 9, False), (4, 5, True), (6, 17, True), (8, 64, False),
    (10, 100, True), (16, 64, False), (16, 256, True), (20, 50, False), (24, 300, True), (48, 1000, False),
    (64, 2048, True), (64, 33, False), (128, 1024, False),
]  # fmt: skip


def write_t5_buckets(out):
    """Each setting with the distances at which the bucket changes: [relative position, its bucket], ascending."""
    cases = []
    for buckets, distance, bidirectional in T5_SETTINGS:
        relative = torch.arange(-2 * distance - 5, 2 * distance + 6)
        found = T5Attention._relative_position_bucket(relative, bidirectional, buckets, distance).tolist()
        steps = [i for i in range(len(found)) if i == 0 or found[i] != found[i - 1]]
        changes = [[int(relative[i]), found[i]] for i in steps]
        cases.append({"buckets": buckets, "distance": distance, "bidirectional": bidirectional, "changes": changes})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (out / "t5_buckets.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT)
    parser.add_argument("--only", action="append", choices=list(CASES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for model in MODELS if not arguments.only else []:
        write_model(model, arguments.out)
    write_t5_buckets(arguments.out)
    listing = arguments.out / "cases.json"
    cases = json.loads(listing.read_text(encoding="utf-8")) if arguments.only and listing.exists() else {}
    for name in arguments.only or CASES:
        cases[name] = write_case(name, arguments.out)
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in sorted(cases.items())]
    listing.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
