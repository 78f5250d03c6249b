"""Decoders of transformers with an additive position encoding in place of the rotary one.

The model is transformers' own class: only its attention function is replaced (through the registry that the library
has for that), its rotary embedding is switched off, and vectors are added to its embeddings. What an encoding adds
comes from transformers' own pieces where there is one (BLOOM, T5, Wav2Vec2-BERT, OPT, M2M100), else from a few lines
of torch that follow the paper. Nothing is cached: a continuation runs the whole sequence again, so no way of caching can be wrong.
"""

import types

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.masking_utils import eager_mask
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import repeat_kv
from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding
from transformers.models.opt.modeling_opt import OPTLearnedPositionalEmbedding
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5Attention
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import _apply_relative_key_position_encoding

PREFIX = "position_encoding."


def parse_policy(text):
    """('t5', {'buckets': '8'}) of 't5:buckets=8'."""
    name, _, rest = text.partition(":")
    return name, dict(item.split("=") for item in rest.split(",") if item)


class Encoding:
    """An encoding that does nothing; each below changes what it needs.

    weights: the tensors position_encoding.* of the checkpoint, without the prefix. config: of the decoder.
    """

    segment = None  # tokens of a segment, for encodings with a memory of earlier ones

    def __init__(self, options, weights, config):
        self.options, self.weights, self.config = options, weights, config
        self.heads = config.num_attention_heads

    def integer(self, key, default):
        return int(self.options.get(key, default))

    def embeddings(self, tokens):
        """[tokens, hidden], added to the embeddings of tokens 0, 1, ..."""
        return torch.zeros(())

    def scale(self, scaling):
        return float(self.options.get("score_scale", scaling))

    def scores(self, layer, query, key, inputs, scale):
        """query [1, heads, q, d], key [1, heads, k, d], inputs [1, q, hidden] of the attention -> [1, heads, q, k]."""
        return query @ key.transpose(2, 3) * scale + self.bias(layer, query, key, inputs)

    def bias(self, layer, query, key, inputs):
        return torch.zeros(())

    def values(self, layer, probabilities):
        """What joins the weighted sum of the values: [1, heads, q, value_dim]."""
        return torch.zeros(())


def wave(positions, width, exponents=None):
    """Angles [positions, width / 2] of the usual sinusoid, all in float32."""
    exponents = torch.arange(0, width - width % 2, 2).float() / width if exponents is None else exponents
    return torch.as_tensor(positions).float()[:, None] * (10000.0**-exponents)[None, :]


class Sinusoidal(Encoding):
    def embeddings(self, tokens):
        kind, offset, width = self.options.get("kind", "vaswani"), self.integer("offset", 0), self.config.hidden_size
        if kind == "tensor2tensor":
            return M2M100SinusoidalPositionalEmbedding.get_embedding(tokens + offset, width)[offset:]
        angles = wave(torch.arange(offset, offset + tokens), width)
        if kind == "vaswani":
            return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        padding = torch.zeros(tokens, width % 2)  # cora only: transformer_xl has no odd widths
        return torch.cat([angles.sin(), angles.cos(), padding], dim=1)


class Learned(Encoding):
    def embeddings(self, tokens):
        table, offset = self.weights["table"], self.integer("offset", 0)
        if longer := self.integer("interpolate", 0):
            rows = table[offset:].T[None]  # [1, hidden, rows]
            return nn.functional.interpolate(rows, size=longer, mode="linear", align_corners=True)[0].T[:tokens]
        if offset == 2:
            module = OPTLearnedPositionalEmbedding(table.shape[0] - 2, table.shape[1])
            module.weight.data = table
            return module(torch.ones(1, tokens, dtype=torch.long))[0]
        return table[offset : offset + tokens]


class Shaw(Encoding):
    def sides(self):
        return self.integer("left", 16), self.integer("right", 16)

    def scores(self, layer, query, key, inputs, scale):
        left, right = self.sides()
        embedding = nn.Embedding.from_pretrained(self.weights[f"layers.{layer}.relative_keys"])
        module = types.SimpleNamespace(
            left_max_position_embeddings=left,
            right_max_position_embeddings=right,
            distance_embedding=embedding,
            scaling=scale,
        )
        query, relative = _apply_relative_key_position_encoding(module, query, key)
        return query @ key.transpose(2, 3) * scale + relative

    def values(self, layer, probabilities):
        if self.integer("values", 0) == 0:
            return torch.zeros(())
        left, right = self.sides()
        queries, keys = probabilities.shape[2:]
        relative = torch.arange(keys)[None, :] - torch.arange(queries)[:, None]
        vectors = self.weights[f"layers.{layer}.relative_values"][relative.clamp(-left, right) + left]  # [q, k, d]
        return torch.einsum("bhqk,qkd->bhqd", probabilities, vectors)


