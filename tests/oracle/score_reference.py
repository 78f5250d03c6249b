"""What `azimuth score` must write, computed by transformers: one forward pass over prompt and completion together.

The completion is text behind the prompt: its tokens are marked as text, and the model's own code gives them positions.
"""

import torch

from reference_trace import read_samples


def completion_ids(reference, line):
    """Of a line of samples.jsonl: the ids, or those of the text by itself."""
    if "completion_ids" in line:
        return line["completion_ids"]
    return reference.tokenizer(line["completion"], add_special_tokens=False)["input_ids"]


def request_of(line):
    """The trace request with the prompt of one line; paths are relative to the working directory."""
    request = {"processor_kwargs": line.get("processor_kwargs")}
    if "messages" in line:
        request["conversations"] = [line["messages"]]
    else:
        request["prompts"], request["images"] = [line["prompt"]], [line.get("images", [])]
    return request


def joined(inputs, ids):
    """The processor's output with `ids` behind the prompt, as text that is attended to."""
    longer = dict(inputs)
    new = torch.tensor([ids], dtype=inputs["input_ids"].dtype)
    longer["input_ids"] = torch.cat([inputs["input_ids"], new], dim=1)
    for name, value in (("attention_mask", 1), ("token_type_ids", 0), ("mm_token_type_ids", 0)):
        if name in inputs:
            filler = torch.full_like(new, value, dtype=inputs[name].dtype)
            longer[name] = torch.cat([inputs[name], filler], dim=1)
    return longer


@torch.no_grad()
def score(reference, line, temperature=1.0, top=0):
    """The line of scores.jsonl, without its key; with `top_margins`, by which the alternatives of a token differ."""
    renderer = reference.processor if reference.multimodal else reference.tokenizer
    request = request_of(line)
    sample = read_samples(request, renderer)[0]
    inputs = reference.encode([sample], request)
    ids = completion_ids(reference, line)
    prompt = inputs["input_ids"].shape[1]
    logits = reference.prompt_pass(joined(inputs, ids))[0][0] if ids else torch.zeros(0, 1)
    log_p = torch.log_softmax(logits[prompt - 1 : -1].to(torch.float64) / temperature, dim=-1)
    out = {"id": line["id"], "prompt_tokens": prompt, "completion_ids": ids}
    out["logprobs"] = [float(log_p[i, token]) for i, token in enumerate(ids)]
    out["entropies"] = (-(log_p.exp() * log_p).sum(-1)).tolist()
    if top:
        best = log_p.topk(top + 1, dim=-1)
        out["top_ids"] = best.indices[:, :top].tolist()
        out["top_margins"] = (best.values[:, :-1] - best.values[:, 1:]).tolist()
    return out
