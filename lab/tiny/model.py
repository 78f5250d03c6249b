"""Qwen3-VL in plain torch for training: all pictures of a batch have one size, so the tower runs batched, and one
sequence layout serves the whole batch. Module names are those of transformers' Qwen3VLForConditionalGeneration below
`model.`, so that exporting is a matter of names; check.py compares the two.

Shapes: B pictures, N patches, C = N/4 image tokens, L tokens of a packed row, D widths.
"""
import torch
import torch.nn.functional as F
from torch import nn

CONFIG = dict(
    vision=dict(depth=4, hidden_size=128, num_heads=4, intermediate_size=384, patch_size=12, spatial_merge_size=2,
                temporal_patch_size=2, num_position_embeddings=64, deepstack_visual_indexes=[1]),
    text=dict(num_hidden_layers=4, hidden_size=192, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
              intermediate_size=512, rope_theta=10000.0, mrope_section=[12, 10, 10], rms_norm_eps=1e-6),
)


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


def rotate(x, cos, sin):
    return (x * cos + rotate_half(x) * sin).to(x.dtype)


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return rms(x, self.weight, self.eps)


def rms(x, weight, eps):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def norm_rotate(x, weight, eps, cos, sin):
    """RMSNorm per head, then rotary. x [B, L, heads, dim]"""
    return rotate(rms(x, weight, eps), cos, sin).to(x.dtype)


def gated(gate, up):
    return F.silu(gate) * up


# ---------------------------------------------------------------- tower


def merge_order(x, merge):
    """[B, h, w, *] raster -> [B, h*w, *] in blocks of merge x merge, the order in which patches reach the tower."""
    b, h, w = x.shape[:3]
    x = x.reshape(b, h // merge, merge, w // merge, merge, *x.shape[3:]).transpose(2, 3)
    return x.reshape(b, h * w, *x.shape[5:])


class PatchEmbed(nn.Module):
    """A still picture is repeated over the temporal patch, so the sum of the two temporal halves of the kernel is all
    that training can see: it is one matrix here, and the export splits it in equal halves."""

    def __init__(self, c):
        super().__init__()
        self.proj = nn.Linear(3 * c["patch_size"] ** 2, c["hidden_size"])

    def forward(self, patches):  # [B, N, 3*p*p]
        return self.proj(patches)


class VisionAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c["num_heads"]
        self.qkv = nn.Linear(c["hidden_size"], 3 * c["hidden_size"])
        self.proj = nn.Linear(c["hidden_size"], c["hidden_size"])

    def forward(self, x, cos, sin):  # [B, N, D]; cos, sin [N, D/heads]
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin) * q.shape[-1] ** -0.5, rotate(k, cos, sin)
        y = (q @ k.transpose(-1, -2)).softmax(-1).to(v.dtype) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, d))


class VisionMLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.linear_fc1 = nn.Linear(c["hidden_size"], c["intermediate_size"])
        self.linear_fc2 = nn.Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x):
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(c["hidden_size"], eps=1e-6) for _ in range(2))
        self.attn, self.mlp = VisionAttention(c), VisionMLP(c)

    def forward(self, x, cos, sin):
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    def __init__(self, c, out, after):
        super().__init__()
        self.after, self.width = after, c["hidden_size"] * c["spatial_merge_size"] ** 2
        self.norm = nn.LayerNorm(self.width if after else c["hidden_size"], eps=1e-6)
        self.linear_fc1 = nn.Linear(self.width, self.width)
        self.linear_fc2 = nn.Linear(self.width, out)

    def forward(self, x):  # [B, N, D] -> [B, C, out]
        blocks = (x.shape[0], -1, self.width)
        x = self.norm(x.reshape(blocks)) if self.after else self.norm(x).reshape(blocks)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class Tower(nn.Module):
    def __init__(self, c, out):
        super().__init__()
        self.c = c
        self.patch_embed = PatchEmbed(c)
        self.pos_embed = nn.Embedding(c["num_position_embeddings"], c["hidden_size"])
        self.blocks = nn.ModuleList(VisionBlock(c) for _ in range(c["depth"]))
        self.merger = Merger(c, out, after=False)
        self.deepstack_merger_list = nn.ModuleList(Merger(c, out, after=True) for _ in c["deepstack_visual_indexes"])

    def _positions(self, h, w):
        """Learned grid, resampled bilinearly with aligned corners. -> [N, D] in merge order"""
        side = int(self.c["num_position_embeddings"] ** 0.5)
        grid = self.pos_embed.weight.float().view(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (h, w), mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
        return merge_order(grid, self.c["spatial_merge_size"])[0]

    def _angles(self, h, w):
        """Axial rotary: half of the pairs turn with the row, half with the column. -> cos, sin [N, head_dim]"""
        dim = self.c["hidden_size"] // self.c["num_heads"] // 2
        inv = 1.0 / (10000.0 ** (torch.arange(0, dim, 2).float() / dim))
        rows, columns = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
        place = merge_order(torch.stack((rows, columns), -1)[None], self.c["spatial_merge_size"])[0]
        angle = torch.cat((place[:, :1] * inv, place[:, 1:] * inv), -1).repeat(1, 2)
        return angle.cos(), angle.sin()

    def forward(self, pixels):  # [B, 3, H, W] normalised -> features [B, C, out], one more per DeepStack level, [B, N, D]
        p, b = self.c["patch_size"], pixels.shape[0]
        h, w = pixels.shape[2] // p, pixels.shape[3] // p
        patches = pixels.view(b, 3, h, p, w, p).permute(0, 2, 4, 1, 3, 5).reshape(b, h, w, 3 * p * p)
        x = self.patch_embed(merge_order(patches, self.c["spatial_merge_size"])).float() + self._positions(h, w)
        cos, sin = self._angles(h, w)
        deep = []
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if i in self.c["deepstack_visual_indexes"]:
                deep.append(self.deepstack_merger_list[self.c["deepstack_visual_indexes"].index(i)](x))
        return self.merger(x), deep, x


# ---------------------------------------------------------------- decoder


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.dim = c["hidden_size"], c["head_dim"]
        self.q_proj = nn.Linear(d, c["num_attention_heads"] * self.dim, bias=False)
        self.k_proj = nn.Linear(d, c["num_key_value_heads"] * self.dim, bias=False)
        self.v_proj = nn.Linear(d, c["num_key_value_heads"] * self.dim, bias=False)
        self.o_proj = nn.Linear(c["num_attention_heads"] * self.dim, d, bias=False)
        self.q_norm, self.k_norm = (RMSNorm(self.dim, c["rms_norm_eps"]) for _ in range(2))

    def forward(self, x, cos, sin, blocks):  # [B, L, D]; cos, sin [L, head_dim]
        b, n, _ = x.shape
        q, k, v = (p(x).view(b, n, -1, self.dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        q = norm_rotate(q, self.q_norm.weight, self.q_norm.eps, cos, sin) * self.dim**-0.5
        k = norm_rotate(k, self.k_norm.weight, self.k_norm.eps, cos, sin)
        y, at = [], blocks[0][1]
        k0, v0 = k[:, :at].transpose(1, 2), v[:, :at].transpose(1, 2)  # prefix [B, KV, P, dim]
        start = 0
        for i, (count, length) in enumerate(blocks):
            rows = slice(start, start + count * length)
            start = rows.stop
            y.append(self._block(q[:, rows], k[:, rows], v[:, rows], count, length, *((k0, v0) if i else (None, None))))
        return self.o_proj(torch.cat(y, 1))

    @staticmethod
    def _block(q, k, v, count, length, k0, v0):
        """Causal attention inside each of `count` segments, which also see the whole prefix (k0, v0), if there is one.
        The dense mask over a row would spend most of its work on pairs that may not see each other."""
        b, kv, dim = q.shape[0], k.shape[2], q.shape[3]
        r = q.shape[2] // kv  # query heads per KV head
        q = q.view(b, count, length, kv, r, dim).permute(0, 3, 1, 4, 2, 5)       # [B, KV, G, R, S, dim]
        own = lambda t: t.view(b, count, length, kv, dim).permute(0, 3, 1, 2, 4)  # [B, KV, G, S, dim]
        scores = (q.reshape(b, kv, count, r * length, dim) @ own(k).transpose(-1, -2)).view(b, kv, count, r, length, length)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        scores = scores.float().masked_fill(future, float("-inf"))
        if k0 is None:
            weights = scores.softmax(-1).to(v.dtype)
            y = weights.reshape(b, kv, count, r * length, length) @ own(v)
        else:
            p = k0.shape[2]
            first = (q.reshape(b, kv, -1, dim) @ k0.transpose(-1, -2)).view(b, kv, count, r, length, p)
            weights = torch.cat((first.float(), scores), -1).softmax(-1).to(v.dtype)
            y = weights[..., p:].reshape(b, kv, count, r * length, length) @ own(v)
            y = y + (weights[..., :p].reshape(b, kv, -1, p) @ v0).view_as(y)
        y = y.view(b, kv, count, r, length, dim).permute(0, 2, 4, 1, 3, 5)
        return y.reshape(b, count * length, kv * r * dim)


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, m = c["hidden_size"], c["intermediate_size"]
        self.gate_proj, self.up_proj, self.down_proj = (nn.Linear(*s, bias=False) for s in ((d, m), (d, m), (m, d)))

    def forward(self, x):
        return self.down_proj(gated(self.gate_proj(x), self.up_proj(x)))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm, self.post_attention_layernorm = (RMSNorm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))

    def forward(self, x, cos, sin, blocks):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, blocks)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, c, vocabulary):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(vocabulary, c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])

    def angles(self, positions):
        """Interleaved M-RoPE: pair i turns with t, except i = 1, 4, .. (h) and 2, 5, .. (w). positions [3, L] -> [L, dim]"""
        dim = self.c["head_dim"]
        inv = 1.0 / (self.c["rope_theta"] ** (torch.arange(0, dim, 2).float() / dim))
        each = positions[..., None].float() * inv  # [3, L, dim/2]
        angle = each[0].clone()
        for axis in (1, 2):
            pairs = slice(axis, self.c["mrope_section"][axis] * 3, 3)
            angle[:, pairs] = each[axis][:, pairs]
        angle = angle.repeat(1, 2)[:, None]  # [L, 1, dim]: the same for every head
        return angle.cos(), angle.sin()


