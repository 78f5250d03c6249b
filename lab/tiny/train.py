"""Trains the bundled model on one CPU core: `python train.py --state DIR`. Interrupt it at will: it goes on from its
last checkpoint, and the same seed draws the same batches.

First the tower alone, on an auxiliary head that names what lies in each cell of the picture (dropped on export); then
everything, several questions per picture in one row behind a block mask, loss on the answers.
"""
import argparse
import csv
import os
import signal
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import torch.nn.functional as F

import scenes
import tokenizer as tok
from model import CONFIG, TinyVL, fuse

MEAN, STD = 127.5, 127.5  # pixel = (value - MEAN) / STD: rescale 1/255, mean and std 0.5
# Pictures of each type in a batch, and how many one-line questions each gets.
BATCH = {"objects": 40, "bars": 12, "text": 20}
QUESTIONS = {"objects": 8, "bars": 4, "text": 2}
SHORT = {"objects": 14, "bars": 16, "text": 13}  # tokens of a segment
LONG = {"objects": 24, "bars": 24}
WEIGHTS = {"count": 1.5, "colour_of_shape": 1.3, "shape_of_colour": 1.3, "where": 1.5, "existence": 1.0,
           "exists_shape": 0.7, "exists_colour": 0.5, "left_or_right": 1.2, "bar_count": 1.2, "tallest": 1.0,
           "shortest": 1.0, "taller": 1.2, "digit": 1.0, "letter": 1.0, "text_colour": 0.7, "what": 0.5}
AUX_SHAPES = ["none"] + scenes.SHAPES + ["bar", "digit", "letter", "letters"]
AUX_COLOURS = ["none"] + scenes.COLOURS
AUX_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
IGNORE = -100


class Text:
    def __init__(self):
        self.tokenizer = tok.build()
        self.size = self.tokenizer.get_vocab_size()
        self.special = {t: self.tokenizer.token_to_id(t) for t in tok.SPECIAL}
        self.before = self.encode("<|im_start|>user\n<|vision_start|>")
        self.after = self.encode("<|vision_end|>")
        self.pad = self.special["<|endoftext|>"]
        self.cache = {}

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def segment(self, question, answer):
        """-> (prompt ids, answer ids)"""
        key = (question, answer)
        if key not in self.cache:
            self.cache[key] = (self.encode(f"{question}<|im_end|>\n<|im_start|>assistant\n"),
                               self.encode(f"{answer}<|im_end|>"))
        return self.cache[key]


class Layout:
    """Where everything lies in a row: prefix with the picture, then segments that see the prefix and themselves only.
    Every segment has the positions that it would have alone after the picture."""

    def __init__(self, text, size, lengths):
        gh, gw = size[0] // scenes.UNIT, size[1] // scenes.UNIT
        first = len(text.before)
        self.image = (first, first + gh * gw)
        self.prefix = text.before + [text.special["<|image_pad|>"]] * (gh * gw) + text.after
        start = first + max(gh, gw)
        after = [start + i for i in range(len(text.after))]
        rows, columns = np.divmod(np.arange(gh * gw), gw)
        pos = [[*range(first), *axis, *after] for axis in (np.full(gh * gw, first), first + rows, first + columns)]
        self.starts, self.lengths = [], lengths
        self.blocks = [[1, len(self.prefix)]]  # (count, length): runs of segments of equal length
        for n in lengths:
            self.starts.append(len(pos[0]))
            for axis in pos:
                axis += [after[-1] + 1 + i for i in range(n)]
            if n == self.blocks[-1][1] and len(self.blocks) > 1:
                self.blocks[-1][0] += 1
            else:
                self.blocks.append([1, n])
        self.length = len(pos[0])
        self.positions = torch.tensor(np.array(pos))


