"""transformers' side of compare.py: one process that scores samples.jsonl and prints what it timed as JSON.

    python bench/score/reference.py CHECKPOINT SAMPLES.jsonl --dtype f32 --threads 2 --batch 4 --way padded

Ways: `padded` runs prompt and completion of every sample, padded on the left in batches, as trainers do; `shared` reads
each prompt once and runs its completions, padded on the right, behind copies of its cache. Log-probabilities and
entropies of the completions, in f32. The first pass over the samples is a warm-up; preprocessing counts, as it does for
`azimuth score`, loading does not.
"""

import argparse
import itertools
import json
import pathlib
import time

import PIL.Image
import torch
import transformers
from transformers import AutoModelForImageTextToText, AutoProcessor

HEAD_ROWS = 1024  # rows of logits whose statistics are taken at a time


class Scorer:
    def __init__(self, checkpoint, dtype, folder):
        self.processor = AutoProcessor.from_pretrained(checkpoint)
        self.model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=dtype, attn_implementation="sdpa").eval()
        self.folder = folder
        self.pad = self.processor.tokenizer.pad_token_id or 0

    def prompt(self, line):
        """The processor's output of one prompt."""
        messages = line["messages"]
        parts = [p for m in messages if isinstance(m["content"], list) for p in m["content"] if p["type"] == "image"]
        images = [PIL.Image.open(self.folder / part["image"]).convert("RGB") for part in parts]
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return self.processor(text=[text], images=images or None, return_tensors="pt")

    def statistics(self, logits, ids):
        """logits [batch, tokens, vocab], ids [batch, tokens]"""
        rows, targets = logits.flatten(0, 1), ids.flatten()
        logprobs, entropies = [], []
        for begin in range(0, len(rows), HEAD_ROWS):
            log_p = torch.log_softmax(rows[begin : begin + HEAD_ROWS].float(), dim=-1)
            logprobs.append(log_p.gather(1, targets[begin : begin + HEAD_ROWS, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(-1))
        return torch.cat(logprobs).view(ids.shape), torch.cat(entropies).view(ids.shape)

    def padded(self, lines, batch):
        logprobs = []
        for begin in range(0, len(lines), batch):
            some = lines[begin : begin + batch]
            prompts = [self.prompt(line) for line in some]
            rows = [torch.cat([p["input_ids"][0], torch.tensor(line["completion_ids"])]) for p, line in zip(prompts, some)]
            width = max(len(row) for row in rows)
            tokens = max(len(line["completion_ids"]) for line in some)
            inputs = {"input_ids": torch.full((len(rows), width), self.pad)}
            inputs["attention_mask"] = torch.zeros(len(rows), width, dtype=torch.long)
            kinds = "mm_token_type_ids" in prompts[0]
            if kinds:
                inputs["mm_token_type_ids"] = torch.zeros(len(rows), width, dtype=torch.long)
            for i, row in enumerate(rows):  # left-padded, as trainers have it
                inputs["input_ids"][i, width - len(row) :] = row
                inputs["attention_mask"][i, width - len(row) :] = 1
                if kinds:
                    prompt = prompts[i]["mm_token_type_ids"][0]
                    inputs["mm_token_type_ids"][i, width - len(row) : width - len(row) + len(prompt)] = prompt
            for name in ("pixel_values", "image_grid_thw"):
                if any(name in p for p in prompts):
                    inputs[name] = torch.cat([p[name] for p in prompts if name in p])
            logits = self.model(**inputs, logits_to_keep=tokens + 1).logits[:, :-1]
            found, _ = self.statistics(logits, inputs["input_ids"][:, -tokens:])
            logprobs += [found[i, tokens - len(line["completion_ids"]) :].tolist() for i, line in enumerate(some)]
        return logprobs

    def shared(self, lines, batch):
        logprobs = []
        for _, group in itertools.groupby(lines, key=lambda line: json.dumps(line["messages"])):
            group = list(group)
            prompt = self.prompt(group[0])
            if hasattr(self.model.model, "rope_deltas"):
                self.model.model.rope_deltas = None
            read = self.model(**prompt, use_cache=True, logits_to_keep=1)
            tokens = max(len(line["completion_ids"]) for line in group)
            ids = torch.full((len(group), tokens), self.pad)
            for i, line in enumerate(group):
                ids[i, : len(line["completion_ids"])] = torch.tensor(line["completion_ids"])
            cache = read.past_key_values
            cache.batch_repeat_interleave(len(group))
            length = prompt["input_ids"].shape[1]
            mask = torch.ones(len(group), length + tokens, dtype=torch.long)
            positions = torch.arange(length, length + tokens).expand(len(group), -1)
            deltas = getattr(self.model.model, "rope_deltas", None)
            if deltas is not None:  # three axes, on which text goes on behind the pictures
                positions = (positions + deltas.view(-1)[0]).expand(3, -1, -1)
            rest = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
            ).logits  # fmt: skip
            logits = torch.cat([read.logits[:, -1:].expand(len(group), -1, -1), rest[:, :-1]], dim=1)
            found, _ = self.statistics(logits, ids)
            logprobs += [found[i, : len(line["completion_ids"])].tolist() for i, line in enumerate(group)]
        return logprobs


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("samples", type=pathlib.Path)
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--way", choices=["padded", "shared"], required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    lines = [json.loads(line) for line in arguments.samples.read_text(encoding="utf-8").splitlines()]
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
    scorer = Scorer(arguments.checkpoint, dtype, arguments.samples.parent)
    run = getattr(scorer, arguments.way)
    run(lines, arguments.batch)
    start = time.perf_counter()
    logprobs = run(lines, arguments.batch)
    print(json.dumps({"seconds": time.perf_counter() - start, "logprobs": logprobs}))


if __name__ == "__main__":
    main()
