"""The CLIP and SigLIP towers of several families: odd sizes, and weights at which a mistake shows."""

import numpy

from . import checkpoint


def config(draw, kind, **fixed):
    """vision_config of a tower. kind: 'clip' or 'siglip'; `fixed` overrides what is drawn."""
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 16])
    head_dim = draw.odd("vision.odd_head_dim", 0.15, [4, 20, 36, 72], head_dim)
    patch = draw.odd("vision.odd_patch", 0.1, [7, 9, 16], draw.pick("vision.patch", [4, 6, 8, 10]))
    # A size that is no multiple of the patch: what remains at the right and below is dropped (so400m: 384 = 27 * 14 + 6).
    side = draw.pick("vision.side", [2, 3, 4, 5]) * patch
    side += draw.odd("vision.remainder", 0.3, [1, patch // 2, patch - 1], 0)
    activation = ["quick_gelu", "gelu"] if kind == "clip" else ["gelu_pytorch_tanh", "gelu"]
    out = {
        "model_type": f"{kind}_vision_model",
        "hidden_size": heads * head_dim,
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_hidden_layers": draw.pick("vision.layers", [2, 3, 4]),
        "num_attention_heads": heads,
        "image_size": side,
        "patch_size": patch,
        "hidden_act": draw.pick("vision.act", activation),
        "layer_norm_eps": draw.pick("vision.eps", [1e-5, 1e-6]),
    }
    if kind == "clip":
        out.update(projection_dim=16, vocab_size=99)
    else:
        out["vision_use_head"] = draw.chance("vision.use_head", 0.3)
    if draw.odd("vision.defaults", 0.15):  # keys whose default is what the class has
        del out["hidden_act"], out["layer_norm_eps"]
    return {**out, **fixed}


def tensor(name, shape, rng, draw, scale):
    """One tensor of the tower. scale: size of its residual stream."""
    noise = rng.standard_normal(shape)
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.mlp")
    if name.endswith(("position_embedding.weight", "class_embedding", "probe")):
        return scale * noise
    if "patch_embedding.weight" in name:
        return 2 * scale / numpy.sqrt(numpy.prod(shape[1:])) * noise
    if "norm" in name or "layrnorm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "fc1" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / numpy.sqrt(shape[1]) * noise
    if "fc2" in name:
        return scale * (0.2 * noise if name.endswith("bias") else gain_out / numpy.sqrt(shape[1]) * noise)
    if "out_proj" in name or "patch_embedding.bias" in name:
        return scale * (0.2 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1]))
    return 0.3 * noise if noise.ndim == 1 else 1.5 / numpy.sqrt(shape[1]) * noise  # q, k, v


def grid_side(vision):
    return vision["image_size"] // vision["patch_size"]
