//! Text of a growing list of ids, in pieces that are final: their sum is what decoding the whole list gives.

use crate::tokenizer::Tokenizer;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// How far text can be final before the last id is known.
enum Strategy {
    /// Tokens spell bytes: all complete characters are final.
    Bytes,
    /// Pieces are joined from left to right: text is final unless it ends within a run of byte tokens (`<0xE4>`),
    /// whose decoding depends on the whole run.
    Pieces,
    /// Anything else: nothing is final before the end.
    Whole,
}

pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    skip_special: bool,
    strategy: Strategy,
    bytes: Vec<u8>,
    /// Ids in front of `pending` whose text is final; they keep `pending` from being decoded as the start of a text.
    anchor: Vec<u32>,
    pending: Vec<u32>,
}

impl Detokenizer {
    pub fn new(tokenizer: Arc<Tokenizer>, skip_special: bool) -> Self {
        let decoder = serde_json::to_value(tokenizer.inner.get_decoder()).unwrap_or(Json::Null);
        let strategy = strategy_for(&decoder);
        Self { tokenizer, skip_special, strategy, bytes: Vec::new(), anchor: Vec::new(), pending: Vec::new() }
    }

    pub fn push(&mut self, id: u32) -> Result<String, String> {
        let Some(token) = self.tokenizer.visible_token(id, self.skip_special) else { return Ok(String::new()) };
        match self.strategy {
            Strategy::Bytes => {
                self.bytes.extend(token_bytes(&token));
                Ok(take_characters(&mut self.bytes))
            }
            Strategy::Pieces => {
                self.pending.push(id);
                if is_byte_token(&token) { Ok(String::new()) } else { self.flush(!token.is_empty()) }
            }
            Strategy::Whole => {
                self.pending.push(id);
                Ok(String::new())
            }
        }
    }

    pub fn finish(&mut self) -> Result<String, String> {
        if self.bytes.is_empty() {
            return self.flush(true);
        }
        let rest = String::from_utf8_lossy(&self.bytes).into_owned();
        self.bytes.clear();
        Ok(rest)
    }

    fn flush(&mut self, can_anchor: bool) -> Result<String, String> {
        if self.pending.is_empty() {
            return Ok(String::new());
        }
        let before = self.tokenizer.decode(&self.anchor, self.skip_special)?;
        let ids: Vec<u32> = self.anchor.iter().chain(&self.pending).copied().collect();
        let text = self.tokenizer.decode(&ids, self.skip_special)?;
        self.anchor = if can_anchor { std::mem::take(&mut self.pending) } else { ids };
        self.pending.clear();
        Ok(text.get(before.len()..).unwrap_or_default().to_string())
    }
}

fn strategy_for(decoder: &Json) -> Strategy {
    let kind = |d: &Json| d["type"].as_str().unwrap_or("").to_string();
    let steps = match kind(decoder).as_str() {
        "Sequence" => decoder["decoders"].as_array().cloned().unwrap_or_default(),
        _ => vec![decoder.clone()],
    };
    let kinds: Vec<String> = steps.iter().map(kind).collect();
    if kinds == ["ByteLevel"] {
        return Strategy::Bytes;
    }
    let mut fused = false;
    let joins_left_to_right = steps.iter().zip(&kinds).all(|(step, kind)| match kind.as_str() {
        // A replacement inside one token; after Fuse it would see across tokens.
        "Replace" => !fused,
        "ByteFallback" => !fused,
        "Metaspace" => steps.len() == 1,
        "Fuse" => {
            fused = true;
            true
        }
        // Taking spaces off the start is harmless behind an anchor, off the end is not.
        "Strip" => fused && step["stop"].as_u64() == Some(0),
        "" => decoder.is_null(),
        _ => false,
    });
    if joins_left_to_right { Strategy::Pieces } else { Strategy::Whole }
}

fn is_byte_token(token: &str) -> bool {
    token.len() == 6
        && token.starts_with("<0x")
        && token.ends_with('>')
        && token.get(3..5).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok())
}

/// GPT-2's table: printable bytes stand for themselves, the others for the characters from U+0100 on.
static BYTE_OF: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let printable = |b: &u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let own = (0..=255u8).filter(printable).map(|b| (char::from(b), b));
    let others = (0..=255u8).filter(|b| !printable(b)).zip('\u{100}'..).map(|(b, c)| (c, b));
    own.chain(others).collect()
});

/// Bytes of a byte-level token; a token with any other character stands for its own UTF-8.
fn token_bytes(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|c| BYTE_OF.get(&c).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// Takes everything off the front of `bytes` that later bytes cannot change, with U+FFFD for what is no UTF-8.
fn take_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut used = 0;
    loop {
        match std::str::from_utf8(&bytes[used..]) {
            Ok(valid) => {
                text.push_str(valid);
                used = bytes.len();
                break;
            }
            Err(error) => {
                let valid = used + error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[used..valid]));
                used = valid;
                match error.error_len() {
                    Some(bad) => {
                        text.push('\u{FFFD}');
                        used += bad;
                    }
                    None => break,
                }
            }
        }
    }
    bytes.drain(..used);
    text
}
