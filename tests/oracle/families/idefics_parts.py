"""What the Idefics line shares: tower, connector, tiles and the requests that its three families get."""

import numpy

from . import checkpoint, media, text_only, tokenizer

FAKE, IMAGE, GLOBAL, END = "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>"


# What the golden cases have unless they say otherwise: small, and far from the published sizes.
SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "files.processor": "v5", "files.template": "jinja",
    "text.kv_heads": 2, "text.group": 2, "text.head_dim": 12, "text.hidden_per_head": 8, "text.layers": 2,
    "text.intermediate": 52, "text.act": "silu", "text.scale": 0.3, "text.tie": True, "text.spare_rows": 7,
    "vision.heads": 2, "vision.head_dim": 8, "vision.patch": 5, "vision.intermediate": 36, "vision.depth": 2,
    "vision.scale": 0.3, "vision.act": "gelu_pytorch_tanh", "processor.pil": False, "tokenizer.merges": 60,
    "request.samples": 1, "request.new_tokens": 8, "request.stops": False, "request.padded": False,
    "sample0.turns": 1, "sample0.system": False,
}  # fmt: skip


def row_col_tokens(rows, columns):
    return [f"<row_{r + 1}_col_{c + 1}>" for r in range(rows) for c in range(columns)]


# ---- sizes ------------------------------------------------------------------------------------------------------------


def llama_config(draw):
    """A Llama decoder, whose class wants hidden / heads to be whole."""
    config = {
        **text_only.sizes(draw),
        "attention_bias": draw.odd("text.bias", 0.15),
        "mlp_bias": draw.odd("text.mlp_bias", 0.15),
        "rope_parameters": text_only.rope_parameters(draw),
        "head_dim": draw.pick("text.head_dim", [8, 12, 16]),
    }
    config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.hidden_per_head", [8, 12, 16])
    return config


def mistral_config(draw):
    config = {
        **text_only.sizes(draw),
        "rope_parameters": {"rope_theta": draw.pick("text.theta", [10000.0, 1000000.0, 50.0]), "rope_type": "default"},
        "head_dim": draw.pick("text.head_dim", [8, 12, 16]),
        "sliding_window": draw.pick("text.window_keys", [None, None, 4096, 7]),
    }
    if draw.odd("text.default_head_dim", 0.3):  # hidden / heads
        config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.hidden_per_head", [8, 12, 16])
        del config["head_dim"]
    return config


def vision_config(draw):
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 16])
    patch, side = draw.pick("vision.patch", [4, 5, 6, 8]), draw.pick("vision.side", [2, 3, 4, 6, 17])
    return {
        "hidden_size": heads * head_dim,
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_hidden_layers": draw.pick("vision.depth", [1, 2, 3]),
        "num_attention_heads": heads,
        "image_size": side * patch + draw.odd("vision.image_rest", 0.2, range(1, patch), 0),
        "patch_size": patch,
        "hidden_act": draw.pick("vision.act", ["gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu", "silu"]),
        "layer_norm_eps": draw.pick("vision.eps", [1e-6, 1e-5]),
    }


# ---- weights ----------------------------------------------------------------------------------------------------------


def tensor(name, shape, draw, scale, vision_scale):
    """One tensor. scale: size of the decoder's residual stream; vision_scale: of the tower's."""
    rng = draw.stream(f"weights/{name}")
    if ".vision_model." in name:
        return tower_tensor(name, rng.standard_normal(shape), draw, vision_scale)
    if ".connector." in name:
        return connector_tensor(name, rng.standard_normal(shape), scale)
    return checkpoint.text_tensor(name, shape, rng, scale, 1.3)


def tower_tensor(name, noise, draw, scale):
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.mlp")
    bias, width = name.endswith("bias"), numpy.sqrt(numpy.prod(noise.shape[1:]))
    if "position_embedding" in name:
        return scale * noise
    if "patch_embedding.weight" in name:
        return 2 * scale / width * noise
    if "norm" in name:
        return (0.0 if bias else 1.0) + 0.25 * noise
    if "fc1" in name:
        return mean + 0.4 * noise if bias else gain_in / width * noise
    if "fc2" in name:
        return scale * (0.2 * noise if bias else gain_out / width * noise)
    if ".out_proj." in name or "patch_embedding.bias" in name:
        return scale * (0.2 * noise if bias else noise / width)
    return 0.3 * noise if bias else 1.5 / width * noise


def connector_tensor(name, noise, scale):
    width = numpy.sqrt(noise.shape[-1])
    if name.endswith("latents"):
        return scale * noise
    if "norm" in name:
        return 1.0 + 0.25 * noise
    # Perceiver layers add to the latents; everything else feeds a norm, an activation or the decoder.
    if name.endswith(("o_proj.weight", "down_proj.weight", "modality_projection.proj.weight")):
        return scale / width * noise
    return 1.4 / width * noise


