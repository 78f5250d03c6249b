"""What the families with tiles and a plain text decoder share: the decoder's config, tower tensors, conversations."""

import numpy
from transformers import LlamaConfig, Qwen2Config, Qwen3Config

from . import checkpoint, media, text_only

TEXT_CLASSES = {"qwen2": Qwen2Config, "qwen3": Qwen3Config, "llama": LlamaConfig}

# Parts of a message in their order, a line end behind each medium. IMAGE_MARK and VIDEO_MARK are a family's own.
PARTS_IN_ORDER = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for content in message['content'] %}
            {%- if content['type'] == 'image' %}
                {{- 'IMAGE_MARK\\n' }}
            {%- elif content['type'] == 'video' %}
                {{- 'VIDEO_MARK\\n' }}
            {%- elif content['type'] == 'text' %}
                {{- content['text'] }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def template(marks):
    return PARTS_IN_ORDER.replace("IMAGE_MARK", marks["image"]).replace("VIDEO_MARK", marks.get("video", ""))


PROCESSOR_FLAGS = [
    {"do_rescale": False, "do_normalize": False},
    {"do_normalize": False},
    {"rescale_factor": 0.00784313725490196, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
    {"resample": 2},
    {"resample": 1},
    {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 0.75], "do_convert_rgb": True},
]

# What every golden case of these families has unless it says otherwise: small, and far from the published sizes.
SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "files.processor": "v5", "request.stops": False,
    "request.padded": False, "request.samples": 1, "request.new_tokens": 12, "text.layers": 2, "text.kv_heads": 2,
    "text.group": 2, "text.intermediate": 28, "text.act": "silu", "text.spare_rows": 7, "text.scale": 0.3,
    "text.rope": "default", "text.tie": True, "tokenizer.merges": 60, "vision.heads": 2, "vision.head_dim": 12,
    "vision.depth": 2, "vision.intermediate": 36, "vision.scale": 0.3, "sample0.system": False, "sample0.turns": 1,
}  # fmt: skip


def text_config(draw, kinds):
    """A Qwen2, Qwen3 or Llama decoder in the form of transformers 5, its model_type included."""
    kind = draw.pick("text.kind", kinds)
    config = {"model_type": kind, **text_only.sizes(draw), "rope_parameters": text_only.rope_parameters(draw)}
    if kind == "qwen2":
        config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.head_dim", [8, 10, 16])
    else:
        config["head_dim"] = draw.pick("text.head_dim", [8, 12, 18, 32])
    if kind != "qwen2":
        config["attention_bias"] = draw.chance("text.bias", 0.25)
    if kind == "llama":
        config["hidden_size"] = config["num_attention_heads"] * draw.pick("text.hidden_per_head", [8, 12])
        config["mlp_bias"] = draw.chance("text.mlp_bias", 0.25)
    else:
        config.update(text_only.sliding_window(draw))
    return config


def processor_flags(draw):
    return {
        "image_mean": draw.pick("processor.mean", [[0.485, 0.456, 0.406], [0.48145466, 0.4578275, 0.40821073]]),
        "image_std": draw.pick("processor.std", [[0.229, 0.224, 0.225], [0.26862954, 0.26130258, 0.27577711]]),
        **draw.odd("processor.flags", 0.3, PROCESSOR_FLAGS, {}),
    }


def tower_tensor(name, shape, rng, draw, scale):
    """One tensor of a tower of the ViT line, by the names that InternVL and Ovis2 use. scale: of the residual stream."""
    noise = rng.standard_normal(shape)
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.mlp")
    if name.endswith(("cls_token", "position_embeddings", "position_embedding.weight", "mask_token")):
        return scale * noise
    if "norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "lambda" in name:
        return 0.7 + 0.4 * noise
    if name.endswith(("projection.weight", "patch_embedding.weight")):
        return 2 * scale / numpy.sqrt(numpy.prod(shape[1:])) * noise
    if any(part in name for part in ("q_proj", "k_proj", "v_proj")):
        return 0.3 * noise if name.endswith("bias") else 1.5 / numpy.sqrt(shape[1]) * noise
    if "fc1" in name or "gate_proj" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / numpy.sqrt(shape[1]) * noise
    if "up_proj" in name:
        return 0.3 * noise if name.endswith("bias") else 1.4 / numpy.sqrt(shape[1]) * noise
    if "fc2" in name or "down_proj" in name:
        return scale * (0.2 * noise if name.endswith("bias") else gain_out / numpy.sqrt(shape[1]) * noise)
    return scale * (0.2 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1]))


