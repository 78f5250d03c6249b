"""Writes a training state as a qwen3_vl checkpoint directory: `python export.py --state DIR --out models/azimuth-tiny`.

bf16 weights under transformers' names, config, processor, tokenizer and chat template: what AutoModelForImageTextToText
and AutoProcessor need, and nothing else.
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

import scenes
import tokenizer as tok
from model import CONFIG

# Qwen3-VL's turns; contents are a string or a list of text, image and video parts.
CHAT_TEMPLATE = """\
{%- macro render(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- else -%}
        {%- for part in content -%}
            {%- if part.type == 'image' or part.type == 'image_url' or 'image' in part or 'image_url' in part -%}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
            {%- elif part.type == 'video' or 'video' in part -%}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
            {%- elif 'text' in part -%}
                {{- part.text -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + render(message.content) + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def weights(state):
    """Names and shapes of transformers. state: the trainer's model -> {name: bf16 tensor}"""
    out = {}
    for name, tensor in state.items():
        if name == "visual.patch_embed.proj.weight":  # [D, 3*p*p] -> [D, 3, 2, p, p], half in each temporal slice
            p = CONFIG["vision"]["patch_size"]
            tensor = (tensor / 2).view(-1, 3, 1, p, p).repeat(1, 1, CONFIG["vision"]["temporal_patch_size"], 1, 1)
        out[name if name.startswith("lm_head") else "model." + name] = tensor.to(torch.bfloat16).contiguous()
    return out


def config(ids, vocabulary):
    vision, text = dict(CONFIG["vision"]), dict(CONFIG["text"])
    theta, section = text.pop("rope_theta"), text.pop("mrope_section")
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "tie_word_embeddings": False,
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "text_config": {
            "model_type": "qwen3_vl_text", "dtype": "bfloat16", **text,
            "vocab_size": vocabulary, "hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0,
            "max_position_embeddings": 2048, "use_cache": True, "initializer_range": 0.02,
            "bos_token_id": None, "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {"rope_type": "default", "rope_theta": theta, "mrope_section": section,
                                "mrope_interleaved": True},
        },
        "vision_config": {
            "model_type": "qwen3_vl_vision", "dtype": "bfloat16", **vision,
            "hidden_act": "gelu_pytorch_tanh", "in_channels": 3, "out_hidden_size": CONFIG["text"]["hidden_size"],
            "initializer_range": 0.02,
        },
    }


def processor():
    """Any picture becomes 6,912 to 9,216 pixels, its aspect kept: 96 x 96 where it is square."""
    vision = CONFIG["vision"]
    common = {
        "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3, "patch_size": vision["patch_size"],
        "temporal_patch_size": vision["temporal_patch_size"], "merge_size": vision["spatial_merge_size"],
    }
    largest = scenes.SIZES[0][0] * scenes.SIZES[0][1]
    image = {**common, "image_processor_type": "Qwen2VLImageProcessor",
             "size": {"shortest_edge": largest * 3 // 4, "longest_edge": largest}}
    video = {**common, "video_processor_type": "Qwen3VLVideoProcessor", "do_sample_frames": True, "fps": 2,
             "min_frames": 4, "max_frames": 16, "cap_pixels_per_frame": False,
             "size": {"shortest_edge": largest * 3 // 4, "longest_edge": 16 * largest}}
    return {"processor_class": "Qwen3VLProcessor", "image_processor": image, "video_processor": video}


def write(state, out):
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = tok.build()
    ids = {t: tokenizer.token_to_id(t) for t in tok.SPECIAL}
    save_file(weights(state), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # safetensors writes it for its owner alone
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    documents = {
        "config.json": config(ids, tokenizer.get_vocab_size()),
        "processor_config.json": processor(),
        "generation_config.json": {"do_sample": False, "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
                                   "pad_token_id": ids["<|endoftext|>"], "max_new_tokens": 32},
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer", "processor_class": "Qwen3VLProcessor", "add_prefix_space": False,
            "add_bos_token": False, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
            "unk_token": None, "model_max_length": 2048, "clean_up_tokenization_spaces": False, "errors": "replace"},
    }
    for name, value in documents.items():
        (out / name).write_text(json.dumps(value, indent=2) + "\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    state = torch.load(args.state / "state.pt")
    write(state["model"], args.out)
    print(f"step {state['step']} -> {args.out}, {(args.out / 'model.safetensors').stat().st_size} bytes of weights")


if __name__ == "__main__":
    main()
