"""Writes tests/golden/tower/: positions of image towers.

grids.json     learned grids resampled to odd images, by SigLIP's and InternVL's own interpolate_pos_encoding (bicubic), by
               transformers' vision_utils and torch's interpolate (bilinear).
rotary.json    a random vector per head, turned by transformers' own classes (Qwen3-VL, Gemma 4) and by rope-vit's rule as
               complex products (arXiv 2403.13298); the frequencies that a mixed layer starts with.
layers.json    a random tower of two layers for each kind of positions: weights, patches, output of each layer. The block
               is a plain pre-norm transformer; only what it does with positions differs.
"""

import json
import math
import pathlib

import torch
from torch import nn
from transformers.models.gemma4.configuration_gemma4 import Gemma4VisionConfig
from transformers.models.gemma4.modeling_gemma4 import Gemma4VisionRotaryEmbedding, apply_multidimensional_rope
from transformers.models.internvl.configuration_internvl import InternVLVisionConfig
from transformers.models.internvl.modeling_internvl import InternVLVisionEmbeddings
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionRotaryEmbedding, apply_rotary_pos_emb_vision
from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipVisionEmbeddings
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tower"
PATCH = 2


def floats(tensor):
    """Nested lists of the shortest decimals that give the same f32 back."""
    if tensor.ndim > 1:
        return [floats(row) for row in tensor]
    return [float(f"{value:.9g}") for value in tensor.tolist()]


def write(name, content):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / name).write_text(json.dumps(content) + "\n", encoding="utf-8")


# Learned grids


def places(height, width, merge):
    """Row and column of each patch in the tower's order, [patches, 2]."""
    return get_vision_position_ids(torch.tensor([[1, height, width]]), merge)


def resampled_by_torch(table, side, height, width, merge, mode, align_corners):
    image = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    image = nn.functional.interpolate(image, size=(height, width), mode=mode, align_corners=align_corners)
    rows, columns = places(height, width, merge).T
    return image[0].permute(1, 2, 0)[rows, columns]


def resampled_by_vision_utils(table, side, height, width, merge, mode, align_corners):
    index, weight = get_vision_interpolation_indices_and_weights(
        torch.tensor([[1, height, width]]), side, mode=mode, align_corners=align_corners, spatial_merge_size=merge)
    return (table[index] * weight[..., None]).sum(1)


def resampled_by_siglip(table, side, height, width):
    config = SiglipVisionConfig(hidden_size=table.shape[1], image_size=side * PATCH, patch_size=PATCH)
    embeddings = SiglipVisionEmbeddings(config)
    embeddings.position_embedding.weight.data = table
    patches = torch.zeros(1, height * width, table.shape[1])
    return embeddings.interpolate_pos_encoding(patches, height * PATCH, width * PATCH).reshape(-1, table.shape[1])


def resampled_by_internvl(table, side, height, width):
    """table [1 + side^2, hidden] -> [1 + h * w, hidden]: the class token's row in front."""
    config = InternVLVisionConfig(hidden_size=table.shape[1], image_size=[side * PATCH] * 2, patch_size=[PATCH] * 2,
                                  num_attention_heads=1)
    embeddings = InternVLVisionEmbeddings(config)
    embeddings.position_embeddings = nn.Parameter(table[None])
    tokens = torch.zeros(1, 1 + height * width, table.shape[1])
    return embeddings.interpolate_pos_encoding(tokens, height * PATCH, width * PATCH)[0]


def grid_case(rule, side, height, width, merge, generator):
    table = torch.randn(side * side, 2, generator=generator)
    mode, align_corners = ("bicubic", False) if rule == "bicubic" else ("bilinear", rule == "bilinear_corners")
    values = resampled_by_vision_utils(table, side, height, width, merge, mode, align_corners)
    torch.testing.assert_close(values, resampled_by_torch(table, side, height, width, merge, mode, align_corners),
                               rtol=0, atol=2e-5)
    if rule == "bicubic" and merge == 1:
        values = resampled_by_siglip(table, side, height, width)
    return {"rule": rule, "side": side, "grid": [height, width], "merge": merge, "table": floats(table),
            "values": floats(values)}


def write_grids():
    generator = torch.Generator().manual_seed(1)
    shapes = [(3, 5, 3, 1), (5, 3, 7, 1), (4, 8, 2, 1), (7, 1, 1, 1), (2, 1, 9, 1), (1, 2, 3, 1), (3, 6, 9, 3), (5, 5, 5, 1)]
    cases = [grid_case(rule, *shape, generator) for rule in ("bilinear_corners", "bilinear", "bicubic") for shape in shapes]
    write("grids.json", {"source": "transformers 5.23.0: vision_utils, SiglipVisionEmbeddings; torch interpolate",
                         "cases": cases})


# Rotary


