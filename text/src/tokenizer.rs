//! A tokenizer as transformers' AutoTokenizer builds it from the files of a checkpoint (tokenization_utils_base.py,
//! tokenization_utils_tokenizers.py of 5.23.0).

use crate::classes::{choose, rebuilt, token_content, Rebuilt};
use crate::shield::{free_sentinel, Reserved};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Map, Value as Json};
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use tokenizers::tokenizer::{Model, OffsetType, PreTokenizer};
use tokenizers::AddedToken;

const STANDARD_NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Contents of a checkpoint's files; empty where there is none.
pub struct Files<'a> {
    pub tokenizer_json: &'a str,
    pub tokenizer_config_json: &'a str,
    pub special_tokens_map_json: &'a str,
    pub added_tokens_json: &'a str,
    pub vocab_json: &'a str,
    pub merges_txt: &'a str,
    pub registered_class: &'a str,
    pub registered_class_wins: bool,
    pub placeholders: Vec<String>,
}

pub struct Tokenizer {
    pub inner: tokenizers::Tokenizer,
    pub reserved: Reserved,
    class: String,
    named: Vec<(String, String)>,
    special: Vec<(u32, String)>,
}

impl Tokenizer {
    pub fn new(files: Files) -> Result<Self, String> {
        let mut config = parse_object(files.tokenizer_config_json, "tokenizer_config.json")?;
        let has_decoder = config.contains_key("added_tokens_decoder");
        if !has_decoder {
            config.extend(parse_object(files.special_tokens_map_json, "special_tokens_map.json")?);
        }
        let named_class = config.get("tokenizer_class").and_then(Json::as_str).unwrap_or("").to_string();
        let class = choose(&named_class, files.registered_class, files.registered_class_wins, files.tokenizer_json);
        let plan = rebuilt(class, &config);

        let source = if files.tokenizer_json.is_empty() {
            from_vocab_and_merges(&files, plan.is_some())?
        } else {
            files.tokenizer_json.to_string()
        };
        let source = patched(&source, plan.as_ref())?;
        let mut inner = tokenizers::Tokenizer::from_str(&source)
            .map_err(|e| format!("expected a tokenizer.json of the tokenizers library, got: {e}"))?;
        drop(source);

        let listed = listed_tokens(&config, has_decoder, &files)?;
        let (named, extra) = special_names(&config, plan.as_ref());
        add_tokens(&mut inner, &listed, &named, &extra, plan.as_ref().is_some_and(|p| p.adds_named_again))?;
        if config.get("split_special_tokens").and_then(Json::as_bool) == Some(true) {
            inner.set_encode_special_tokens(true);
        }

        let mut special: Vec<(u32, String)> = inner
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special)
            .map(|(id, token)| (id, token.content))
            .collect();
        special.sort();
        let mut reserved: Vec<String> = special.iter().map(|(_, content)| content.clone()).collect();
        reserved.extend(files.placeholders);
        Ok(Self { inner, reserved: Reserved::new(reserved)?, class: class.to_string(), named, special })
    }

    pub fn info(&self) -> Json {
        let named: Map<String, Json> = self.named.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        json!({
            "class": self.class,
            "vocab_size": self.inner.get_vocab_size(true),
            "named": named,
            "special": self.special,
            "reserved": self.reserved.strings(),
        })
    }

    pub fn encode(&self, text: &str, add_special: bool, literal: &[(usize, usize)]) -> Result<Vec<u32>, String> {
        let failed = |e: tokenizers::Error| format!("expected text that this tokenizer can encode, got: {e}");
        if literal.is_empty() {
            return Ok(self.inner.encode_fast(text, add_special).map_err(failed)?.get_ids().to_vec());
        }
        let sentinel = free_sentinel(&[text])?;
        let shielded = self.reserved.shield_ranges(text, literal, sentinel);
        let added = self.inner.get_added_vocabulary();
        let mut pieces = added.extract_and_normalize(self.inner.get_normalizer(), &shielded);
        pieces
            .normalize(|piece| {
                piece.filter(|c| c != sentinel);
                Ok(())
            })
            .map_err(failed)?;
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(failed)?;
        }
        self.inner.get_model().tokenize_in_pretokenized(&mut pieces, None).map_err(failed)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::None).map_err(failed)?;
        Ok(self.inner.post_process(encoding, None, add_special).map_err(failed)?.get_ids().to_vec())
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        self.inner.decode(ids, skip_special).map_err(|e| format!("expected ids that decode to text, got: {e}"))
    }

    /// The string behind `id` as `decode` sees it, or None where there is no such id or it is to be skipped.
    pub fn visible_token(&self, id: u32, skip_special: bool) -> Option<String> {
        let added = self.inner.get_added_vocabulary();
        let token = added.simple_id_to_token(id).or_else(|| self.inner.get_model().id_to_token(id))?;
        (!skip_special || !added.is_special_token(&token)).then_some(token)
    }
}

