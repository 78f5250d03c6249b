"""Llama 3.2 Vision (mllama): a tower over a canvas of tiles, and a decoder some of whose layers attend to the picture."""

import copy

import numpy
from transformers import MllamaConfig, MllamaForConditionalGeneration

from . import checkpoint, media, text_only, tokenizer

SPECIALS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eom_id|>", "<|eot_id|>", "<|python_tag|>", "<|image|>",
]  # fmt: skip

TEMPLATE = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- if messages[0]['content'] is string %}
        {%- set system_message = messages[0]['content'] | trim %}
    {%- else %}
        {%- set system_message = messages[0]['content'][0]['text'] | trim %}
    {%- endif %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{%- set seen = namespace(images=false) %}
{%- for message in messages %}
    {%- if message['content'] is not string %}
        {%- for part in message['content'] %}
            {%- if part['type'] == 'image' %}{%- set seen.images = true %}{%- endif %}
        {%- endfor %}
    {%- endif %}
{%- endfor %}
{%- if seen.images and system_message != '' %}
    {{- raise_exception('Prompting with images is incompatible with system messages.') }}
{%- endif %}
{%- if not seen.images %}
    {{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
    {{- 'Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' }}
    {{- system_message + '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {%- if message['content'] is string %}
        {{- message['content'] | trim }}
    {%- else %}
        {%- for part in message['content'] %}
            {%- if part['type'] == 'image' %}
                {{- '<|image|>' }}
            {%- elif part['type'] == 'text' %}
                {{- part['text'] | trim }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

SMALL = {
    "odd": False, "shards": 1, "tokenizer.merges": 60, "tokenizer.clean_up": False, "text.kv_heads": 1, "text.group": 2,
    "text.head_dim": 8, "text.intermediate": 52, "text.layers": 3, "text.cross_count": 1, "text.act": "silu",
    "vision.heads": 2, "vision.head_dim": 8, "vision.patch": 6, "vision.side": 2, "vision.intermediate": 36,
    "vision.depth": 2, "vision.global": 1, "processor.pil": False, "request.stops": False, "request.padded": False,
    "request.raw": False, "request.new_tokens": 12, "sample0.turns": 1, "text.scale": 0.3, "vision.scale": 0.3,
    "vision.eps": 1e-5, "text.eps": 1e-5,
}  # fmt: skip
GOLDEN_CASES = {
    "mllama_two_tiles": (1, {
        **SMALL, "dtype": "bf16", "files.generation": 5, "files.processor": "v5", "files.published_names": False,
        "vision.tiles": 4, "vision.intermediate_count": 1, "vision.act": "gelu", "vision.mlp.off_centre": True,
        "vision.head_dim": 11, "request.samples": 1, "sample0.turn0.media": "it", "sample0.turn0.image0.kind": "png", "sample0.turn0.image0.hw": [14, 29], "text.cross_layers": [1],
        "text.rope": "default", "text.theta": 37.5,
    }),
    "mllama_runs_of_images": (2, {
        **SMALL, "dtype": "bf16", "files.generation": 4, "files.processor": "v4", "files.published_names": True,
        "vision.tiles": 3, "vision.act": "quick_gelu", "request.samples": 1,
        "vision.intermediate_count": 2, "vision.odd_intermediate": [1, 0], "sample0.turn0.media": "tiitit",
        "text.scale": 0.03, "vision.scale": 0.03, "text.cross_layers": [1, 2], "text.rope": "llama3",
        "text.rope_original": 32, "sample0.turn0.image1.hw": [60, 13], "sample0.turn0.image2.hw": [9, 30],
        "sample0.turn0.image4.hw": [70, 90], "vision.global": 2, "text.spare_rows": 9,
    }),
    "mllama_batch_raw": (3, {
        **SMALL, "dtype": "f16", "files.generation": 5, "files.processor": "v5", "files.published_names": True,
        "vision.tiles": 2, "vision.intermediate_count": 1, "vision.act": "gelu_pytorch_tanh", "vision.global": 0,
        "request.samples": 3, "request.raw": True, "sample1.turns": 1, "sample2.turns": 1, "sample0.raw_bos": False, "sample1.raw_bos": False,
        "sample2.raw_bos": True, "sample0.turn0.media": "t", "sample1.turn0.media": "iit", "sample2.turn0.media": "ti",
        "sample1.turn0.image0.hw": [40, 12], "sample1.turn0.image1.hw": [3, 5], "sample2.turn0.image1.hw": [25, 25],
        "sample1.turn0.image0.kind": "rgba", "text.cross_layers": [2], "text.rope": "llama3", "text.rope_original": 64,
        "request.padded": True, "request.padding_side": "left", "vision.side": 3,
    }),
}  # fmt: skip


def vision_tokenizer(folder, draw, chat_template):
    """Llama 3's tokenizer with the tokens of the vision models, the image's last."""
    document, ids = tokenizer.byte_level_tokenizer(
        tokenizer.LLAMA3_SPLIT, draw.pick("tokenizer.merges", [60, 100, 140]), SPECIALS, bos="<|begin_of_text|>"
    )
    config = {
        "bos_token": "<|begin_of_text|>",
        "clean_up_tokenization_spaces": draw.chance("tokenizer.clean_up", 0.5),
        "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 131072,
        "pad_token": "<|finetune_right_pad_id|>",
        "tokenizer_class": draw.odd("tokenizer.class", 0.3, ["TokenizersBackend"], "PreTrainedTokenizerFast"),
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    tokenizer.write_tokenizer(folder, document, config)
    return ids, len(document["model"]["vocab"]) + len(ids)


def text_config(draw):
    """An MllamaTextConfig without its vocabulary; heads share the hidden size, so head_dim follows."""
    kv_heads = draw.pick("text.kv_heads", [1, 2, 3])
    heads = kv_heads * draw.pick("text.group", [1, 2, 3])
    layers = draw.pick("text.layers", [2, 3, 4])
    count = draw.pick("text.cross_count", [1, 1, 2])
    # The reference counts cached tokens in layer 0, which therefore attends to text.
    chosen = sorted(1 + int(i) for i in draw.stream("text.cross").permutation(layers - 1)[:count])
    rope = {"rope_theta": draw.pick("text.theta", [500000.0, 500000.0, 10000.0, 37.5]), "rope_type": "default"}
    rope.update(text_only.scaling(draw, draw.pick("text.rope", ["llama3", "llama3", "default"])))
    return {
        "hidden_size": heads * draw.pick("text.head_dim", [8, 12, 16]),
        "intermediate_size": draw.pick("text.intermediate", [52, 72, 92, 120]),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "hidden_act": draw.pick("text.act", ["silu", "silu", "gelu_pytorch_tanh"]),
        "rms_norm_eps": draw.pick("text.eps", [1e-5, 1e-6]),
        "cross_attention_layers": draw.pick("text.cross_layers", [chosen]),
        "max_position_embeddings": 4096,
        "dropout": 0,
        "tie_word_embeddings": False,
        "rope_parameters": rope,
    }


def aspect_ratios(tiles):
    """[width, height] of all canvases, in the order of their ids."""
    return [[w, h] for w in range(1, tiles + 1) for h in range(1, tiles + 1) if w * h <= tiles]


def vision_config(draw):
    heads = draw.pick("vision.heads", [1, 2, 3])
    hidden = heads * draw.pick("vision.head_dim", [8, 11, 12, 16])
    depth = draw.pick("vision.depth", [1, 2, 3])
    patch = draw.pick("vision.patch", [5, 6, 8])
    tiles = draw.pick("vision.tiles", [4, 4, 1, 2, 3, 6])
    count = draw.pick("vision.intermediate_count", range(0, depth + 1))
    taken = sorted(int(i) for i in draw.stream("vision.intermediate_layers").permutation(depth)[:count])
    taken = draw.odd("vision.odd_intermediate", 0.15, [taken[::-1], [depth - 1, depth - 1], [-1]], taken)
    if not taken:
        taken = [0]  # transformers stacks what is taken, and there has to be something
    return {
        "model_type": "mllama_vision_model",
        "hidden_size": hidden,
        "hidden_act": draw.pick("vision.act", ["gelu", "gelu", "gelu_pytorch_tanh", "quick_gelu"]),
        "num_hidden_layers": depth,
        "num_global_layers": draw.pick("vision.global", [0, 1, 2]),
        "attention_heads": heads,
        "num_channels": 3,
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "vision_output_dim": hidden * (1 + len(taken)),
        "image_size": patch * draw.pick("vision.side", [2, 3, 4]),
        "patch_size": patch,
        "norm_eps": draw.pick("vision.eps", [1e-5, 1e-6]),
        "max_num_tiles": tiles,
        "intermediate_layers_indices": taken,
        "supported_aspect_ratios": aspect_ratios(tiles),
    }


def vision_tensor(name, shape, rng, draw, scale):
    """One tensor of the tower. scale: size of its residual stream."""
    noise = rng.standard_normal(shape)
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.mlp")
    if "gate" in name:
        return 0.3 + 0.6 * noise
    if name.endswith(("class_embedding", "embedding.weight", "positional_embedding.embedding")):
        if "patch_embedding" not in name:
            return scale * noise
    if "norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "patch_embedding" in name:
        return 2 * scale / numpy.sqrt(numpy.prod(shape[1:])) * noise
    if ".fc1." in name:
        return mean + 0.4 * noise if noise.ndim == 1 else gain_in / numpy.sqrt(shape[1]) * noise
    if ".fc2." in name:
        return 0.2 * noise if noise.ndim == 1 else gain_out / numpy.sqrt(shape[1]) * noise
    gain = 1.5 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
    return gain / numpy.sqrt(shape[1]) * noise


PROCESSOR_FLAGS = [
    {"do_rescale": False, "do_normalize": False}, {"do_normalize": False}, {"resample": 3},
    {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.4, 0.3]}, {"rescale_factor": 1 / 127.5},
]  # fmt: skip


def processor_files(draw, folder, vision):
    image = {
        "do_convert_rgb": True, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "max_image_tiles": vision["max_num_tiles"], "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": vision["image_size"], "width": vision["image_size"]},
        **draw.odd("processor.flags", 0.3, PROCESSOR_FLAGS, {}),
    }  # fmt: skip
    pil = draw.chance("processor.pil", 0.1)
    image["image_processor_type"] = "MllamaImageProcessorPil" if pil else "MllamaImageProcessor"
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        document = {"image_processor": image, "processor_class": "MllamaProcessor"}
        checkpoint.write_json(folder / "processor_config.json", document)
        return
    image["processor_class"] = "MllamaProcessor"
    if not pil:
        image["image_processor_type"] = draw.pick("processor.class", ["MllamaImageProcessor", "MllamaImageProcessorFast"])
    checkpoint.write_json(folder / "preprocessor_config.json", image)


# Orders of text and images in one turn.
TURNS = ["t", "it", "it", "it", "ti", "iit", "titi", "titit", "i"]


def user_content(draw, name, folder, side):
    kind = draw.pick(f"{name}.media", TURNS)
    kind = draw.odd(f"{name}.odd_media", 0.15, ["iii", "tiitit", "tt"], kind)
    if kind == "t" and draw.chance(f"{name}.plain", 0.7):
        return text_only.line(draw, f"{name}.text0")
    parts = []
    for i, letter in enumerate(kind):
        if letter == "t":
            parts.append({"type": "text", "text": text_only.line(draw, f"{name}.text{i}")})
        else:
            parts.append({"type": "image", "image": media.write_picture(draw, f"{name}.image{i}", side, folder)})
    return parts


def raw_prompt(draw, name, messages):
    """Text and image tokens without turns, as base models are prompted; bos goes behind the first images."""
    out = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            out.append(part["text"] if part["type"] == "text" else "<|image|>")
    text = "".join(out)
    return f"<|begin_of_text|>{text}" if draw.chance(f"{name}.raw_bos", 0.3) else text


OPTIONS = [
    {"images_kwargs": {"do_normalize": False}}, {"do_rescale": False}, {"images_kwargs": {"resample": 3}},
    {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
]  # fmt: skip


def request(draw, folder, side):
    conversations = []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        name, messages = f"sample{i}", []
        turns = draw.pick(f"{name}.turns", [1, 1, 1, 2])
        for turn in range(turns):
            messages.append({"role": "user", "content": user_content(draw, f"{name}.turn{turn}", folder, side)})
            if turn + 1 < turns:
                messages.append({"role": "assistant", "content": text_only.line(draw, f"{name}.answer{turn}")})
        pictures = any(isinstance(message["content"], list) for message in messages)
        if not pictures and draw.chance(f"{name}.system", 0.4):
            messages.insert(0, {"role": "system", "content": "You are a helpful assistant."})
        conversations.append(messages)
    body = {"max_new_tokens": draw.pick("request.new_tokens", [3, 6, 12, 24]), "conversations": conversations}
    if draw.chance("request.raw", 0.3):
        body["prompts"] = [raw_prompt(draw, f"sample{i}", messages) for i, messages in enumerate(conversations)]
        images = [
            [p["image"] for m in messages if isinstance(m["content"], list) for p in m["content"] if p["type"] == "image"]
            for messages in body.pop("conversations")
        ]
        if any(images):
            body["images"] = images
    elif draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    options = draw.odd("request.options", 0.25, OPTIONS, None)
    if options is not None:
        body["processor_kwargs"] = options
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


# What the published checkpoints call the parts.
PUBLISHED_NAMES = {"model.language_model.": "language_model.model.", "lm_head.": "language_model.lm_head.", "model.": ""}


def published_name(name):
    for ours, theirs in PUBLISHED_NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, TEMPLATE, ["jinja", "json"])
    ids, count = vision_tokenizer(model_folder, draw, in_tokenizer)
    text_only.write_generation_config(draw, model_folder, ids, ["<|eot_id|>", "<|end_of_text|>"], count - 1)

    text = text_config(draw)
    # The image's token is the first that the embedding has and the head has not.
    text.update(
        vocab_size=ids["<|image|>"] + draw.odd("text.spare_rows", 0.2, [1, 9], 0), bos_token_id=ids["<|begin_of_text|>"],
        eos_token_id=ids["<|eot_id|>"], pad_token_id=ids["<|finetune_right_pad_id|>"], model_type="mllama_text_model",
    )  # fmt: skip
    vision = vision_config(draw)
    config = {"image_token_index": ids["<|image|>"], "text_config": text, "vision_config": vision}
    hf_config = MllamaConfig(**copy.deepcopy(config))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.03, 0.3, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(MllamaForConditionalGeneration, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if ".vision_model." in name:
            tensors[name] = vision_tensor(name, shape, rng, draw, vision_scale)
        elif "multi_modal_projector" in name:
            noise = rng.standard_normal(shape)
            tensors[name] = 0.3 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1])
        elif name.endswith("_gate"):
            tensors[name] = 0.4 + 0.5 * rng.standard_normal(shape)
        else:
            tensors[name] = checkpoint.text_tensor(name, shape, rng, scale, 1.3)
    if draw.chance("files.published_names", 0.5):
        tensors = {published_name(name): value for name, value in tensors.items()}
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": ["MllamaForConditionalGeneration"], "model_type": "mllama", **config}
        document.update(text_config={**checkpoint.v4_rope(text)}, torch_dtype=dtype, transformers_version="4.57.3")
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "MllamaForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, vision)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision["image_size"]))
