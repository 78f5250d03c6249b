"""Writes a random checkpoint directory in any of the published file conventions.

Scale of the weights. A check is worth what it can see, so every draw chooses how large the residual stream is. With a
small stream (0.03) the epsilon of every norm matters, with a large one (1.0) the attention and activations do. Biases of
the layer in front of an activation may be moved to where tanh-GELU and erf-GELU differ most.
"""

import json

import numpy
import torch
from safetensors.torch import save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
DTYPE_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def parameter_shapes(model_class, config):
    """{name: shape} in the names that the model class saves; a tied output layer is left out."""
    with torch.device("meta"):
        model = model_class._from_config(config)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    if getattr(config, "tie_word_embeddings", False):
        shapes.pop("lm_head.weight", None)
    return shapes


def text_tensor(name, shape, rng, scale, qk_gain):
    """One tensor of a decoder of the Llama line. scale: size of the residual stream; None where the name is another's."""
    noise = rng.standard_normal(shape)
    if name.endswith("embed_tokens.weight"):
        return scale * noise
    if name.endswith("lm_head.weight"):
        return 2.0 / numpy.sqrt(shape[1]) * noise
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        return 1.2 + 0.3 * noise
    if name.endswith("norm.weight"):
        return 1.0 + 0.25 * noise
    if name.endswith("bias"):
        return (scale if name.endswith(("o_proj.bias", "down_proj.bias")) else 1.0) * 0.3 * noise
    gain = 1.0
    if name.endswith(("q_proj.weight", "k_proj.weight")):
        gain = qk_gain
    elif name.endswith(("gate_proj.weight", "up_proj.weight")):
        gain = 1.4
    elif name.endswith(("o_proj.weight", "down_proj.weight")):
        gain = scale
    return gain / numpy.sqrt(shape[1]) * noise


def mlp_gains(draw, name):
    """(gain of the first layer, mean of its bias, gain of the second) of a two-layer perceptron."""
    if draw.chance(f"{name}.off_centre", 0.4):
        return 0.6, -2.2, 4.0  # pre-activations near -2.2, where the two GELUs differ by up to one per cent of the output
    return 1.8, 0.0, 1.0


def write_weights(draw, folder, tensors):
    """Writes {name: float64 array} as one safetensors file, or as shards with their index."""
    dtype = DTYPES[draw.pick("dtype", ["f32", "bf16", "f16"])]
    mixed = draw.odd("mixed_dtypes", 0.15)  # norms and biases in f32, as some trainers save them
    tensors = {
        name: torch.from_numpy(value).to(torch.float32 if mixed and value.ndim == 1 else dtype).contiguous()
        for name, value in tensors.items()
    }
    shards = draw.pick("shards", [1, 1, 2, 3])
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        members = names[shard::shards]
        save_file({name: tensors[name] for name in members}, folder / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in members})
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def v5_document(hf_config, folder, architecture, dtype):
    """config.json as transformers 5 itself writes it."""
    hf_config.save_pretrained(folder)
    document = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {"architectures": [architecture], **document, "dtype": dtype}


def v4_rope(config):
    """Turns rope_parameters (transformers 5) of a text config into rope_theta and rope_scaling (4.x)."""
    config = dict(config)
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope == {"rope_type": "default"} else rope
    return config
