"""What the text-only families share: their requests, their files and a frame for their odd sizes."""

import copy

import numpy

from . import checkpoint, templates, tokenizer

LINES = [
    "What is in the picture?",
    "Count from 1 to 10: 1, 2, 3",
    "Schöne Grüße aus Köln, it's the 3rd time we've met!",
    "写一句话描述它。  Two  spaces\n\n\tand a tab",
    "naïve café — 12345 boats 🚢 and <b>tags</b>",
    "ok",
]

ODD_LINES = [
    "cafe\u0301 A\u030angstro\u0308m \u2126 \ufb01n \u00bd",  # what normalisers change
    "<think>\nIs it red?\n</think>\n\nIt is. <tool_call>",  # added tokens that are not special
    "tabs\tand\r\nline ends \u2028 \u00a0 \u3000  ",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0627\u0644\u0633\u0644\u0627\u0645 1\u0660\u0967",
    "It's I'LL we'VE 3,141.59 -- {{ braces }} {% percent %}",
    " ",
]
# Special tokens count in raw prompts.
RAW_LINES = ["<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|begin_of_text|>Hi <|eot_id|> there", "<|endoftext|>"]


def line(draw, name):
    return draw.odd(f"{name}.odd", 0.2, ODD_LINES, draw.pick(name, LINES))


def raw_line(draw, name):
    return draw.odd(f"{name}.raw", 0.2, RAW_LINES, line(draw, name))


def sizes(draw):
    """The sizes that every decoder has; head_dim is seldom hidden / heads."""
    kv_heads = draw.pick("text.kv_heads", [1, 2, 3])
    return {
        "hidden_size": draw.pick("text.hidden", [40, 48, 56, 64]),
        "intermediate_size": draw.pick("text.intermediate", [52, 72, 92, 120]),
        "num_hidden_layers": draw.pick("text.layers", [2, 3]),
        "num_attention_heads": kv_heads * draw.pick("text.group", [1, 2, 3, 4]),
        "num_key_value_heads": kv_heads,
        "hidden_act": draw.pick("text.act", ["silu", "silu", "gelu_pytorch_tanh"]),
        "rms_norm_eps": draw.pick("text.eps", [1e-6, 1e-5]),
        "tie_word_embeddings": draw.chance("text.tie", 0.5),
        "max_position_embeddings": 4096,
    }


def scaling(draw, kind):
    """The keys of one kind of frequency scaling."""
    if kind == "linear":
        return {"rope_type": kind, "factor": draw.pick("text.rope_factor", [2.0, 3.5])}
    if kind == "llama3":
        return {
            "rope_type": kind, "factor": draw.pick("text.rope_factor", [8.0, 32.0]), "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": draw.pick("text.rope_original", [32, 64, 8192]),
        }  # fmt: skip
    if kind == "yarn":
        original = draw.pick("text.rope_original", [32, 1024])
        extra = draw.odd("text.yarn", 0.4, YARN_KEYS, {})
        return {"rope_type": kind, "factor": 4.0, "original_max_position_embeddings": original, **extra}
    return {}


YARN_KEYS = [
    {"beta_fast": 16.0, "beta_slow": 2.0}, {"attention_factor": 0.9}, {"truncate": False},
    {"mscale": 1.2, "mscale_all_dim": 0.7},
]  # fmt: skip


def rope_parameters(draw):
    """Plain, linear, or Llama 3's scaling, in the form of transformers 5."""
    rope = {"rope_theta": draw.pick("text.theta", [10000.0, 500000.0, 1000000.0, 37.5]), "rope_type": "default"}
    rope.update(scaling(draw, draw.pick("text.rope", ["default", "default", "linear", "llama3", "yarn"])))
    return rope


