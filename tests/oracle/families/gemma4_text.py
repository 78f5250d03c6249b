"""The decoder of Gemma 4 alone, as Gemma4ForCausalLM saves it."""

import copy

from transformers import Gemma4ForCausalLM, Gemma4TextConfig

from . import checkpoint, gemma4, templates, text_only, tokenizer


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, templates.GEMMA4, ["jinja", "tokenizer"])
    ids, count = tokenizer.gemma_tokenizer(model_folder, draw, gemma4.SPECIALS, gemma4.NAMED, in_tokenizer)
    text_only.write_generation_config(draw, model_folder, ids, ["<turn|>", "<eos>"], count)
    config = gemma4.text_config(draw, ids, count)
    hf_config = Gemma4TextConfig(**copy.deepcopy(config))
    checkpoint.write_weights(draw, model_folder, gemma4.tensors_of(draw, Gemma4ForCausalLM, hf_config, config))
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.form", ["published", "saved"]) == "published":
        document = {"architectures": ["Gemma4ForCausalLM"], **config, "dtype": dtype}
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Gemma4ForCausalLM", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    checkpoint.write_json(folder / "request.json", text_only.request(draw))


SMALL = {name: value for name, value in gemma4.SMALL.items() if name.split(".")[0] in ("odd", "dtype", "shards", "tokenizer", "text")}
GOLDEN_CASES = {
    "gemma4_text_experts_per_layer": (2, {
        **SMALL, "text.types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        "text.per_layer": 6, "text.shared": 1, "text.moe": True, "text.experts": 3, "text.top_k": 2, "text.expert_width": 8,
        "text.group": 3, "text.soft_cap": 3.0, "text.window_keys": 9, "files.form": "saved",
        "request.samples": 2, "request.raw": False, "request.new_tokens": 12, "request.stops": False, "files.template": "jinja",
        "request.padded": True, "request.padding_side": "left", "text.bias": True, "request.no_generation_prompt": False,
    }),
}  # fmt: skip