def rope_vit_turned(x, angles):
    """x [tokens, heads, head_dim], angles [tokens, heads or 1, head_dim / 2]: neighbours are complex numbers."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def rope_vit_axial_angles(x, y, head_dim, theta):
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 4)[: head_dim // 4].float() / head_dim)
    return torch.cat([torch.outer(x, frequencies), torch.outer(y, frequencies)], -1)[:, None]


def rope_vit_start(head_dim, theta, angles):
    """The frequencies [2, heads, head_dim / 2] of a mixed layer before its training."""
    size = 1.0 / theta ** (torch.arange(0, head_dim, 4)[: head_dim // 4].float() / head_dim)
    x = [torch.cat([size * torch.cos(a), size * torch.cos(torch.pi / 2 + a)]) for a in angles]
    y = [torch.cat([size * torch.sin(a), size * torch.sin(torch.pi / 2 + a)]) for a in angles]
    return torch.stack([torch.stack(x), torch.stack(y)])


def turned(kind, x, rows, columns, theta, mixed=None):
    """x [tokens, heads, head_dim] at these rows and columns, as the kind's own reference turns it."""
    head_dim, heads = x.shape[-1], x.shape[-2]
    where = torch.stack([rows, columns], -1)
    if kind == "axial_halves":
        config = Qwen3VLVisionConfig(hidden_size=heads * head_dim, num_heads=heads,
                                     rope_parameters={"rope_type": "axial", "rope_theta": theta})
        return apply_rotary_pos_emb_vision(x, x, *Qwen3VLVisionRotaryEmbedding(config)(x, where))[0]
    if kind == "axial_split":
        config = Gemma4VisionConfig(hidden_size=heads * head_dim, num_attention_heads=heads, head_dim=head_dim,
                                    rope_parameters={"rope_type": "axial", "rope_theta": theta})
        where = where.flip(-1)[None]  # (x, y)
        cos, sin = Gemma4VisionRotaryEmbedding(config)(x[None], where)
        return apply_multidimensional_rope(x[None], cos, sin, where)[0]
    x_of, y_of = columns.float(), rows.float()
    if kind == "axial_interleaved":
        return rope_vit_turned(x, rope_vit_axial_angles(x_of, y_of, head_dim, theta))
    if kind == "mixed":
        return rope_vit_turned(x, x_of[:, None, None] * mixed[0] + y_of[:, None, None] * mixed[1])
    return x


