"""Loads an export with transformers and compares it with the trainer's model: `python check.py --model DIR`.

Both run in f32 on the export's own (bf16-rounded) weights: token ids, positions and logits must agree, with a picture of
each shape; then the whole greedy answer.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import scenes
from model import TinyVL
from train import MEAN, STD, Layout, Text


def trainer_model(folder, vocabulary):
    """The export's weights under the trainer's names."""
    state = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        name, tensor = name.removeprefix("model."), tensor.float()
        state[name] = tensor.sum(2).flatten(1) if name.endswith("patch_embed.proj.weight") else tensor
    model = TinyVL(vocabulary)
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def compare(size, folder, reference, processor, model, text):
    rng = np.random.default_rng([7, *size])
    scene = scenes.draw(rng, scenes.Sprites(0, per_size=1), size, "objects")
    question, answer = scenes.ask(scene, "count", rng, 0)
    messages = [{"role": "user", "content": [{"type": "image", "image": Image.fromarray(scene.image)},
                                             {"type": "text", "text": question}]}]
    inputs = processor.apply_chat_template(messages, tokenize=True, add_generation_prompt=True, return_dict=True,
                                           return_tensors="pt")
    prompt = text.segment(question, answer)[0]
    layout = Layout(text, size, [len(prompt)])
    ids = torch.tensor([layout.prefix + prompt])
    assert inputs["input_ids"].tolist() == ids.tolist(), "token ids differ"
    positions = reference.model.get_rope_index(inputs["input_ids"], mm_token_type_ids=inputs["mm_token_type_ids"],
                                               image_grid_thw=inputs["image_grid_thw"])[0]
    assert positions[:, 0].tolist() == layout.positions.tolist(), "positions differ"
    pixels = torch.from_numpy(scene.image.transpose(2, 0, 1).copy())[None].float().sub(MEAN).div(STD)
    ours = model(pixels, ids, layout, torch.arange(ids.shape[1]))[0]
    theirs = reference(**inputs).logits[0]
    error = (ours - theirs).abs().max() / theirs.std()
    print(f"{size[0]}x{size[1]}: {ids.shape[1]} tokens, largest logit error {error:.1e} of their deviation")
    assert error < 2e-4
    new = reference.generate(**inputs, max_new_tokens=4, do_sample=False)[0, ids.shape[1]:]
    print("  ", question, "->", processor.decode(new, skip_special_tokens=True), f"(drawn: {answer})")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, required=True)
    args = p.parse_args()
    torch.set_num_threads(1)
    processor = AutoProcessor.from_pretrained(args.model)
    reference = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    text = Text()
    for sample in ("What color is the circle?", "naïve 数字 42 <|im_end|> don't\r\n\tstop"):
        assert processor.tokenizer(sample)["input_ids"] == text.encode(sample), sample
    model = trainer_model(args.model, text.size)
    for size in scenes.SIZES:
        compare(size, args.model, reference, processor, model, text)
    print("the export and the trainer agree")


if __name__ == "__main__":
    main()
