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