class T5(Encoding):
    def bias(self, layer, query, key, inputs):
        config = T5Config(
            d_model=8, d_kv=4, num_heads=self.heads, relative_attention_num_buckets=self.integer("buckets", 32),
            relative_attention_max_distance=self.integer("distance", 128),
            is_decoder=not self.integer("bidirectional", 0),
        )  # fmt: skip
        module = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
        module.relative_attention_bias.weight.data = self.weights["relative_bias"]
        return module.compute_bias(query.shape[2], key.shape[2])


class Alibi(Encoding):
    def bias(self, layer, query, key, inputs):
        mask = torch.ones(1, key.shape[2], dtype=torch.long)
        return build_alibi_tensor(mask, self.heads, torch.float32)[None]  # [1, heads, 1, k]


class Cable(Encoding):
    """arXiv 2503.08067: b_t = -sum of softplus(w.x_u + c) over u <= t; query i and key j get b_i - b_j."""

    def bias(self, layer, query, key, inputs):
        weight, constant = (self.weights[f"layers.{layer}.slope.{part}"] for part in ("weight", "bias"))
        slopes = nn.functional.softplus(nn.functional.linear(inputs, weight, constant))  # [1, q, heads]
        sums = -slopes.double().cumsum(1).transpose(1, 2)  # [1, heads, q]
        return (sums[..., :, None] - sums[..., None, :]).float()


class TransformerXl(Encoding):
    """arXiv 1901.02860, section 3.3, with its recurrence: the queries of a segment see the segment and the memory."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.segment, self.kept = self.integer("segment", 128), self.integer("memory", 128)

    def biases(self, layer):
        place = f"layers.{layer}." if self.integer("untied", 0) else ""
        return (self.weights[place + name] for name in ("content_bias", "position_bias"))  # [heads, d]

    def scores(self, layer, query, key, inputs, scale):
        content, position = self.biases(layer)
        queries, keys = query.shape[2], key.shape[2]
        distance = (torch.arange(queries)[:, None] + keys - queries - torch.arange(keys)[None, :]).clamp(min=0)
        if clamp := self.integer("clamp", 0):
            distance = distance.clamp(max=clamp)
        angles = wave(distance.flatten(), self.config.hidden_size)
        sinusoid = torch.cat([angles.sin(), angles.cos()], dim=1)
        relative = nn.functional.linear(sinusoid, self.weights[f"layers.{layer}.relative_projection"])
        relative = relative.view(queries, keys, self.heads, -1)
        by_content = (query + content[None, :, None]) @ key.transpose(2, 3)
        by_position = torch.einsum("bhqd,qkhd->bhqk", query + position[None, :, None], relative)
        return (by_content + by_position) * scale


ENCODINGS = {
    "sinusoidal": Sinusoidal, "learned": Learned, "shaw": Shaw, "transformer_xl": TransformerXl, "t5": T5,
    "alibi": Alibi, "cable": Cable,
}  # fmt: skip


def causal_mask(queries, keys, window):
    """Additive [q, k] for queries that end where the keys end; window None or 0: all."""
    index = torch.arange(keys - queries, keys)[:, None]
    visible = torch.arange(keys)[None, :] <= index
    if window:
        visible &= torch.arange(keys)[None, :] > index - window
    return torch.zeros(queries, keys).masked_fill(~visible, float("-inf"))


def additive_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **options):
    """The registered attention. module.additive is the running `AdditiveDecoder`."""
    run, layer = module.additive, module.layer_idx
    encoding = run.encoding
    if encoding.segment:
        key, value = run.with_memory(module, key, value)
        attention_mask = causal_mask(query.shape[2], key.shape[2], options.get("sliding_window"))
    key, value = (repeat_kv(part, module.num_key_value_groups) for part in (key, value))
    scores = encoding.scores(layer, query, key, run.inputs[layer], encoding.scale(scaling)) + attention_mask
    probabilities = scores.softmax(dim=-1)
    output = probabilities @ value + encoding.values(layer, probabilities)
    return output.transpose(1, 2).contiguous(), probabilities


AttentionInterface.register("azimuth_additive", additive_attention)
AttentionMaskInterface.register("azimuth_additive", eager_mask)


class NoRotation(nn.Module):
    def forward(self, hidden, position_ids):
        return torch.ones(1, 1, 1), torch.zeros(1, 1, 1)


class AdditiveDecoder:
    """The model of a checkpoint directory under a policy, such as "t5:buckets=8"."""

    def __init__(self, folder, policy):
        tensors = load_file(folder / "model.safetensors")
        names = [name for name in tensors if name.startswith(PREFIX)]
        weights = {name.removeprefix(PREFIX): tensors[name].float() for name in names}
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="azimuth_additive"
        )
        self.model = model.eval()
        name, options = parse_policy(policy)
        self.encoding = ENCODINGS[name](options, weights, model.config)
        self.model.model.rotary_emb = NoRotation()
        self.inputs = {}  # of each layer's attention, in this pass
        self.memory = {}  # of each layer: the last inputs of its attention in earlier segments
        self.outputs = {}  # of each layer, in this pass
        for index, layer in enumerate(self.model.model.layers):
            layer.self_attn.additive = self
            layer.self_attn.register_forward_pre_hook(self.keep_inputs(index), with_kwargs=True)
            layer.register_forward_hook(self.keep_outputs(index))

    def keep_inputs(self, index):
        def hook(module, positional, named):
            self.inputs[index] = named["hidden_states"]

        return hook

    def keep_outputs(self, index):
        def hook(module, positional, output):
            self.outputs[index] = output if isinstance(output, torch.Tensor) else output[0]

        return hook

    def with_memory(self, module, key, value):
        """Keys and values of the memory, computed from its hidden states, in front of the segment's."""
        hidden = self.memory.get(module.layer_idx)
        if hidden is None or hidden.shape[1] == 0:
            return key, value
        shape = (1, hidden.shape[1], -1, module.head_dim)
        old_key = module.k_proj(hidden).view(shape)
        old_key = module.k_norm(old_key) if hasattr(module, "k_norm") else old_key
        old_value = module.v_proj(hidden).view(shape)
        return torch.cat([old_key.transpose(1, 2), key], 2), torch.cat([old_value.transpose(1, 2), value], 2)

    def remember(self):
        """What the next segment sees of each layer."""
        for index, inputs in self.inputs.items() if self.encoding.segment else ():
            seen = torch.cat([self.memory[index], inputs], 1) if index in self.memory else inputs
            self.memory[index] = seen[:, max(0, seen.shape[1] - self.encoding.kept) :]

    @torch.no_grad()
    def run(self, ids):
        """(logits [tokens, vocab], outputs of the layers at the last position [layers, hidden])."""
        hidden = self.model.model.embed_tokens(torch.tensor([ids])) + self.encoding.embeddings(len(ids))
        step = self.encoding.segment or len(ids)
        self.memory = {}
        logits = []
        for begin in range(0, len(ids), step):
            logits.append(self.model(inputs_embeds=hidden[:, begin : begin + step], use_cache=False).logits[0])
            self.remember()
        last = torch.stack([self.outputs[index][0, -1] for index in sorted(self.outputs)])
        return torch.cat(logits), last

    def greedy(self, ids, tokens):
        ids, count = list(ids), len(ids)
        for _ in range(tokens):
            ids.append(int(self.run(ids)[0][-1].argmax()))
        return ids[count:]


