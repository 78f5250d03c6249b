"""Small tokenizers of the published kinds, trained here on a few lines so that nothing has to be downloaded."""

import functools
import json

from tokenizers import Regex, pre_tokenizers

CORPUS = (
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. What is in the picture? "
    "Describe the image in one sentence. There are 12 boats, 3 houses and a red kite above the harbour. "
    "Where does the second picture differ from the first? Count from 1 to 10: 1, 2, 3, 4, 5. "
    "Ein kleines Mädchen läuft über die Straße; schöne Grüße aus Köln. Le garçon était déjà là. "
    "这是一张图片。图片里有两只猫和一只狗。写一句话描述它。 "
    "How many seconds pass between the two frames of the video? <0.3 seconds> You are a helpful assistant. "
)

QWEN_SPLIT = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
LLAMA3_SPLIT = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"""
    r"""|\s*[\r\n]+|\s+(?!\S)|\s+"""
)

QWEN_SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
QWEN_PLAIN_ADDED = ["<tool_call>", "</tool_call>", "<think>", "</think>"]
LLAMA3_SPECIALS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>",
]  # fmt: skip


@functools.cache
def byte_level_bpe(split, merge_count):
    """The vocabulary {token: id} and the merges of a byte-level BPE; the most frequent pair first, ties by spelling."""
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), behavior="isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    words = [list(word) for word, _ in pre.pre_tokenize_str(CORPUS)]
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    while len(merges) < merge_count:
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        (left, right), _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
        merges.append((left, right))
        tokens.append(left + right)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == (left, right):
                    word[i : i + 2] = [left + right]
                i += 1
    return {token: i for i, token in enumerate(tokens)}, merges


def added_token(token_id, content, special):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
    return {"id": token_id, "content": content, **flags}


def byte_level_tokenizer(split, merge_count, specials, plain_added=(), normalizer=None, bos=None):
    """tokenizer.json as a dictionary, and {added token: id}."""
    vocab, merges = byte_level_bpe(split, merge_count)
    ids = {content: len(vocab) + i for i, content in enumerate([*specials, *plain_added])}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split_step = {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False}
    post = byte_level
    if bos is not None:
        special = {"id": bos, "ids": [ids[bos]], "tokens": [bos]}
        bos_piece = {"SpecialToken": {"id": bos, "type_id": 0}}
        first, second = ({"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB"))
        second_bos = {"SpecialToken": {"id": bos, "type_id": 1}}
        template = {
            "type": "TemplateProcessing",
            "single": [bos_piece, first],
            "pair": [bos_piece, first, second_bos, second],
            "special_tokens": {bos: special},
        }
        post = {"type": "Sequence", "processors": [byte_level, template]}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(i, content, content in specials) for content, i in ids.items()],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split_step, byte_level]},
        "post_processor": post,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": bos is not None,
            "vocab": vocab, "merges": [list(pair) for pair in merges],
        },
    }  # fmt: skip
    return document, ids


def write_tokenizer(folder, document, config):
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    config = dict(config)
    config["added_tokens_decoder"] = {
        str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in document["added_tokens"]
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8")


def qwen_tokenizer(folder, draw, chat_template=None, specials=tuple(QWEN_SPECIALS), more_config=None):
    """Writes a tokenizer with Qwen's pre-tokenizer and special tokens; returns {added token: id} and the count of ids.

    more_config: keys of tokenizer_config.json beyond Qwen's.
    """
    normalizer = draw.odd("tokenizer.normalizer", 0.3, [None, {"type": "NFKC"}], {"type": "NFC"})
    document, ids = byte_level_tokenizer(
        QWEN_SPLIT, draw.pick("tokenizer.merges", [60, 100, 140]), specials, QWEN_PLAIN_ADDED, normalizer
    )
    classes = ["Qwen2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend", None]
    config = {
        "add_prefix_space": False,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 262144,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": draw.odd("tokenizer.class", 0.4, classes, "Qwen2Tokenizer"),
        "unk_token": None,
        **(more_config or {}),
    }
    if config["tokenizer_class"] is None:
        del config["tokenizer_class"]
    if draw.odd("tokenizer.bos", 0.1):  # then a chat begins with it where the template does not write it
        config["bos_token"] = "<|endoftext|>"
    if chat_template is not None:
        config["chat_template"] = chat_template
    write_tokenizer(folder, document, config)
    return ids, len(document["model"]["vocab"]) + len(ids)


def llama3_tokenizer(folder, draw, chat_template=None, specials=tuple(LLAMA3_SPECIALS)):
    """Writes a tokenizer with Llama 3's pre-tokenizer and special tokens, which puts <|begin_of_text|> first."""
    document, ids = byte_level_tokenizer(
        LLAMA3_SPLIT, draw.pick("tokenizer.merges", [60, 100, 140]), specials, bos="<|begin_of_text|>"
    )
    config = {
        "bos_token": "<|begin_of_text|>",
        "clean_up_tokenization_spaces": draw.chance("tokenizer.clean_up", 0.3),
        "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 131072,
        "pad_token": "<|end_of_text|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    write_tokenizer(folder, document, config)
    return ids, len(document["model"]["vocab"]) + len(ids)


GEMMA_FIRST = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]