def fuse():
    """Compiles the functions that do little work per byte; called by the trainer, needless elsewhere."""
    for name in ("rms", "norm_rotate", "gated"):
        globals()[name] = torch.compile(globals()[name], dynamic=True)


class TinyVL(nn.Module):
    def __init__(self, vocabulary, config=CONFIG):
        super().__init__()
        self.config = config
        self.visual = Tower(config["vision"], config["text"]["hidden_size"])
        self.language_model = Decoder(config["text"], vocabulary)
        self.lm_head = nn.Linear(config["text"]["hidden_size"], vocabulary, bias=False)
        self.apply(self._init)
        nn.init.normal_(self.language_model.embed_tokens.weight, std=0.5)
        nn.init.zeros_(self.lm_head.weight)

    @staticmethod
    def _init(m):
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=m.in_features**-0.5)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Embedding):
            nn.init.normal_(m.weight, std=0.02)

    def forward(self, pixels, ids, layout, wanted):
        """ids [B, L]; layout: image slice, positions [3, L], blocks [(count,
        length)], the prefix first; wanted [K] flat indices into B*L.
        -> logits [K, V], tower output [B, N, D]"""
        features, deep, raw = self.visual(pixels)
        d = self.language_model
        x = d.embed_tokens(ids)
        first, last = layout.image
        x = torch.cat((x[:, :first], features.to(x.dtype), x[:, last:]), 1)
        cos, sin = d.angles(layout.positions)
        for i, layer in enumerate(d.layers):
            x = layer(x, cos, sin, layout.blocks)
            if i < len(deep):
                x = torch.cat((x[:, :first], x[:, first:last] + deep[i], x[:, last:]), 1)
        x = d.norm(x.reshape(-1, x.shape[-1])[wanted])
        return self.lm_head(x), raw
