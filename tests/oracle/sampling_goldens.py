"""Writes tests/golden/sampling/goldens.json: what transformers' generate() does to logits, and log-probabilities.

"processed" cases come from a real generate() of a tiny random model: raw logits, history and the scores that the sampler
saw, step by step. Presence and frequency penalties are not in transformers: "penalties" follows OpenAI's formula
(logit - count * frequency - (count > 0) * presence, generated tokens only) in f32. "statistics" is torch in f64.
"""

import json
import pathlib

import torch
from transformers import LlamaConfig, LlamaForCausalLM

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "sampling"
VOCAB = 48
EOS = 3

GENERATE_CASES = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 2.5, "top_k": 5},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_k": 1000},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 0.6, "top_p": 0.3},
    {"temperature": 1.0, "top_p": 0.0},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 1.0, "min_p": 1.0},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 1.0, "repetition_penalty": 0.8},
    {"temperature": 0.9, "repetition_penalty": 1.1, "top_k": 10, "top_p": 0.95, "min_p": 0.02},
    {"temperature": 1.0, "min_new_tokens": 3},
    {"temperature": 0.0, "repetition_penalty": 1.5, "min_new_tokens": 2},
]


def floats(tensor):
    """Shortest decimals that give the same f32 or f64 back; null for -inf."""
    values = tensor.double().tolist()
    if tensor.dtype == torch.float32:
        values = [float(f"{value:.9g}") for value in values]
    return [None if value == float("-inf") else value for value in values]


def tiny_model():
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                         eos_token_id=EOS, pad_token_id=0, bos_token_id=1)
    model = LlamaForCausalLM(config).eval()
    model.lm_head.weight.data *= 25.0  # a spread of logits like that of a trained model
    return model


def generate_case(model, index, params):
    torch.manual_seed(100 + index)
    prompt = torch.randint(4, VOCAB, (1, 6))
    prompt[0, 1] = prompt[0, 4]  # a repeated token is penalised once
    options = dict(params)
    options["do_sample"] = options["temperature"] > 0
    if not options["do_sample"]:
        del options["temperature"]
    if options["do_sample"]:
        options.setdefault("top_k", 0)
    out = model.generate(prompt, max_new_tokens=4, eos_token_id=EOS, output_scores=True, output_logits=True,
                         return_dict_in_generate=True, **options)
    generated = out.sequences[0, 6:].tolist()
    steps = [{"generated": generated[:step], "logits": floats(logits[0].float()), "processed": floats(scores[0].float())}
             for step, (logits, scores) in enumerate(zip(out.logits, out.scores))]
    return {"params": params, "prompt": prompt[0].tolist(), "stop_ids": [EOS], "steps": steps}


def penalty_case(index, presence, frequency):
    torch.manual_seed(200 + index)
    logits = 5 * torch.randn(VOCAB)
    generated = torch.randint(0, 12, (9,)).tolist()
    counts = torch.bincount(torch.tensor(generated), minlength=VOCAB).float()
    processed = logits - frequency * counts
    processed = processed - presence * (counts > 0)
    return {"params": {"temperature": 1.0, "presence_penalty": presence, "frequency_penalty": frequency},
            "prompt": [1, 2, 30], "stop_ids": [],
            "steps": [{"generated": generated, "logits": floats(logits), "processed": floats(processed)}]}


def statistics_case(index, spread, temperature, masked):
    torch.manual_seed(300 + index)
    logits = spread * torch.randn(VOCAB)
    if masked:
        logits[::3] = -float("inf")
    chosen = int(torch.randint(0, VOCAB // 3, (1,))) * 3 + 1
    logprobs = torch.log_softmax(logits.double() / temperature, dim=-1)
    probs = logprobs.exp()
    entropy = -(probs * torch.where(probs > 0, logprobs, torch.zeros_like(logprobs))).sum()
    top = torch.topk(logprobs, 5)
    return {"logits": floats(logits), "temperature": temperature, "id": chosen, "logprob": float(logprobs[chosen]),
            "entropy": float(entropy), "top_ids": top.indices.tolist(), "top_logprobs": top.values.tolist()}


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    network = tiny_model()
    document = {
        "processed": [generate_case(network, i, params) for i, params in enumerate(GENERATE_CASES)],
        "penalties": [penalty_case(i, *pair) for i, pair in enumerate([(0.5, 0.0), (0.0, 0.7), (1.5, -0.25)])],
        "statistics": [statistics_case(i, *case) for i, case in enumerate(
            [(1.0, 1.0, False), (8.0, 1.0, False), (0.01, 1.0, False), (5.0, 0.5, True), (100.0, 1.0, False)])],
    }
    (GOLDEN / "goldens.json").write_text(json.dumps(document) + "\n")