class Batches:
    """Batch of (seed, step, type): pictures, ids, targets, kinds, auxiliary targets."""

    def __init__(self, text, seed, standard=False, unseen=None):
        self.text, self.seed, self.standard, self.unseen = text, seed, standard, unseen
        self.sprites = scenes.Sprites(seed)
        self.layouts = {}

    def layout(self, size, type):
        key = size, type
        if key not in self.layouts:
            lengths = ([LONG[type]] if type in LONG else []) + [SHORT[type]] * QUESTIONS[type]
            self.layouts[key] = Layout(self.text, size, lengths)
        return self.layouts[key]

    def _questions(self, scene, type, rng):
        """One per segment: (kind, question, answer) or None."""
        kinds = scenes.KINDS_OF_TYPE[type]
        short = [k for k in kinds if k in WEIGHTS and (type == "text" or k not in scenes.LONG)]
        p = np.array([WEIGHTS[k] for k in short])
        wording, found = 0 if self.standard else None, []
        n = QUESTIONS[type]
        for kind in rng.choice(short, 3 * n, p=p / p.sum()):
            qa = scenes.ask(scene, str(kind), rng, wording)
            if qa and len(found) < n and (str(kind), *qa) not in found:
                found.append((str(kind), *qa))
        found += [None] * (n - len(found))
        if type in LONG:
            kind = [k for k in kinds if k in scenes.LONG][int(rng.random() < 0.35)]  # to list, or "what"
            qa = scenes.ask(scene, kind, rng, wording)
            found.insert(0, qa and (kind, *qa))
        if self.standard:
            return found
        return [f and (f[0], scenes.restyle(f[1], rng), f[2]) for f in found]

    def get(self, step, type, count):
        rng = np.random.default_rng([self.seed, step, scenes.KINDS.index(scenes.KINDS_OF_TYPE[type][0])])
        size = scenes.SIZES[int(rng.choice(len(scenes.SIZES), p=scenes.SIZE_SHARES))]
        layout = self.layout(size, type)
        images = np.empty((count, *size, 3), np.uint8)
        ids = np.full((count, layout.length), self.text.pad)
        targets = np.full((count, layout.length), IGNORE)
        aux = np.zeros((3, count, size[0] // scenes.UNIT, size[1] // scenes.UNIT), np.int64)
        owners = []
        for b in range(count):
            scene = scenes.draw(rng, self.sprites, size, type, unseen=self.unseen)
            images[b] = scene.image
            _mark(scene, aux[:, b])
            ids[b, :len(layout.prefix)] = layout.prefix
            for start, room, item in zip(layout.starts, layout.lengths, self._questions(scene, type, rng)):
                if not item:
                    continue
                prompt, answer = self.text.segment(*item[1:])
                n, m = len(prompt), len(answer)
                assert n + m <= room + 1, item
                ids[b, start:start + n + m - 1] = prompt + answer[:-1]
                targets[b, start + n - 1:start + n + m - 1] = answer
                owners.append((item[0], b, start + n - 1, m))
        pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float().sub_(MEAN).div_(STD)
        return dict(pixels=pixels, ids=torch.from_numpy(ids), targets=torch.from_numpy(targets), layout=layout,
                    aux=torch.from_numpy(aux), owners=owners)


def _mark(scene, aux):
    """Colour, shape and character of what has its centre in each cell. aux [3, gh, gw]"""
    for t in scene.things:
        row, column = min(int(t.y // scenes.UNIT), aux.shape[1] - 1), min(int(t.x // scenes.UNIT), aux.shape[2] - 1)
        aux[0, row, column] = AUX_COLOURS.index(t.colour)
        aux[1, row, column] = AUX_SHAPES.index(t.shape)
        if t.shape in ("digit", "letter"):
            aux[2, row, column] = 1 + AUX_CHARACTERS.index(t.text)


# ---------------------------------------------------------------- optimiser


def orthogonalise(g, steps=5):
    """Newton-Schulz in bf16 on a stack of equal shapes (torch's own Muon takes one matrix at a time). g [K, m, n]"""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g)
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        s = x @ x.transpose(1, 2)
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon:
    """Momentum and orthogonal updates for matrices, grouped by shape; AdamW for all else."""

    def __init__(self, named, lr=0.02, adam_lr=3e-3):
        matrix = [(n, p) for n, p in named if p.ndim == 2 and not any(k in n for k in ("embed", "lm_head", "aux"))]
        chosen = {n for n, _ in matrix}
        self.groups = {}
        for n, p in matrix:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momentum = {s: torch.zeros(len(ps), *s) for s, ps in self.groups.items()}
        self.lr, self.adam_lr = lr, adam_lr
        self.adam = torch.optim.AdamW([p for n, p in named if n not in chosen], lr=adam_lr, betas=(0.9, 0.97), weight_decay=0.0)

    @torch.no_grad()
    def step(self, scale):
        for shape, params in self.groups.items():
            if params[0].grad is None and all(p.grad is None for p in params):
                continue
            g = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in params])
            m = self.momentum[shape].mul_(0.95).add_(g)
            update = orthogonalise(g + 0.95 * m)
            size = self.lr * scale * max(1.0, shape[0] / shape[1]) ** 0.5
            for p, u in zip(params, update):
                if p.grad is not None:
                    p.mul_(1 - 0.01 * self.lr * scale).sub_(size * u)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * scale
        self.adam.step()

    def state_dict(self):
        return {"momentum": self.momentum, "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        self.momentum = state["momentum"]
        self.adam.load_state_dict(state["adam"])


# ---------------------------------------------------------------- losses


class Aux(torch.nn.Module):
    """Names the colour, shape and character in each cell from the tower's last layer; dropped on export."""

    def __init__(self):
        super().__init__()
        width = CONFIG["vision"]["hidden_size"] * 4
        self.norm = torch.nn.LayerNorm(width)
        self.aux = torch.nn.ModuleList(torch.nn.Linear(width, n) for n in (len(AUX_COLOURS), len(AUX_SHAPES), 1 + len(AUX_CHARACTERS)))

    def forward(self, raw, targets):  # raw [B, N, D], targets [3, B, gh, gw] -> loss, accuracy on filled cells [3]
        x = self.norm(raw.reshape(raw.shape[0], -1, raw.shape[-1] * 4))
        loss, right = 0.0, []
        for head, t in zip(self.aux, targets.flatten(2)):
            logits = head(x).float().flatten(0, 1)
            t = t.flatten()
            # cells with something in them count four times as much as empty ones
            weight = torch.where(t > 0, 4.0, 1.0)
            loss = loss + (F.cross_entropy(logits, t, reduction="none") * weight).sum() / weight.sum()
            full = t > 0
            right.append((logits.argmax(-1)[full] == t[full]).float().mean().item() if full.any() else float("nan"))
        return loss, right


def answer_loss(model, batch):
    """-> loss, right [K], logits' flat places, tower output"""
    targets = batch["targets"].flatten()
    wanted = (targets != IGNORE).nonzero()[:, 0]
    logits, raw = model(batch["pixels"], batch["ids"], batch["layout"], wanted)
    logits = logits.float()
    return F.cross_entropy(logits, targets[wanted]), logits, wanted, raw


@torch.no_grad()
def evaluate(model, batches, rounds=2):
    """Accuracy of whole answers per kind (greedy: an answer is right when each of its tokens is the likeliest)."""
    hits = {}
    for step in range(rounds):
        for type, count in BATCH.items():
            batch = batches.get(step, type, count * 2)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                _, logits, wanted, _ = answer_loss(model, batch)
            right = torch.zeros(batch["targets"].numel(), dtype=torch.bool)
            right[wanted] = logits.argmax(-1) == batch["targets"].flatten()[wanted]
            right = right.view(batch["targets"].shape)
            for kind, b, start, n in batch["owners"]:
                hits.setdefault(kind, []).append(bool(right[b, start:start + n].all()))
    return {k: sum(v) / len(v) for k, v in hits.items()}


# ---------------------------------------------------------------- run


def rate(step, args):
    """Up, flat, then linearly to zero."""
    if step < args.vision_steps:
        return min(1.0, (step + 1) / 50)
    warm = min(1.0, (step - args.vision_steps + 1) / 100)
    left = (args.steps - step) / (args.steps * args.decay)
    return min(warm, max(left, 0.0), 1.0)


def save(path, **state):
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--steps", type=int, default=4500)
    p.add_argument("--vision-steps", type=int, default=900)
    p.add_argument("--decay", type=float, default=0.35, help="share of the steps over which the rate falls to zero")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=int, default=250, help="steps between evaluations and checkpoints")
    p.add_argument("--compile", action="store_true", help="fuse small functions (needs a C++ compiler); a fifth faster")
    args = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.state.mkdir(parents=True, exist_ok=True)

    if args.compile:
        fuse()
    text = Text()
    model, aux = TinyVL(text.size), Aux()
    named = list(model.named_parameters()) + [("aux." + n, p) for n, p in aux.named_parameters()]
    optimiser = Muon(named)
    start, active = 0, 0.0
    checkpoint = args.state / "state.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        aux.load_state_dict(state["aux"])
        optimiser.load_state_dict(state["optimiser"])
        start, active = state["step"], state["active"]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, vocabulary {text.size}, from step {start}", flush=True)

    train = Batches(text, args.seed)
    held_out, unseen = Batches(text, args.seed + 1, standard=True), Batches(text, args.seed + 2, standard=True, unseen=True)
    curve = args.state / "curve.csv"
    begun, mean, draw_time = time.time() - active, None, 0.0
    total = sum(BATCH.values())
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    for step in range(start, args.steps):
        for _, q in named:
            q.grad = None
        losses, answers = 0.0, 0.0
        for type, count in BATCH.items():
            t0 = time.time()
            batch = train.get(step, type, count)
            draw_time += time.time() - t0
            with torch.autocast("cpu", dtype=torch.bfloat16):
                if step < args.vision_steps:
                    loss, right = aux(model.visual(batch["pixels"])[2], batch["aux"])
                else:
                    loss, _, _, raw = answer_loss(model, batch)
                    answers += loss.item() * count / total
                    loss = loss + 0.2 * aux(raw, batch["aux"])[0]
            (loss * (count / total)).backward()
            losses += loss.item() * count / total
        optimiser.step(rate(step, args))
        mean = losses if mean is None else 0.98 * mean + 0.02 * losses
        if (step + 1) % 25 == 0:
            print(f"step {step + 1} loss {mean:.4f} answers {answers:.4f} {time.time() - begun:.0f} s, drawing {draw_time:.0f} s"
                  + (f" cells {right}" if step < args.vision_steps else ""), flush=True)
        due = (step + 1) % args.every == 0 or step + 1 == args.steps
        if due or stop:
            active = time.time() - begun
            save(checkpoint, model=model.state_dict(), aux=aux.state_dict(), optimiser=optimiser.state_dict(),
                 step=step + 1, active=active)
            if stop:
                print("stopped; the same command goes on", flush=True)
                return
            if step + 1 > args.vision_steps:
                table = evaluate(model, held_out)
                new = evaluate(model, unseen, 1)
                table |= {"unseen_" + k: new[k] for k in ("colour_of_shape", "shape_of_colour", "where", "list") if k in new}
                record(curve, step + 1, active, mean, table)
    print("done", flush=True)


def record(path, step, active, loss, table):
    kinds = scenes.KINDS + ["unseen_colour_of_shape", "unseen_shape_of_colour", "unseen_where", "unseen_list"]
    first = not path.exists()
    with path.open("a", newline="") as f:
        out = csv.writer(f)
        if first:
            out.writerow(["step", "seconds", "loss", *kinds])
        out.writerow([step, round(active), round(loss, 4), *(f"{table[k]:.3f}" if k in table else "" for k in kinds)])
    print("  ".join(f"{k} {100 * v:.0f}" for k, v in table.items()), flush=True)


if __name__ == "__main__":
    main()
