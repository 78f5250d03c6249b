"""Asks the bundled model about 1,000 scenes that it has not seen, through the engine, and prints a table per kind.

    python lab/tiny/evaluate.py                         # the engine (build/release/azimuth); numpy and Pillow are enough
    python lab/tiny/evaluate.py --transformers          # transformers too, token for token
    python lab/tiny/evaluate.py --no-engine --transformers

A quarter of the object scenes hold one of the colour-shape pairs that training never showed; questions about such an
object are counted on their own. Run it from the repository root.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import scenes

SEED = 20_000_000  # far from the seeds of training
PER_SCENE = 4      # questions about one scene at most
ABOUT_ONE = ("colour_of_shape", "shape_of_colour", "where", "existence")


def questions(scene, rng, unseen):
    """-> [(kind, question, answer)]"""
    asked = []
    if unseen:
        odd = next(t for t in scene.things if (t.colour, t.shape) in scenes.UNSEEN)
        for kind in ABOUT_ONE:
            if kind == "existence":
                article = "an" if odd.colour == "orange" else "a"
                found = scenes.WORDINGS[kind][0].format(a=article, colour=odd.colour, shape=odd.shape), "yes"
            else:
                found = scenes.ask(scene, kind, rng, 0, odd)
            if found:
                asked.append((kind + " (unseen pair)", *found))
        return asked
    for kind in rng.permutation(scenes.SHIPPED[scene.type]):
        found = scenes.ask(scene, str(kind), rng, 0)
        if found and len(asked) < PER_SCENE:
            asked.append((str(kind), *found))
    return asked


def draw(count, folder):
    """Scenes as PNG files. -> [{kind, question, answer, image}]"""
    folder.mkdir(parents=True, exist_ok=True)
    sprites = scenes.Sprites(SEED)
    items = []
    for i in range(count):
        rng = np.random.default_rng([SEED, i])
        size = scenes.SIZES[int(rng.choice(len(scenes.SIZES), p=scenes.SIZE_SHARES))]
        type = str(rng.choice(["objects", "bars", "text"], p=[0.6, 0.2, 0.2]))
        unseen = type == "objects" and i % 4 == 0
        scene = scenes.draw(rng, sprites, size, type, unseen=unseen or None)
        path = folder / f"{i:04}.png"
        Image.fromarray(scene.image).save(path)
        items += [dict(kind=k, question=q, answer=a, image=str(path)) for k, q, a in questions(scene, rng, unseen)]
    return items


def conversation(item):
    return [{"role": "user", "content": [{"type": "image", "image": item["image"]},
                                         {"type": "text", "text": item["question"]}]}]


def tokens_needed(item):
    return 24 if item["kind"] in scenes.LONG else 4


def batches(items, size):
    """Equal answer lengths together. -> lists of items"""
    for length in (4, 24):
        chosen = [i for i in items if tokens_needed(i) == length]
        for start in range(0, len(chosen), size):
            yield chosen[start:start + size]


def ask_engine(items, args):
    """Fills in item["engine"] = (ids, text)"""
    for n, batch in enumerate(batches(items, args.batch)):
        request = args.out / "request.json"
        request.write_text(json.dumps({"conversations": [conversation(i) for i in batch], "add_generation_prompt": True,
                                       "max_new_tokens": tokens_needed(batch[0]), "ignore_eos": False}))
        command = [args.engine, "trace", str(args.model), "--request", str(request), "--dtype", args.dtype, "--json"]
        if args.positions:
            command += ["--positions", args.positions]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"evaluate.py: `{' '.join(command)}` returned {done.returncode}: {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        for item, ids, text in zip(batch, answer["greedy_ids"], answer["greedy_text"]):
            item["engine"] = ids, text


def ask_transformers(items, args):
    """Fills in item["transformers"] = (ids, text)"""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    processor = AutoProcessor.from_pretrained(args.model)
    processor.tokenizer.padding_side = "left"
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    for batch in batches(items, args.batch):
        inputs = processor.apply_chat_template([conversation(i) for i in batch], tokenize=True, add_generation_prompt=True,
                                               return_dict=True, return_tensors="pt", processor_kwargs={"padding": True})
        out = model.generate(**inputs, max_new_tokens=tokens_needed(batch[0]), do_sample=False)
        for item, ids in zip(batch, out[:, inputs["input_ids"].shape[1]:].tolist()):
            item["transformers"] = ids, processor.decode(ids, skip_special_tokens=True)


def cut(ids, ends):
    """Ids before the first end token: runners differ in whether they keep it, and batches are padded with it."""
    for i, token in enumerate(ids):
        if token in ends:
            return ids[:i]
    return ids


def table(items, runner):
    """Accuracy per kind. -> {kind: [right, asked]}"""
    result = {}
    for item in items:
        row = result.setdefault(item["kind"], [0, 0])
        row[0] += item[runner][1].strip() == item["answer"]
        row[1] += 1
    return result


def show(items, runner):
    print(f"\n{runner}: {len(items)} questions, {len({i['image'] for i in items})} scenes\n")
    print("| kind | example | asked | right |\n|---|---|---|---|")
    found = table(items, runner)
    order = [k for kinds in scenes.SHIPPED.values() for k in kinds]
    for kind in sorted(found, key=lambda k: ("unseen" in k, order.index(k.split(" (")[0]))):
        right, asked = found[kind]
        example = next(i["question"] for i in items if i["kind"] == kind)
        print(f"| {kind.replace('_', ' ')} | {example} | {asked} | {100 * right / asked:.1f}% |")


def agree(items, model):
    """Prints and returns how many answers differ in a token."""
    ends = set(json.loads((Path(model) / "generation_config.json").read_text())["eos_token_id"])
    differ = [i for i in items if cut(i["engine"][0], ends) != cut(i["transformers"][0], ends)]
    print(f"\nengine and transformers: {len(items) - len(differ)} of {len(items)} answers equal token for token")
    for i in differ[:10]:
        print(f"  {i['image']} {i['question']} engine {i['engine']} transformers {i['transformers']}")
    return len(differ)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, default=Path("models/azimuth-tiny"))
    p.add_argument("--engine", default="build/release/azimuth")
    p.add_argument("--dtype", default="f32")
    p.add_argument("--positions", default="", help="a position policy instead of the model's own")
    p.add_argument("--scenes", type=int, default=1000)
    p.add_argument("--batch", type=int, default=50)
    p.add_argument("--out", type=Path, default=Path("build/lab-tiny/evaluation"))
    p.add_argument("--items", type=Path, help="ask these instead, e.g. lab/tiny/pictures/questions.json")
    p.add_argument("--transformers", action="store_true")
    p.add_argument("--no-engine", action="store_true")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.items:
        items = [{**i, "image": str(args.items.parent / i["image"])} for i in json.loads(args.items.read_text())]
    else:
        items = draw(args.scenes, args.out / "scenes")
    runners = [] if args.no_engine else ["engine"]
    if not args.no_engine:
        ask_engine(items, args)
    if args.transformers:
        ask_transformers(items, args)
        runners.append("transformers")
    for runner in runners:
        show(items, runner)
        if args.items:
            for i in items:
                print(f"  {i['image']}: {i['question']} {i[runner][1].strip()}" + ("" if i[runner][1].strip() == i["answer"] else f" (is: {i['answer']})"))
    if len(runners) == 2 and agree(items, args.model):
        sys.exit(1)


if __name__ == "__main__":
    main()