def rotary_case(kind, heads, head_dim, height, width, theta, generator):
    rows, columns = places(height, width, 1).T
    if kind == "axial_split":  # and a pad
        rows, columns = (nn.functional.pad(axis, (0, 1), value=-1) for axis in (rows, columns))
    x = torch.randn(len(rows), heads, head_dim, generator=generator)
    case = {"kind": kind, "heads": heads, "head_dim": head_dim, "theta": theta, "rows": rows.tolist(),
            "columns": columns.tolist(), "x": floats(x)}
    mixed = None
    if kind == "mixed":
        mixed = torch.randn(2, heads, head_dim // 2, generator=generator)
        case["frequencies"] = floats(mixed)
    case["turned"] = floats(turned(kind, x, rows, columns, theta, mixed))
    return case


def write_rotary():
    generator = torch.Generator().manual_seed(2)
    cases = [rotary_case(kind, heads, head_dim, *grid, theta, generator)
             for kind, theta in (("axial_halves", 10000.0), ("axial_split", 100.0), ("axial_interleaved", 100.0),
                                 ("mixed", 10.0))
             for heads, head_dim, grid in ((1, 4, (2, 3)), (3, 12, (5, 2)), (2, 8, (1, 7)))]
    angles = torch.tensor([0.3, 4.1, 0.0])
    start = {"theta": 10.0, "head_dim": 12, "angles": floats(angles), "frequencies": floats(rope_vit_start(12, 10.0, angles))}
    write("rotary.json", {"source": "transformers 5.23.0: Qwen3-VL, Gemma 4; rope-vit's rule as complex products",
                          "cases": cases, "mixed_start": start})


# Towers of two layers

LAYERS, HIDDEN, HEADS, HEAD_DIM, INTERMEDIATE, ELEMENTS = 2, 20, 2, 12, 12, 12
SIDE, AXIS_ROWS, CLASSES = 3, 5, 2
EPS = 1e-5
FRAMES, HEIGHT, WIDTH = 2, 4, 2

TOWERS = {
    "rotary_none": {},
    "axial_halves": {"rotary": "axial_halves", "theta": 10000.0, "merge": 2},
    "axial_split": {"rotary": "axial_split", "theta": 100.0, "axes": True},
    "axial_interleaved": {"rotary": "axial_interleaved", "theta": 100.0, "classes": CLASSES},
    "mixed": {"rotary": "mixed", "theta": 10.0, "classes": CLASSES},
    "grid_bilinear_corners": {"grid": "bilinear_corners", "merge": 2, "rotary": "axial_halves", "theta": 10000.0},
    "grid_bilinear": {"grid": "bilinear"},
    "grid_bicubic": {"grid": "bicubic"},
    "grid_bicubic_class": {"grid": "bicubic", "classes": 1, "class_positions": True},
}


def rounded(*shape, generator, scale=1.0):
    return torch.round(torch.randn(*shape, generator=generator) * scale, decimals=3)


def layer_weights(generator):
    width = HEADS * HEAD_DIM
    make = lambda *shape: rounded(*shape, generator=generator, scale=1.0 / math.sqrt(shape[-1]))  # noqa: E731
    bias = lambda size: rounded(size, generator=generator, scale=0.3)  # noqa: E731
    return {
        "attention_norm": [1.0 + bias(HIDDEN), bias(HIDDEN)],
        "qkv": [2.0 * make(3 * width, HIDDEN), bias(3 * width)],  # sharp attention, so that positions matter
        "output": [make(HIDDEN, width), bias(HIDDEN)],
        "mlp_norm": [1.0 + bias(HIDDEN), bias(HIDDEN)],
        "up": [make(INTERMEDIATE, HIDDEN), bias(INTERMEDIATE)],
        "down": [make(HIDDEN, INTERMEDIATE), bias(HIDDEN)],
        "mixed_frequencies": rounded(2, HEADS, HEAD_DIM // 2, generator=generator, scale=0.7),
    }


def tower_weights():
    generator = torch.Generator().manual_seed(3)
    return {
        "patch": [rounded(HIDDEN, ELEMENTS, generator=generator, scale=0.3), rounded(HIDDEN, generator=generator)],
        "class_tokens": rounded(CLASSES, HIDDEN, generator=generator),
        "grid": rounded(SIDE * SIDE, HIDDEN, generator=generator),
        "class_positions": rounded(CLASSES, HIDDEN, generator=generator),
        "axes": rounded(2, AXIS_ROWS, HIDDEN, generator=generator),
        "layers": [layer_weights(generator) for _ in range(LAYERS)],
        "patches": rounded(FRAMES * HEIGHT * WIDTH, ELEMENTS, generator=generator),
    }


def learned_positions(tower, weights, rows, columns):
    """[patches of a frame, hidden]"""
    if tower.get("axes"):
        return weights["axes"][0][columns] + weights["axes"][1][rows]
    if "grid" not in tower:
        return 0.0
    if tower["grid"] != "bicubic":
        return resampled_by_torch(weights["grid"], SIDE, HEIGHT, WIDTH, tower.get("merge", 1), "bilinear",
                                  tower["grid"] == "bilinear_corners")
    if tower.get("class_positions"):
        table = torch.cat([weights["class_positions"][:1], weights["grid"]])
        return resampled_by_internvl(table, SIDE, HEIGHT, WIDTH)[1:]
    return resampled_by_siglip(weights["grid"], SIDE, HEIGHT, WIDTH)


def attend(tower, layer, x, rows, columns):
    """Attention of one frame, x [classes + patches, hidden]; class tokens are not turned."""
    classes = tower.get("classes", 0)
    q, k, v = nn.functional.linear(x, *layer["qkv"]).reshape(len(x), 3, HEADS, HEAD_DIM).unbind(1)
    turn = lambda t: torch.cat([t[:classes], turned(tower.get("rotary"), t[classes:], rows, columns,  # noqa: E731
                                                    tower.get("theta"), layer["mixed_frequencies"])])
    q, k, v = (t.transpose(0, 1) for t in (turn(q), turn(k), v))
    weight = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(HEAD_DIM), -1)
    return nn.functional.linear((weight @ v).transpose(0, 1).flatten(1), *layer["output"])


def layer_norm(x, norm):
    return nn.functional.layer_norm(x, (HIDDEN,), *norm, EPS)


def tower_outputs(tower, weights):
    """Output of each layer, [frames * (classes + patches), hidden]."""
    rows, columns = places(HEIGHT, WIDTH, tower.get("merge", 1)).T
    classes = tower.get("classes", 0)
    first = weights["class_tokens"][:classes]
    if tower.get("class_positions"):
        first = first + weights["class_positions"][:classes]
    patches = nn.functional.linear(weights["patches"], *weights["patch"]).reshape(FRAMES, -1, HIDDEN)
    patches = patches + learned_positions(tower, weights, rows, columns)
    frames = [torch.cat([first, frame]) for frame in patches]
    outputs = []
    for layer in weights["layers"]:
        frames = [x + attend(tower, layer, layer_norm(x, layer["attention_norm"]), rows, columns) for x in frames]
        frames = [x + nn.functional.linear(nn.functional.gelu(
            nn.functional.linear(layer_norm(x, layer["mlp_norm"]), *layer["up"])), *layer["down"]) for x in frames]
        outputs.append(torch.cat(frames))
    return outputs


def plain(value):
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return [float(f"{each:.6g}") for each in value.flatten().tolist()]


def write_layers():
    weights = tower_weights()
    towers = {name: {**tower, "outputs": [plain(output) for output in tower_outputs(tower, weights)]}
              for name, tower in TOWERS.items()}
    write("layers.json", {
        "source": "a pre-norm transformer in torch around the rotations and tables of the references",
        "shape": {"layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "head_dim": HEAD_DIM, "intermediate": INTERMEDIATE,
                  "elements": ELEMENTS, "side": SIDE, "axis_rows": AXIS_ROWS, "eps": EPS,
                  "grid": [FRAMES, HEIGHT, WIDTH]},
        "weights": plain(weights), "towers": towers})


if __name__ == "__main__":
    with torch.no_grad():
        write_grids()
        write_rotary()
        write_layers()