@functools.cache
def sentencepiece_bpe(first, merge_count):
    """The vocabulary {token: id}, bytes behind the first special tokens, and the merges; spaces are "▁"."""
    words = [list("▁" + word) for word in CORPUS.split(" ") if word]
    tokens = [*first, *(f"<0x{byte:02X}>" for byte in range(256)), *sorted({c for word in words for c in word})]
    merges = []
    while len(merges) < merge_count:
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        (left, right), _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
        merges.append((left, right))
        tokens.append(left + right)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == (left, right):
                    word[i : i + 2] = [left + right]
                i += 1
    return {token: i for i, token in enumerate(tokens)}, merges


def gemma_tokenizer(folder, draw, specials, named, chat_template=None):
    """Writes a BPE tokenizer with byte fallback, as Gemma's are.

    specials: the family's own special tokens; named: {"image_token": ...}. Returns {special token: id} and the count of ids.
    """
    vocab, merges = sentencepiece_bpe(tuple(GEMMA_FIRST), draw.pick("tokenizer.merges", [60, 100, 140]))
    vocab, merges = dict(vocab), list(merges)
    for content in specials:
        vocab[content] = len(vocab)
    ids = {content: vocab[content] for content in [*GEMMA_FIRST, *specials]}
    bos_piece = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB"))
    second_bos = {"SpecialToken": {"id": "<bos>", "type_id": 1}}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(i, content, True) for content, i in ids.items()],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos_piece, first],
            "pair": [bos_piece, first, second_bos, second],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [ids["<bos>"]], "tokens": ["<bos>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocab, "merges": [list(pair) for pair in merges],
        },
    }  # fmt: skip
    config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "extra_special_tokens": named,
        "mask_token": "<mask>",
        "model_max_length": 131072,
        "pad_token": "<pad>",
        "padding_side": "left",
        "tokenizer_class": draw.odd("tokenizer.class", 0.2, ["GemmaTokenizerFast"], "GemmaTokenizer"),
        "unk_token": "<unk>",
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    write_tokenizer(folder, document, config)
    return ids, len(vocab)


def llama2_tokenizer(folder, draw, chat_template=None, added=("<image>", "<pad>")):
    """Writes a tokenizer as Llama 2, Vicuna and Mistral have it; returns {added token: id} and the count of ids.

    The file prepends "\u2581" to every piece of text between special tokens, which is what the published files do; the
    class LlamaTokenizer of transformers 5 builds another pipeline.
    """
    vocab, merges = sentencepiece_bpe(("<unk>", "<s>", "</s>"), draw.pick("tokenizer.merges", [60, 100, 140]))
    ids = {name: vocab[name] for name in ("<unk>", "<s>", "</s>")}
    ids.update({content: len(vocab) + i for i, content in enumerate(added)})
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    back = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    sequence = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added_token(i, content, True) for content, i in ids.items()],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, replace]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": sequence,
            "pair": [*sequence, {"SpecialToken": {"id": "<s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [ids["<s>"]], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            back, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocab, "merges": [list(pair) for pair in merges],
        },
    }  # fmt: skip
    config = {
        "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "clean_up_tokenization_spaces": False,
        "eos_token": "</s>", "legacy": draw.chance("tokenizer.legacy", 0.5), "model_max_length": 4096,
        "pad_token": "<pad>", "padding_side": "left", "sp_model_kwargs": {}, "unk_token": "<unk>",
        "use_default_system_prompt": False,
        "tokenizer_class": draw.odd("tokenizer.class", 0.4, ["LlamaTokenizerFast", "TokenizersBackend"], "LlamaTokenizer"),
    }  # fmt: skip
    if chat_template is not None:
        config["chat_template"] = chat_template
    write_tokenizer(folder, document, config)
    return ids, len(vocab) + len(added)
