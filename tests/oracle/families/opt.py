"""OPT, text only: layer norms before or behind, learned positions that start at row 2, ReLU, projections around the
embeddings."""

import copy

import numpy
from transformers import OPTForCausalLM

from . import checkpoint, text_only, tokenizer

# What GPT-2's pre-tokenizer does by itself (tokenizers: ByteLevel with use_regex).
GPT2_SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]

# Base models have no template; people write plain ones.
TEMPLATE = """\
{%- for message in messages %}
    {{- 'Question: ' if message.role == 'user' else 'Answer: ' }}
    {{- message.content + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- 'Answer:' }}{%- endif %}
"""

SMALL = {
    "odd": False, "shards": 1, "tokenizer.merges": 60, "text.positions": 90, "text.layers": 2, "text.intermediate": 52,
    "text.spare_rows": 7, "request.raw": True, "request.stops": False, "request.padded": False, "request.samples": 2,
    "request.new_tokens": 12, "tokenizer.clean_up": False, "prompt0": "Count from 1 to 10: 1, 2, 3",
}  # fmt: skip
GOLDEN_CASES = {
    "opt_norms_in_front": (1, {
        **SMALL, "dtype": "bf16", "files.generation": 5, "text.norm_before": True, "text.heads": 3, "text.head_dim": 12,
        "text.embedding": 36, "text.act": "relu", "text.tie": True, "text.scale": 0.3, "request.padded": True,
        "request.padding_side": "left",
    }),
    "opt_350m_kind_v4": (2, {
        **SMALL, "dtype": "f32", "files.generation": 4, "text.norm_before": False, "text.heads": 2,
        "text.head_dim": 16, "text.embedding": 24, "text.act": "relu", "text.tie": True, "text.scale": 0.03,
        "files.base_model": True,
    }),
    "opt_bare_f16": (3, {
        **SMALL, "dtype": "f16", "files.generation": 5, "text.norm_before": True, "text.heads": 4, "text.head_dim": 9,
        "text.embedding": 50, "text.act": "gelu", "text.tie": False, "text.scale": 1.0, "text.no_bias": True,
        "text.plain_norms": True, "text.no_final_norm": True, "tokenizer.prefix_space": True,
    }),
}  # fmt: skip


def gpt2_tokenizer(folder, draw, specials=SPECIALS, chat_template=None, more=None):
    """Writes a GPT-2 tokenizer as OPT uses it, which puts </s> first; returns {added token: id} and the count of ids."""
    document, ids = tokenizer.byte_level_tokenizer(
        GPT2_SPLIT, draw.pick("tokenizer.merges", [60, 100, 140]), specials, bos="</s>"
    )
    document["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document["model"].update(ignore_merges=False)
    config = {
        "add_bos_token": True,
        "add_prefix_space": draw.odd("tokenizer.prefix_space", 0.15),
        "bos_token": "</s>",
        "clean_up_tokenization_spaces": draw.chance("tokenizer.clean_up", 0.3),
        "eos_token": "</s>",
        "errors": "replace",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "tokenizer_class": draw.odd("tokenizer.class", 0.3, ["GPT2TokenizerFast", None], "GPT2Tokenizer"),
        "unk_token": "</s>",
        **(more or {}),
    }
    if config["tokenizer_class"] is None:
        del config["tokenizer_class"]
    if chat_template is not None:
        config["chat_template"] = chat_template
    tokenizer.write_tokenizer(folder, document, config)
    return ids, len(document["model"]["vocab"]) + len(ids)


def sizes(draw):
    """An OPTConfig without its token ids."""
    heads = draw.pick("text.heads", [1, 2, 3, 4])
    hidden = heads * draw.pick("text.head_dim", [9, 12, 16, 20])
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": draw.pick("text.layers", [2, 3]),
        "num_attention_heads": heads,
        "ffn_dim": draw.pick("text.intermediate", [52, 72, 92]),
        "max_position_embeddings": draw.pick("text.positions", [300, 512]),
        "do_layer_norm_before": draw.chance("text.norm_before", 0.7),
        "word_embed_proj_dim": draw.pick("text.embedding", [hidden, hidden, 24, 70]),
        "activation_function": draw.pick("text.act", ["relu", "relu", "relu", "gelu"]),
        "tie_word_embeddings": draw.chance("text.tie", 0.7),
        "dropout": 0.1,
        "attention_dropout": 0.0,
        "layerdrop": 0.0,
    }
    if draw.odd("text.no_bias", 0.15):
        config["enable_bias"] = False
    if draw.odd("text.plain_norms", 0.15):  # layer norms without weights
        config["layer_norm_elementwise_affine"] = False
    if draw.odd("text.no_final_norm", 0.1):
        config["_remove_final_layer_norm"] = True
    return config


def tensor(name, shape, rng, scale):
    """One tensor of an OPT decoder. scale: size of the residual stream."""
    noise = rng.standard_normal(shape)
    if "embed_tokens" in name:
        return (scale if scale else 1.0) * noise
    if "embed_positions" in name:
        return scale * noise
    if "norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if name.endswith("bias"):
        return (scale if "out_proj" in name or "fc2" in name else 1.0) * 0.3 * noise
    gain = scale if "out_proj" in name or "fc2" in name else 1.5
    if "lm_head" in name or "project_in" in name or "project_out" in name:
        gain = 2.0 if "lm_head" in name else 1.0
    return gain / numpy.sqrt(shape[1]) * noise


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    templated = draw.chance("files.has_template", 0.3)
    in_tokenizer = text_only.write_template(draw, model_folder, TEMPLATE, ["jinja", "tokenizer"]) if templated else None
    ids, count = gpt2_tokenizer(model_folder, draw, chat_template=in_tokenizer)
    config = sizes(draw)
    config.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["</s>"],
        eos_token_id=ids["</s>"], pad_token_id=ids["<pad>"],
    )  # fmt: skip
    text_only.write_generation_config(draw, model_folder, ids, ["</s>", "<pad>"], count)

    hf_config = OPTForCausalLM.config_class(**copy.deepcopy(config))
    scale = draw.pick("text.scale", [0.03, 0.3, 1.0])
    shapes = checkpoint.parameter_shapes(OPTForCausalLM, hf_config)
    tensors = {name: tensor(name, shape, draw.stream(f"weights/{name}"), scale) for name, shape in shapes.items()}
    if draw.odd("files.base_model", 0.2) and config["tie_word_embeddings"]:  # as the first checkpoints were saved
        tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    checkpoint.write_weights(draw, model_folder, tensors)

    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": ["OPTForCausalLM"], "model_type": "opt", **config}
        document.update(torch_dtype=dtype, transformers_version="4.57.3")
        if document["tie_word_embeddings"]:
            del document["tie_word_embeddings"]  # the default is not written
        if document["word_embed_proj_dim"] == document["hidden_size"] and draw.chance("files.default_width", 0.5):
            del document["word_embed_proj_dim"]
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "OPTForCausalLM", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    draw.forced.setdefault("request.raw", not templated)
    checkpoint.write_json(folder / "request.json", text_only.request(draw))