# ---- files ------------------------------------------------------------------------------------------------------------

MEANS = [[0.5, 0.5, 0.5], [0.48145466, 0.4578275, 0.40821073]]
STDS = [[0.5, 0.5, 0.5], [0.26862954, 0.26130258, 0.27577711]]
FLAGS = [
    {"do_rescale": False, "do_normalize": False}, {"do_normalize": False}, {"resample": 2}, {"resample": 3},
    {"do_resize": False}, {"do_convert_rgb": True, "do_pad": True, "do_rescale": True, "rescale_factor": 1 / 255},
]  # fmt: skip


def image_processor(draw, family, size, more):
    """The image processor's config but for its class."""
    config = {
        "image_mean": draw.pick("processor.mean", MEANS),
        "image_std": draw.pick("processor.std", STDS),
        "size": size,
        **more,
        **draw.odd("processor.flags", 0.25, FLAGS, {}),
    }
    if draw.odd("processor.resample_saved", 0.4):
        config.setdefault("resample", 2 if family == "Idefics2" else 1)
    return config


def write_processor_files(draw, folder, family, image, processor, video=None):
    """Writes the processor in one of the published forms. processor: keys of the processor itself."""
    pil = draw.chance("processor.pil", 0.1)
    processor = {**processor, "processor_class": f"{family}Processor"}
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        image["image_processor_type"] = f"{family}ImageProcessor" + ("Pil" if pil else "")
        document = {"image_processor": image, **processor}
        if video is not None:
            document["video_processor"] = {**video, "video_processor_type": "SmolVLMVideoProcessor"}
        checkpoint.write_json(folder / "processor_config.json", document)
        return
    kinds = ["Pil"] if pil else ["", "", "Fast"]
    image["image_processor_type"] = f"{family}ImageProcessor" + draw.pick("processor.class", kinds)
    image["processor_class"] = f"{family}Processor"
    if video is not None and draw.odd("processor.video_file", 0.3):
        checkpoint.write_json(
            folder / "video_preprocessor_config.json", {**video, "video_processor_type": "SmolVLMVideoProcessor"}
        )
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    checkpoint.write_json(folder / "processor_config.json", processor)


def v4_document(config, model_type, architecture, dtype, vision_type):
    """config.json as 4.x wrote it: rope_theta, torch_dtype and keys that nothing reads."""
    text = {"model_type": config["text_config"]["model_type"], **checkpoint.v4_rope(config["text_config"])}
    text.update(dtype=dtype, qk_layer_norms=False, use_resampler=False)
    vision = {**config["vision_config"], "model_type": vision_type, "use_base_siglip": True}
    document = {"architectures": [architecture], "model_type": model_type, **config, "use_cache": False}
    return {**document, "text_config": text, "vision_config": vision, "torch_dtype": dtype, "transformers_version": "4.46.0"}


def smol_tokenizer(folder, draw, chat_template, specials):
    """Writes SmolLM's tokenizer: digits one by one, then GPT-2's pieces; returns {added token: id} and the count of ids."""
    document, ids = tokenizer.byte_level_tokenizer(
        tokenizer.LLAMA3_SPLIT, draw.pick("tokenizer.merges", [60, 100, 140]), specials
    )
    digits = {"type": "Digits", "individual_digits": True}
    pieces = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, pieces]}
    named = {
        "end_of_utterance_token": END, "fake_image_token": FAKE, "global_image_token": GLOBAL, "image_token": IMAGE,
    }  # fmt: skip
    config = {
        "add_prefix_space": False, "bos_token": "<|im_start|>", "clean_up_tokenization_spaces": False,
        "eos_token": END, "model_max_length": 8192, "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>",
        "tokenizer_class": draw.odd("tokenizer.class", 0.3, ["PreTrainedTokenizerFast", "TokenizersBackend"], "GPT2Tokenizer"),
    }  # fmt: skip
    if draw.odd("tokenizer.named", 0.5):
        config["extra_special_tokens"] = {name: token for name, token in named.items() if token in ids}
    if chat_template is not None:
        config["chat_template"] = chat_template
    tokenizer.write_tokenizer(folder, document, config)
    return ids, len(document["model"]["vocab"]) + len(ids)


# ---- requests ---------------------------------------------------------------------------------------------------------