def grow_rope(draw, config):
    """Now and then, frequencies that follow the length, from a trained length that short requests leave."""
    kind = draw.odd("text.rope_grows", 0.15, ["dynamic", "longrope"])
    if not kind:
        return
    trained = draw.pick("text.rope_trained", [24, 40, 64])
    rope = {"rope_theta": config["rope_parameters"]["rope_theta"], "rope_type": kind, "factor": 16.0}
    if kind == "dynamic":
        config["max_position_embeddings"] = trained
    else:
        factors = draw.stream("text.rope_factors").uniform(1.0, 6.0, (2, config["head_dim"] // 2))
        rope["short_factor"], rope["long_factor"] = [[round(float(f), 3) for f in row] for row in factors]
        rope["original_max_position_embeddings"] = trained
    config["rope_parameters"] = rope


def sliding_window(draw):
    """Qwen's windows: off, or a short one on the layers from max_window_layers on."""
    if not draw.chance("text.window", 0.3):
        return {"use_sliding_window": False, "sliding_window": None, "max_window_layers": 28}
    return {"use_sliding_window": True, "sliding_window": draw.pick("text.window_keys", [3, 9, 20]), "max_window_layers": 1}


def conversation(draw, name):
    messages = []
    if draw.chance(f"{name}.system", 0.4):
        messages.append({"role": "system", "content": "You are a helpful assistant."})
    turns = draw.pick(f"{name}.turns", [1, 1, 2])
    for turn in range(turns):
        messages.append({"role": "user", "content": line(draw, f"{name}.line{turn}")})
        if turn + 1 < turns:
            messages.append({"role": "assistant", "content": line(draw, f"{name}.answer{turn}")})
    return messages


def request(draw):
    samples = draw.pick("request.samples", [1, 2, 3])
    body = {"max_new_tokens": draw.pick("request.new_tokens", [4, 12, 24])}
    if draw.made.get("text.rope_grows"):
        # The reference keeps the largest length of all samples that it has seen, so it sees one.
        samples = 1
        body["frequencies"] = "as-reference"
    if draw.chance("request.raw", 0.3):
        body["prompts"] = [raw_line(draw, f"prompt{i}") for i in range(samples)]
    else:
        body["conversations"] = [conversation(draw, f"sample{i}") for i in range(samples)]
        if draw.odd("request.both", 0.1):
            body["prompts"] = [raw_line(draw, f"prompt{i}") for i in range(samples)]
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def write_generation_config(draw, folder, ids, eos_names, vocab):
    """Ends of text: the family's own and a handful of plain tokens, so that some greedy texts do end early."""
    if draw.odd("files.no_generation_config", 0.1):
        return
    extra = draw.stream("generation.eos").integers(0, vocab, 40)
    eos = sorted({ids[name] for name in eos_names} | {int(i) for i in extra})
    checkpoint.write_json(
        folder / "generation_config.json",
        {"eos_token_id": eos, "pad_token_id": ids[eos_names[-1]], "do_sample": True, "temperature": 0.7, "top_k": 20},
    )


def write_template(draw, folder, template, choices):
    """Puts the template where a published checkpoint may have it; returns what tokenizer_config.json shall hold."""
    place = draw.pick("files.template", choices)
    if place == "jinja":
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    elif place == "json":
        checkpoint.write_json(folder / "chat_template.json", {"chat_template": template})
    if place == "tokenizer":
        return template
    other = "{{ 'not this one' }}"
    if place == "json" and draw.odd("files.unread_jinja", 0.2):
        (folder / "chat_template.jinja").write_text(other, encoding="utf-8")
    return draw.odd("files.second_template", 0.3, [other], None)


def write(draw, folder, config, model_class, kind, text_tensor=checkpoint.text_tensor, saved=None):
    """Writes a text-only checkpoint and its request. kind: 'qwen' or 'llama3' (tokenizer and template)."""
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    template = templates.CHATML if kind == "qwen" else templates.LLAMA3
    in_tokenizer = write_template(draw, model_folder, template, ["jinja", "tokenizer"])
    make = tokenizer.qwen_tokenizer if kind == "qwen" else tokenizer.llama3_tokenizer
    ids, count = make(model_folder, draw, in_tokenizer)
    config["vocab_size"] = count + draw.pick("text.spare_rows", [0, 7, 30])
    eos_names = ["<|im_end|>", "<|endoftext|>"] if kind == "qwen" else ["<|eot_id|>", "<|end_of_text|>"]
    config["eos_token_id"] = ids[eos_names[0]]
    config["bos_token_id"] = ids.get("<|begin_of_text|>")
    write_generation_config(draw, model_folder, ids, eos_names, count)

    hf_config = model_class.config_class(**copy.deepcopy(config))
    scale = draw.pick("text.scale", [0.03, 0.3, 1.0])
    shapes = checkpoint.parameter_shapes(model_class, hf_config)
    tensors = {}
    for name, shape in shapes.items():
        tensors[name] = text_tensor(name, shape, draw.stream(f"weights/{name}"), scale, 1.3)
    if saved:
        tensors = saved(draw, tensors)
    if draw.chance("files.old_inv_freq", 0.2):
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = numpy.ones(2)
    checkpoint.write_weights(draw, model_folder, tensors)

    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": [model_class.__name__], "model_type": hf_config.model_type}
        document.update(checkpoint.v4_rope(config), torch_dtype=dtype, transformers_version="4.57.3")
    else:
        document = checkpoint.v5_document(hf_config, model_folder, model_class.__name__, dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    checkpoint.write_json(folder / "request.json", request(draw))
