"""What LLaVA, LLaVA-NeXT and LLaVA-OneVision share: decoders with their tokenizers, projector, file conventions, requests."""

import copy

import numpy

from . import checkpoint, media, templates, text_only, tokenizer, vit_tower

# How a decoder is published: its tokenizer, its template, and the tokens that end a text.
VOICES = {
    "vicuna": (tokenizer.llama2_tokenizer, templates.LLAVA_VICUNA, ["</s>", "<pad>"]),
    "mistral": (tokenizer.llama2_tokenizer, templates.LLAVA_MISTRAL, ["</s>", "<pad>"]),
    "llama3": (tokenizer.llama3_tokenizer, templates.LLAVA_LLAMA3, ["<|eot_id|>", "<|end_of_text|>"]),
    "qwen": (tokenizer.qwen_tokenizer, templates.LLAVA_QWEN, ["<|im_end|>", "<|endoftext|>"]),
}
DECODER_OF_VOICE = {"vicuna": "llama", "mistral": "mistral", "llama3": "llama", "qwen": "qwen2"}


def write_tokenizer(draw, folder, voice, media_tokens):
    """Writes tokenizer and template; returns ({added token: id}, count of ids, the tokens that end a text)."""
    make, template, ends = VOICES[voice]
    in_tokenizer = text_only.write_template(draw, folder, template, ["jinja", "json", "jinja"])
    if voice in ("vicuna", "mistral"):
        ids, count = make(folder, draw, in_tokenizer, added=(*media_tokens, "<pad>"))
    else:
        known = tokenizer.LLAMA3_SPECIALS if voice == "llama3" else tokenizer.QWEN_SPECIALS[:3]
        ids, count = make(folder, draw, in_tokenizer, specials=(*known, *media_tokens))
    return ids, count, ends


def text_config(draw, kind):
    sizes = text_only.sizes(draw)
    heads = sizes["num_attention_heads"]
    config = {"model_type": kind, **sizes, "rope_parameters": text_only.rope_parameters(draw)}
    if kind == "qwen2":
        config["hidden_size"] = heads * draw.pick("text.head_dim", [8, 10, 16])
        config.update(text_only.sliding_window(draw))
        return config
    config["hidden_size"] = heads * draw.pick("text.hidden_per_head", [8, 12, 16])
    head_dim = draw.odd("text.own_head_dim", 0.3, [8, 12, 16])
    if head_dim:
        config["head_dim"] = head_dim
    if kind == "mistral":
        config["sliding_window"] = draw.pick("text.window", [None, None, 5, 40])
    else:
        config["attention_bias"] = draw.chance("text.bias", 0.2)
        config["mlp_bias"] = draw.chance("text.mlp_bias", 0.2)
    return config


def feature_choice(draw, vision):
    """vision_feature_layer and vision_feature_select_strategy."""
    layers = vision["num_hidden_layers"]  # 0 itself counts as "none" in the reference, whose -layers - 1 is the same state
    layer = draw.pick("model.feature_layer", [-2, -2, -1])
    layer = draw.odd("model.odd_feature_layer", 0.3, [[-2, -1], [0, layers], [-1, 1, -1], 1, layers, -layers - 1], layer)
    return {"vision_feature_layer": layer}


def projector_choice(draw):
    config = {"projector_hidden_act": "gelu"}
    odd = {"gelu_pytorch_tanh": "gelu_pytorch_tanh", "silu": "silu", "relu": "relu"}
    config["projector_hidden_act"] = draw.odd("model.projector_act", 0.2, list(odd), "gelu")
    bias = draw.odd("model.no_projector_bias", 0.2)
    if bias:
        config["multimodal_projector_bias"] = False
    return config


def tensors_of(draw, model_class, hf_config):
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(model_class, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        noise = rng.standard_normal(shape)
        if ".vision_tower." in name:
            tensors[name] = vit_tower.tensor(name, shape, rng, draw, vision_scale)
        elif "multi_modal_projector" in name:
            gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "model.projector")
            if "linear_1" in name:
                spread = gain_in / numpy.sqrt(shape[-1]) / vision_scale if noise.ndim == 2 else 0.4
                tensors[name] = spread * noise + (mean if noise.ndim == 1 else 0.0)
            else:
                tensors[name] = scale * (0.2 if noise.ndim == 1 else gain_out / numpy.sqrt(shape[-1])) * noise
        elif name.endswith("image_newline"):
            tensors[name] = scale * noise
        else:
            tensors[name] = checkpoint.text_tensor(name, shape, rng, scale, 1.2)
    return tensors