fn parse_object(text: &str, name: &str) -> Result<Map<String, Json>, String> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(format!("expected a JSON object in {name}, got another kind of value")),
        Err(e) => Err(format!("expected a JSON object in {name}, got: {e}")),
    }
}

type RawMap<'a> = BTreeMap<String, &'a RawValue>;

fn raw_object<'a>(text: &'a str, name: &str) -> Result<RawMap<'a>, String> {
    serde_json::from_str(text).map_err(|e| format!("expected a JSON object in {name}, got: {e}"))
}

fn raw(value: &Json) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// tokenizer.json without truncation and padding (transformers sets both per call), and with the parts that the class
/// builds itself. Vocabulary and merges, the large parts, are passed on unread.
fn patched(source: &str, plan: Option<&Rebuilt>) -> Result<String, String> {
    let mut file = raw_object(source, "tokenizer.json")?;
    let null = raw(&Json::Null);
    file.insert("truncation".into(), &null);
    file.insert("padding".into(), &null);
    let Some(plan) = plan else {
        return serde_json::to_string(&file).map_err(|e| e.to_string());
    };

    let model = file.get("model").ok_or("expected a model in tokenizer.json, got none")?;
    let mut model = raw_object(model.get(), "model of tokenizer.json")?;
    if model.get("type").is_some_and(|t| t.get() != "\"BPE\"") || !model.contains_key("merges") {
        return Err("expected a BPE model in tokenizer.json for this tokenizer class, got another kind".into());
    }
    let fields: Vec<(String, Box<RawValue>)> =
        plan.model.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), raw(value))).collect();
    model.extend(fields.iter().map(|(key, value)| (key.clone(), &**value)));
    let model = serde_json::value::to_raw_value(&model).map_err(|e| e.to_string())?;
    let (normalizer, pre_tokenizer, decoder) = (raw(&plan.normalizer), raw(&plan.pre_tokenizer), raw(&plan.decoder));
    let none = raw(&json!([]));
    file.insert("model".into(), &model);
    file.insert("normalizer".into(), &normalizer);
    file.insert("pre_tokenizer".into(), &pre_tokenizer);
    file.insert("decoder".into(), &decoder);
    file.insert("added_tokens".into(), &none);
    serde_json::to_string(&file).map_err(|e| e.to_string())
}

/// A tokenizer.json from vocab.json and merges.txt, for classes that bring the rest along.
fn from_vocab_and_merges(files: &Files, class_is_known: bool) -> Result<String, String> {
    if files.vocab_json.is_empty() || files.merges_txt.is_empty() {
        return Err("expected tokenizer.json, or vocab.json and merges.txt, got neither; download the tokenizer".into());
    }
    if !class_is_known {
        return Err("expected a byte-level tokenizer class (Qwen2Tokenizer, GPT2Tokenizer) beside vocab.json and \
                    merges.txt, got another; convert the tokenizer to tokenizer.json"
            .into());
    }
    let vocab = RawValue::from_string(files.vocab_json.to_string())
        .map_err(|e| format!("expected a JSON object in vocab.json, got: {e}"))?;
    let lines = files.merges_txt.lines().map(str::trim_end);
    let merges: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let vocab = vocab.get();
    let merges = serde_json::to_string(&merges).map_err(|e| e.to_string())?;
    Ok(format!(
        r#"{{"version":"1.0","post_processor":null,"model":{{"type":"BPE","vocab":{vocab},"merges":{merges}}}}}"#
    ))
}

#[derive(Deserialize)]
struct TokenFields {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
    id: Option<u32>,
}

impl TokenFields {
    fn parse(token: &Json, from: &str) -> Result<Self, String> {
        serde_json::from_value(token.clone()).map_err(|e| format!("expected a token's properties in {from}, got: {e}"))
    }

    fn token(&self) -> AddedToken {
        AddedToken::from(self.content.clone(), self.special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!self.special))
    }
}