class Turns:
    """Content parts of user turns. tile: pixels per side that picture sizes are drawn around."""

    def __init__(self, draw, folder, tile, videos=False, size=None):
        self.draw, self.folder, self.tile, self.videos = draw, folder, tile, videos
        self.size = size or picture_size

    def text(self, name):
        return {"type": "text", "text": text_only.line(self.draw, name)}

    def image(self, name):
        self.draw.forced.setdefault(f"{name}.hw", list(self.size(self.draw, name, self.tile)))
        path = media.write_picture(self.draw, name, self.tile, self.folder)
        forms = [{"type": "image", "url": path}, {"type": "image_url", "image_url": {"url": path}}]
        return self.draw.odd(f"{name}.form", 0.15, forms, {"type": "image", "image": path})

    def video(self, name):
        part = media.write_frames(self.draw, name, self.tile, self.folder, 1)
        if isinstance(part.get("video"), list):  # whole clips are sampled, which the processor cannot do with lists
            part = {"type": "video_frames", "frames": part["video"], "metadata": {"fps": part.get("fps", 24.0)}}
        return part

    def content(self, name):
        kinds = ["t", "it", "it", "ti", "iit", "titi", "ii"] + (["vt", "vt", "tv", "vit", "vvt"] if self.videos else [])
        make = {"t": self.text, "i": self.image, "v": self.video}
        kind = self.draw.pick(f"{name}.media", kinds)
        return [make[letter](f"{name}.{letter}{i}") for i, letter in enumerate(kind)]


def picture_size(draw, name, tile):
    """(height, width) around the tiles of the families that cut pictures into tiles of one size."""
    kind = draw.pick(f"{name}.shape", ["tiny", "tile", "wide", "tall", "free", "free", "odd"])
    rng = draw.stream(f"{name}.size")
    if kind == "tiny":
        return tuple(int(v) for v in rng.integers(1, max(3, tile // 2), 2))
    if kind == "tile":
        return tile, tile
    if kind in ("wide", "tall"):
        short, long = int(rng.integers(2, tile)), int(rng.integers(2 * tile, 5 * tile))
        return (short, long) if kind == "wide" else (long, short)
    if kind == "odd":  # a short side that becomes odd before it is made even
        return (2 * tile - 1, 3 * tile + 1)
    return tuple(int(v) for v in rng.integers(tile // 2, 3 * tile, 2))


def conversation(draw, name, turns):
    messages = []
    if draw.chance(f"{name}.system", 0.25):
        text = "You are a helpful assistant."
        listed = [{"type": "text", "text": text}]
        messages.append({"role": "system", "content": draw.odd(f"{name}.system_string", 0.3, [text], listed)})
    count = draw.pick(f"{name}.turns", [1, 1, 1, 2])
    for turn in range(count):
        messages.append({"role": "user", "content": turns.content(f"{name}.turn{turn}")})
        if turn + 1 < count:
            messages.append({"role": "assistant", "content": [turns.text(f"{name}.answer{turn}")]})
    return messages


def raw_prompt(draw, name, messages):
    """Text and placeholders without a template, and the media in their order."""
    text, images, videos = [], [], []
    for message in messages:
        parts = message["content"]
        for part in parts if isinstance(parts, list) else [{"type": "text", "text": parts}]:
            if part["type"] == "text":
                text.append(part["text"])
            elif part["type"].startswith("video"):
                text.append("<video>")
                videos.append(part)
            else:
                text.append(IMAGE)
                images.append(image_file(part))
    between = draw.pick(f"{name}.between", ["", " ", "\n"])
    return draw.pick(f"{name}.before", ["User:", "", "<s>"]) + between.join(text) + f"{END}\nAssistant:", images, videos


def image_file(part):
    source = part.get("image") or part.get("url") or part["image_url"]
    return source["url"] if isinstance(source, dict) else source


def request(draw, turns, options):
    """options: processor_kwargs that people pass to this family."""
    body = {"max_new_tokens": draw.pick("request.new_tokens", [3, 6, 12, 24])}
    samples = draw.pick("request.samples", [1, 1, 2, 3])
    conversations = [conversation(draw, f"sample{i}", turns) for i in range(samples)]
    form = draw.odd("request.form", 0.25, ["raw", "both"], "chat")
    if form != "raw":
        body["conversations"] = conversations
    if form != "chat":
        raw = [raw_prompt(draw, f"sample{i}", messages) for i, messages in enumerate(conversations)]
        body["prompts"] = [text for text, _, _ in raw]
        if form == "raw":
            body["images"] = [images for _, images, _ in raw]
            if any(videos for _, _, videos in raw):
                body["videos"] = [videos for _, _, videos in raw]
    elif draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    chosen = draw.odd("request.options", 0.35, options, None)
    if chosen is not None:
        body["processor_kwargs"] = chosen
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.15):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def write_model(draw, folder, model_class, config):
    """Writes the weights of `config` (a transformers config)."""
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {
        name: tensor(name, shape, draw, scale, vision_scale)
        for name, shape in checkpoint.parameter_shapes(model_class, config).items()
    }
    if draw.odd("files.unused", 0.1):
        tensors["model.text_model.layers.0.self_attn.rotary_emb.inv_freq"] = numpy.ones(3)
    checkpoint.write_weights(draw, folder, tensors)