def weight_shapes(policy, config, rows):
    """{name without prefix: shape} of the tensors that a policy reads."""
    name, options = parse_policy(policy)
    heads, hidden, layers = config.num_attention_heads, config.hidden_size, range(config.num_hidden_layers)
    dim = getattr(config, "head_dim", None) or hidden // heads
    if name == "learned":
        return {"table": (rows, hidden)}
    if name == "t5":
        return {"relative_bias": (int(options.get("buckets", 32)), heads)}
    if name == "shaw":
        width = int(options.get("left", 16)) + int(options.get("right", 16)) + 1
        kinds = ["keys", "values"] if options.get("values") == "1" else ["keys"]
        return {f"layers.{i}.relative_{kind}": (width, dim) for i in layers for kind in kinds}
    if name == "cable":
        shapes = {f"layers.{i}.slope.weight": (heads, hidden) for i in layers}
        return {**shapes, **{f"layers.{i}.slope.bias": (heads,) for i in layers}}
    if name == "transformer_xl":
        shapes = {f"layers.{i}.relative_projection": (heads * dim, hidden) for i in layers}
        places = [f"layers.{i}." for i in layers] if options.get("untied") == "1" else [""]
        biases = [place + part for place in places for part in ("content_bias", "position_bias")]
        return {**shapes, **dict.fromkeys(biases, (heads, dim))}
    return {}


def weight_values(name, shape, rng):
    """A random tensor that moves scores about as much as the products of queries and keys do."""
    noise = torch.from_numpy(rng.standard_normal(shape)).float()
    if name.endswith("relative_projection"):
        return 1.4 / shape[1] ** 0.5 * noise
    if name.endswith("slope.weight"):
        return 1.2 / shape[1] ** 0.5 * noise
    if name.endswith("slope.bias"):
        return 0.5 * noise - 1.0
    if name == "table":
        return 0.5 * noise
    return noise