# Orders of text, images and videos in one turn.
ODD_TURNS = ["i", "iiii", "titit", "tt", "it"]
ODD_VIDEO_TURNS = ["v", "iv", "vi", "vtv", "itv", "titvti"]


def user_content(draw, name, folder, factor, videos):
    """Content parts of one user turn. factor: half of a tile; videos: frames of each, or None where there are none."""
    usual = ["none", "one", "one", "one", "two"] + (["video", "video_image"] if videos else [])
    kind = draw.pick(f"{name}.media", usual)
    kind = draw.odd(f"{name}.odd_media", 0.25, ODD_TURNS + (ODD_VIDEO_TURNS if videos else []), kind)

    def text(i):
        return {"type": "text", "text": text_only.line(draw, f"{name}.text{i}")}

    def image(i):
        path = media.write_picture(draw, f"{name}.image{i}", factor, folder)
        forms = [
            {"type": "image", "url": path}, {"type": "image", "path": path},
            {"type": "image_url", "image_url": {"url": path}},
        ]  # fmt: skip
        return draw.odd(f"{name}.image{i}.form", 0.2, forms, {"type": "image", "image": path})

    def video(i):
        if draw.odd(f"{name}.video{i}.file", 0.2):
            return media.write_video_file(draw, f"{name}.video{i}", 2 * factor, folder, count=videos)
        rng = draw.stream(f"{name}.video{i}.size")
        # Frames of three rows would count as three channels.
        height, width = draw.pick(f"{name}.video{i}.hw", [None]) or (int(v) for v in rng.integers(4, 4 * factor, 2))
        frames = media.write_frame_files(draw, f"{name}.video{i}", height, width, videos, folder)
        part = {"type": "video", "video": frames}
        if draw.chance(f"{name}.video{i}.fps", 0.5):
            part["fps"] = 2.0
        sampled = {"type": "video_frames", "frames": frames, "metadata": {"fps": 24.0, "total_num_frames": 99}}
        return draw.odd(f"{name}.video{i}.sampled", 0.3, [sampled], part)

    if kind == "none":
        return text(0)["text"]
    letters = {"one": "it", "two": "itit", "video": "vt", "video_image": "vit"}.get(kind, kind)
    make = {"t": text, "i": image, "v": video}
    return [make[letter](i) for i, letter in enumerate(letters)]


def conversations(draw, folder, factor, videos):
    out = []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        name, messages = f"sample{i}", []
        if draw.chance(f"{name}.system", 0.3):
            messages.append({"role": "system", "content": "You are a helpful assistant."})
        turns = draw.pick(f"{name}.turns", [1, 1, 1, 2])
        for turn in range(turns):
            messages.append({"role": "user", "content": user_content(draw, f"{name}.turn{turn}", folder, factor, videos)})
            if turn + 1 < turns:
                messages.append({"role": "assistant", "content": text_only.line(draw, f"{name}.answer{turn}")})
        out.append(messages)
    return out


def media_parts(messages):
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return [part for parts in lists for part in parts if part["type"] != "text"]


def image_file(part):
    source = next(part[key] for key in ("image", "image_url", "url", "path") if key in part)
    return source["url"] if isinstance(source, dict) else source


def raw_prompt(messages, marks):
    """Text and placeholders without turns, as some evaluation scripts write them."""
    out = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            out.append(part["text"] if part["type"] == "text" else marks[part["type"][:5]])
    return "<|im_start|>user\n" + "\n".join(out)


def request(draw, folder, factor, marks, options):
    """marks: {"image": placeholder, "video": placeholder or absent}; options: processor_kwargs that people pass."""
    steps = draw.odd("request.odd_new_tokens", 0.1, [1, 70], draw.pick("request.new_tokens", [3, 6, 12, 24]))
    frames = draw.pick("request.video_frames", [1, 2, 3, 4]) if "video" in marks else None
    body = {"max_new_tokens": steps, "conversations": conversations(draw, folder, factor, frames)}
    form = draw.odd("request.form", 0.3, ["raw", "both"], "chat")
    if form != "chat":
        body["prompts"] = [raw_prompt(messages, marks) for messages in body["conversations"]]
    if form == "raw":
        parts = [media_parts(messages) for messages in body.pop("conversations")]
        body["images"] = [[image_file(p) for p in sample if p["type"].startswith("image")] for sample in parts]
        body["videos"] = [[p for p in sample if p["type"].startswith("video")] for sample in parts]
        for name in ("images", "videos"):
            if not any(body[name]):
                del body[name]
    elif form == "chat" and draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    chosen = draw.odd("request.options", 0.4, options, None)
    if chosen is not None:
        body["processor_kwargs"] = chosen
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body