def renamed(name, convention):
    """A parameter of transformers 5 in the names of published files ("old"), of 4.52 to 4.57 ("v4"), or as it is."""
    if convention == "v5":
        return name
    name = name.replace("model.vision_tower.", "model.vision_tower.vision_model.")
    if convention == "v4":
        return name
    name = name.replace("model.language_model.", "language_model.model.").replace("lm_head.", "language_model.lm_head.")
    return name.removeprefix("model.")


def write_checkpoint(draw, folder, model_class, config, tie):
    """config: what all forms of config.json have in common."""
    hf_config = model_class.config_class(**copy.deepcopy(config))
    tensors = tensors_of(draw, model_class, hf_config)
    convention = draw.pick("files.names", ["old", "v4", "v5"])
    tensors = {renamed(name, convention): value for name, value in tensors.items()}
    if draw.odd("files.unused", 0.1):
        tensors[renamed("model.vision_tower.embeddings.position_ids", convention)] = numpy.arange(3.0)
    checkpoint.write_weights(draw, folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 5:
        document = checkpoint.v5_document(hf_config, folder, model_class.__name__, dtype)
    else:
        text = checkpoint.v4_rope(config["text_config"])
        document = {
            "architectures": [model_class.__name__], "model_type": hf_config.model_type, "ignore_index": -100,
            **config, "text_config": {**text, "torch_dtype": dtype}, "torch_dtype": dtype, "transformers_version": "4.40.0",
        }  # fmt: skip
        if draw.odd("files.few_keys", 0.2) and not tie:
            document["text_config"].pop("tie_word_embeddings", None)
            document.pop("tie_word_embeddings", None)
    checkpoint.write_json(folder / "config.json", document)


# Flags of image processors that published and fine-tuned checkpoints change.
PROCESSOR_FLAGS = [
    {"do_rescale": False, "do_normalize": False}, {"do_normalize": False}, {"resample": 2}, {"resample": 1},
    {"rescale_factor": 0.00784313725490196, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
    {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": True},
]  # fmt: skip
PROCESSOR_OPTIONS = [
    {"images_kwargs": {"do_normalize": False}}, {"do_rescale": False}, {"images_kwargs": {"resample": 2}},
    {"text_kwargs": {"add_special_tokens": False}}, {"do_normalize": False}, {},
    {"images_kwargs": {"do_pad": True}}, {"do_resize": True, "resample": 3}, {"images_kwargs": {"rescale_factor": 0.01}},
]  # fmt: skip


def image_processor(draw, name, defaults):
    """The settings of an image processor of class `name` and whether Pillow resizes."""
    pil = draw.chance("processor.pil", 0.12)
    settings = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": draw.pick("processor.mean", [[0.5, 0.5, 0.5], [0.48145466, 0.4578275, 0.40821073]]),
        "image_std": draw.pick("processor.std", [[0.5, 0.5, 0.5], [0.26862954, 0.26130258, 0.27577711]]),
        "resample": 3, "rescale_factor": 1 / 255, **defaults,
    }  # fmt: skip
    settings.update(draw.odd("processor.flags", 0.25, PROCESSOR_FLAGS, {}))
    suffix = "Pil" if pil else draw.odd("processor.fast", 0.3, ["Fast"], "")
    return {"image_processor_type": name + suffix, **settings}


def write_processor(draw, folder, processor, image, video=None):
    """Processor files in one of the published forms. processor: {"processor_class", counts of tokens}."""
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        document = {**processor, "image_processor": image}
        if video:
            document["video_processor"] = video
        checkpoint.write_json(folder / "processor_config.json", document)
        return
    checkpoint.write_json(folder / "processor_config.json", processor)
    checkpoint.write_json(folder / "preprocessor_config.json", {**image, "processor_class": processor["processor_class"]})
    if video:
        checkpoint.write_json(folder / "video_preprocessor_config.json", video)


def text_part(draw, name):
    return {"type": "text", "text": text_only.line(draw, name)}


def user_content(draw, name, folder, factor, kinds, write_video=None):
    """Content parts of one user turn; kinds: letters i (image), v (video), t (text)."""
    kind = draw.pick(f"{name}.parts", kinds)
    make = {
        "t": lambda i: text_part(draw, f"{name}.text{i}"),
        "i": lambda i: {"type": "image", "image": media.write_picture(draw, f"{name}.image{i}", factor, folder)},
        "v": lambda i: write_video(f"{name}.video{i}"),
    }
    parts = [make[letter](i) for i, letter in enumerate(kind)]
    if kind == "t" and draw.odd(f"{name}.string", 0.3):  # the templates look for parts, so that the text is lost
        return parts[0]["text"]
    return parts


def parts_of(messages):
    """Content parts of all turns; a string is one of text."""
    contents = [message["content"] for message in messages]
    return [part for c in contents for part in ([{"type": "text", "text": c}] if isinstance(c, str) else c)]


def raw_prompt(messages):
    """Text and placeholders without a template, as evaluation scripts write them."""
    marks = {"image": "<image>\n", "video": "<video>\n"}
    parts = parts_of(messages)
    return "USER: " + "".join(part["text"] if part["type"] == "text" else marks[part["type"][:5]] for part in parts) + " ASSISTANT:"


def request(draw, folder, factor, kinds, voice, options=PROCESSOR_OPTIONS, write_video=None):
    body = {"max_new_tokens": draw.pick("request.new_tokens", [3, 6, 12, 24])}
    conversations = []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        name, messages = f"sample{i}", []
        if voice != "vicuna" and draw.chance(f"{name}.system", 0.2):
            messages.append({"role": "system", "content": [{"type": "text", "text": "You are a helpful assistant."}]})
        turns = draw.pick(f"{name}.turns", [1, 1, 1, 2])
        for turn in range(turns):
            content = user_content(draw, f"{name}.turn{turn}", folder, factor, kinds, write_video)
            messages.append({"role": "user", "content": content})
            if turn + 1 < turns:
                messages.append({"role": "assistant", "content": [text_part(draw, f"{name}.answer{turn}")]})
        conversations.append(messages)
    body["conversations"] = conversations
    form = draw.odd("request.form", 0.25, ["raw", "both"], "chat")
    if form != "chat":
        body["prompts"] = [raw_prompt(messages) for messages in conversations]
    if form == "raw":
        parts = [[p for p in parts_of(messages) if p["type"] != "text"] for messages in body.pop("conversations")]
        body["images"] = [[p["image"] for p in sample if p["type"] == "image"] for sample in parts]
        body["videos"] = [[p for p in sample if p["type"].startswith("video")] for sample in parts]
        for name in ("images", "videos"):
            if not any(body[name]):
                del body[name]
    elif form == "chat" and draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    chosen = draw.odd("request.options", 0.25, options, None)
    if chosen is not None:
        body["processor_kwargs"] = chosen
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def begin(draw, folder, media_tokens=("<image>",), voices=tuple(VOICES)):
    """Writes tokenizer, template and generation config; returns (model folder, text config, token ids, voice, tied)."""
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    voice = draw.pick("text.voice", voices)
    ids, count, ends = write_tokenizer(draw, model_folder, voice, media_tokens)
    text_only.write_generation_config(draw, model_folder, ids, ends, count)
    text = text_config(draw, DECODER_OF_VOICE[voice])
    tie = text.pop("tie_word_embeddings")
    text.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), eos_token_id=ids[ends[0]],
        bos_token_id=ids.get("<s>", ids.get("<|begin_of_text|>")), tie_word_embeddings=tie,
    )  # fmt: skip
    return model_folder, text, ids, voice, tie


# What every golden case has unless it says otherwise: small, and without the rare choices.
SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "files.processor": "v5", "files.names": "v5",
    "processor.pil": False, "request.samples": 1, "request.stops": False, "request.padded": False, "request.new_tokens": 12,
    "sample0.turns": 1, "tokenizer.merges": 60, "text.layers": 2, "text.kv_heads": 1,
    "text.group": 3, "text.intermediate": 52, "text.scale": 0.3,
    "text.tie": False, "text.act": "silu", "vision.heads": 2, "vision.head_dim": 8, "vision.layers": 3, "vision.patch": 6,
    "vision.side": 3, "vision.intermediate": 36, "vision.scale": 0.1,
}  # fmt: skip