/// The added tokens by id: of tokenizer_config.json where it lists them, else of the older files.
fn listed_tokens(config: &Map<String, Json>, has_decoder: bool, files: &Files) -> Result<Vec<AddedToken>, String> {
    let mut tokens = BTreeMap::new();
    if has_decoder {
        let listed = config.get("added_tokens_decoder").and_then(Json::as_object);
        let listed = listed.ok_or("expected an object added_tokens_decoder in tokenizer_config.json, got another kind")?;
        for (id, token) in listed {
            let id: u32 = id.parse().map_err(|_| format!("expected a token id in added_tokens_decoder, got '{id}'"))?;
            tokens.insert(id, TokenFields::parse(token, "added_tokens_decoder")?.token());
        }
        return Ok(tokens.into_values().collect());
    }
    let (named, extra) = special_names(config, None);
    for (content, id) in &parse_object(files.added_tokens_json, "added_tokens.json")? {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| format!("expected a token id for '{content}' in added_tokens.json, got another kind"))?;
        let special = named.iter().any(|(_, s)| s == content) || extra.iter().any(|t| t.content == *content);
        tokens.insert(id, AddedToken::from(content.clone(), special).normalized(!special));
    }
    if !files.tokenizer_json.is_empty() {
        let file = raw_object(files.tokenizer_json, "tokenizer.json")?;
        let listed: Vec<Json> = match file.get("added_tokens") {
            Some(list) => serde_json::from_str(list.get()).map_err(|e| format!("expected a list added_tokens, got: {e}"))?,
            None => Vec::new(),
        };
        for token in &listed {
            let fields = TokenFields::parse(token, "added_tokens of tokenizer.json")?;
            let id = fields.id.ok_or("expected an id for every entry of added_tokens in tokenizer.json, got none")?;
            tokens.insert(id, fields.token());
        }
    }
    Ok(tokens.into_values().collect())
}

/// Named special tokens in the order in which transformers adds them, and the unnamed ones.
fn special_names(config: &Map<String, Json>, plan: Option<&Rebuilt>) -> (Vec<(String, String)>, Vec<AddedToken>) {
    let default = |name: &str| {
        let defaults = plan.map_or(&[][..], |p| p.defaults);
        defaults.iter().find(|(key, _)| *key == name).map(|(_, token)| *token)
    };
    let mut named = Vec::new();
    for name in STANDARD_NAMES {
        let token = match config.get(name) {
            Some(value) => token_content(value),
            None => default(name),
        };
        named.extend(token.map(|token| (name.to_string(), token.to_string())));
    }
    let own = config.iter().filter(|(key, _)| key.ends_with("_token") && !STANDARD_NAMES.contains(&key.as_str()));
    named.extend(own.filter_map(|(key, value)| Some((key.clone(), token_content(value)?.to_string()))));

    let listed = ["extra_special_tokens", "additional_special_tokens"].into_iter().filter_map(|key| config.get(key));
    let mut extra = Vec::new();
    match listed.into_iter().find(|v| v.as_array().is_some_and(|a| !a.is_empty()) || v.is_object()) {
        Some(Json::Array(items)) => {
            let contents = items.iter().filter_map(token_content);
            extra.extend(contents.map(|content| AddedToken::from(content.to_string(), true)));
        }
        Some(Json::Object(map)) => {
            named.extend(map.iter().filter_map(|(key, v)| Some((key.clone(), token_content(v)?.to_string()))));
        }
        _ => {}
    }
    (named, extra)
}

fn add_tokens(
    inner: &mut tokenizers::Tokenizer,
    listed: &[AddedToken],
    named: &[(String, String)],
    extra: &[AddedToken],
    named_again: bool,
) -> Result<(), String> {
    let names: HashSet<&str> = named.iter().map(|(_, content)| content.as_str()).collect();
    let present: HashSet<String> = inner.get_added_tokens_decoder().into_values().map(|t| t.content).collect();
    let mut known: HashSet<&str> = listed.iter().map(|t| t.content.as_str()).collect();
    let mut all: Vec<AddedToken> = listed.to_vec();
    for token in &mut all {
        token.special |= names.contains(token.content.as_str());
    }
    let specials = named.iter().map(|(_, content)| AddedToken::from(content.clone(), true));
    for (content, token) in named.iter().map(|(_, content)| content.as_str()).zip(specials) {
        if !present.contains(content) && known.insert(content) {
            all.push(token);
        }
    }
    for token in extra {
        if !present.contains(&token.content) && known.insert(&token.content) {
            all.push(token.clone());
        }
    }
    if named_again {
        all.extend(named.iter().map(|(_, content)| AddedToken::from(content.clone(), true)));
        all.extend(extra.iter().cloned());
    }
    inner.add_tokens(all).map_err(|e| format!("expected special tokens that can be added, got: {e}"))?;
    Ok(())
}
