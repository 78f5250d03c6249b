//! Tokenizer classes of transformers 5.23.0 that build their own pipeline and ignore the one in tokenizer.json, as data.
//! Source: models/{qwen2,qwen3_5,llama,gemma,gpt2}/tokenization_*.py and models/auto/tokenization_auto.py.

use serde_json::{json, Map, Value as Json};

/// What a class puts in place of the parts of tokenizer.json.
pub struct Rebuilt {
    pub model: Json,
    pub normalizer: Json,
    pub pre_tokenizer: Json,
    pub decoder: Json,
    /// Named special tokens where tokenizer_config.json does not mention them.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Named special tokens are added once more at the end, with default properties.
    pub adds_named_again: bool,
}

const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN3_5: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const QWEN_NAMES: &[(&str, &str)] =
    &[("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>"), ("pad_token", "<|endoftext|>")];
const LLAMA_NAMES: &[(&str, &str)] = &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];
const GEMMA_NAMES: &[(&str, &str)] = &[
    ("bos_token", "<bos>"),
    ("eos_token", "<eos>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];
const GPT2_NAMES: &[(&str, &str)] =
    &[("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")];

/// The pipeline of `class` (without "Fast"), or None for a class that takes tokenizer.json as it is.
pub fn rebuilt(class: &str, config: &Map<String, Json>) -> Option<Rebuilt> {
    match class {
        "Qwen2Tokenizer" => Some(Rebuilt { adds_named_again: true, ..byte_level_qwen(QWEN2, config) }),
        "Qwen3_5Tokenizer" => Some(byte_level_qwen(QWEN3_5, config)),
        "LlamaTokenizer" => Some(llama(config)),
        "GemmaTokenizer" => Some(gemma(config)),
        "GPT2Tokenizer" => Some(gpt2(config)),
        _ => None,
    }
}

fn flag(config: &Map<String, Json>, key: &str, otherwise: bool) -> bool {
    config.get(key).and_then(Json::as_bool).unwrap_or(otherwise)
}

fn bpe(unk_token: Json, fuse_unk: bool, byte_fallback: bool) -> Json {
    json!({"dropout": null, "unk_token": unk_token, "continuing_subword_prefix": null, "end_of_word_suffix": null,
           "fuse_unk": fuse_unk, "byte_fallback": byte_fallback, "ignore_merges": false})
}

fn byte_level(add_prefix_space: bool, use_regex: bool) -> Json {
    json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": use_regex})
}

fn byte_level_qwen(pattern: &str, config: &Map<String, Json>) -> Rebuilt {
    let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    Rebuilt {
        model: bpe(Json::Null, false, false),
        normalizer: json!({"type": "NFC"}),
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers":
            [split, byte_level(flag(config, "add_prefix_space", false), false)]}),
        decoder: byte_level(true, true),
        defaults: QWEN_NAMES,
        adds_named_again: false,
    }
}

fn llama(config: &Map<String, Json>) -> Rebuilt {
    let prefix = flag(config, "add_prefix_space", true);
    let scheme = match (prefix, flag(config, "legacy", false)) {
        (false, _) => "never",
        (true, true) => "always",
        (true, false) => "first",
    };
    let mut decoders = sentencepiece_decoders();
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Rebuilt {
        model: bpe(Json::Null, true, true),
        normalizer: Json::Null,
        pre_tokenizer: json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false}),
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        defaults: LLAMA_NAMES,
        adds_named_again: false,
    }
}

fn gemma(config: &Map<String, Json>) -> Rebuilt {
    let unknown = config.get("unk_token").and_then(token_content).unwrap_or("<unk>");
    Rebuilt {
        model: bpe(json!(unknown), true, true),
        normalizer: json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        pre_tokenizer: json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                              "invert": false}),
        decoder: json!({"type": "Sequence", "decoders": sentencepiece_decoders()}),
        defaults: GEMMA_NAMES,
        adds_named_again: false,
    }
}

fn gpt2(config: &Map<String, Json>) -> Rebuilt {
    Rebuilt {
        model: bpe(Json::Null, false, false),
        normalizer: Json::Null,
        pre_tokenizer: byte_level(flag(config, "add_prefix_space", false), true),
        decoder: byte_level(true, true),
        defaults: GPT2_NAMES,
        adds_named_again: false,
    }
}

fn sentencepiece_decoders() -> Vec<Json> {
    vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ]
}

/// A token is given as a string, or as an object with its properties.
pub fn token_content(token: &Json) -> Option<&str> {
    token.as_str().or_else(|| token.get("content").and_then(Json::as_str))
}

/// The class that takes tokenizer.json as it is.
const AS_IS: &str = "TokenizersBackend";

const GENERIC: &[&str] =
    &[AS_IS, "PythonBackend", "PreTrainedTokenizer", "PreTrainedTokenizerFast", "MistralCommonBackend", ""];

/// The class that AutoTokenizer picks. `named` is the one in tokenizer_config.json, `registered` the one that
/// transformers lists for the model type, which wins where the published files are known to name a wrong one.
pub fn choose<'a>(named: &'a str, registered: &'a str, registered_wins: bool, tokenizer_json: &str) -> &'a str {
    let (named, registered) = (strip_fast(named), strip_fast(registered));
    if named == "LlamaTokenizer" && !registered_wins && tokenizer_json.contains("\"ByteLevel\"") {
        return AS_IS;
    }
    let chosen = match (named, registered) {
        ("", _) => registered,
        (_, "") => named,
        _ if GENERIC.contains(&registered) || registered_wins => registered,
        _ => named,
    };
    if GENERIC.contains(&chosen) { AS_IS } else { chosen }
}

fn strip_fast(class: &str) -> &str {
    match class {
        "PreTrainedTokenizerFast" => class,
        _ => class.strip_suffix("Fast").unwrap_or(class),
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_class_is_chosen_as_auto_tokenizer_does() {
        assert_eq!(choose("Qwen2TokenizerFast", "Qwen2Tokenizer", false, ""), "Qwen2Tokenizer");
        assert_eq!(choose("LlamaTokenizerFast", "", false, "\"ByteLevel\""), "TokenizersBackend");
        assert_eq!(choose("LlamaTokenizer", "TokenizersBackend", true, ""), "TokenizersBackend");
        assert_eq!(choose("GPT2Tokenizer", "Qwen2Tokenizer", false, ""), "GPT2Tokenizer");
        assert_eq!(choose("GPT2Tokenizer", "Qwen2Tokenizer", true, ""), "Qwen2Tokenizer");
        assert_eq!(choose("", "GemmaTokenizer", false, ""), "GemmaTokenizer");
    }
}
