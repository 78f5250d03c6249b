//! The C interface: see azimuth_text.h for what each function promises.

use crate::chat_template::{ChatTemplate, Limits};
use crate::detokenizer::Detokenizer;
use crate::shield::Reserved;
use crate::tokenizer::{Files, Tokenizer};
use serde_json::Value as Json;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Once};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    data: *const u8,
    size: usize,
}

#[repr(C)]
pub struct Owned<T> {
    data: *mut T,
    size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Range {
    begin: usize,
    end: usize,
}

#[repr(C)]
pub struct TokenizerFiles {
    tokenizer_json: Slice,
    tokenizer_config_json: Slice,
    special_tokens_map_json: Slice,
    added_tokens_json: Slice,
    vocab_json: Slice,
    merges_txt: Slice,
    registered_class: Slice,
    registered_class_wins: i32,
    placeholders_json: Slice,
}

fn owned<T>(items: Vec<T>) -> Owned<T> {
    let boxed = items.into_boxed_slice();
    let size = boxed.len();
    Owned { data: Box::into_raw(boxed).cast(), size }
}

/// # Safety
/// `items` came from `owned` and is not freed twice.
unsafe fn free<T>(items: Owned<T>) {
    if !items.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(items.data, items.size)));
    }
}

/// # Safety
/// `slice` describes readable memory that outlives the call.
unsafe fn bytes<'a>(slice: Slice) -> &'a [u8] {
    if slice.size == 0 { &[] } else { std::slice::from_raw_parts(slice.data, slice.size) }
}

/// # Safety
/// As `bytes`.
unsafe fn text<'a>(slice: Slice, what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(bytes(slice)).map_err(|e| {
        let at = e.valid_up_to();
        format!("expected UTF-8 in {what}, got the byte 0x{:02x} at offset {at}", bytes(slice)[at])
    })
}

fn json(text: &str, what: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|e| format!("expected JSON in {what}, got: {e}"))
}

fn strings(text: &str, what: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|e| format!("expected a JSON list of strings in {what}, got: {e}"))
}

/// Runs `body`, turning its failure or panic into the sentence in `error`.
///
/// # Safety
/// `error` may be written to.
unsafe fn guarded(error: *mut Owned<u8>, body: impl FnOnce() -> Result<(), String>) -> i32 {
    static QUIET: Once = Once::new();
    // The default hook prints to stderr, which a library must not do.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let message = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return 0,
        Ok(Err(message)) => message,
        Err(panic) => {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            format!("the text library failed on this input: {}", what.unwrap_or_else(|| "no reason given".into()))
        }
    };
    *error = owned(message.into_bytes());
    1
}

#[no_mangle]
pub unsafe extern "C" fn az_bytes_free(items: Owned<u8>) {
    free(items);
}

#[no_mangle]
pub unsafe extern "C" fn az_ids_free(items: Owned<i32>) {
    free(items);
}

#[no_mangle]
pub unsafe extern "C" fn az_ranges_free(items: Owned<Range>) {
    free(items);
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_create(
    files: *const TokenizerFiles,
    out: *mut *mut Arc<Tokenizer>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let f = &*files;
        let files = Files {
            tokenizer_json: text(f.tokenizer_json, "tokenizer.json")?,
            tokenizer_config_json: text(f.tokenizer_config_json, "tokenizer_config.json")?,
            special_tokens_map_json: text(f.special_tokens_map_json, "special_tokens_map.json")?,
            added_tokens_json: text(f.added_tokens_json, "added_tokens.json")?,
            vocab_json: text(f.vocab_json, "vocab.json")?,
            merges_txt: text(f.merges_txt, "merges.txt")?,
            registered_class: text(f.registered_class, "the tokenizer class")?,
            registered_class_wins: f.registered_class_wins != 0,
            placeholders: strings(text(f.placeholders_json, "placeholders")?, "placeholders")?,
        };
        *out = Box::into_raw(Box::new(Arc::new(Tokenizer::new(files)?)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_free(tokenizer: *mut Arc<Tokenizer>) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_info(
    tokenizer: *const Arc<Tokenizer>,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        *out = owned((*tokenizer).info().to_string().into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_encode(
    tokenizer: *const Arc<Tokenizer>,
    source: Slice,
    add_special_tokens: i32,
    literal: *const Range,
    literal_count: usize,
    out: *mut Owned<i32>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let source = text(source, "the text to encode")?;
        let literal = if literal_count == 0 { &[] } else { std::slice::from_raw_parts(literal, literal_count) };
        let mut ranges = Vec::with_capacity(literal.len());
        let mut from = 0;
        for range in literal {
            let bounded = from <= range.begin && range.begin <= range.end && range.end <= source.len();
            if !bounded || !source.is_char_boundary(range.begin) || !source.is_char_boundary(range.end) {
                return Err(format!(
                    "expected literal ranges that are sorted, apart and between characters of {} bytes, got [{}, {})",
                    source.len(),
                    range.begin,
                    range.end
                ));
            }
            from = range.end;
            ranges.push((range.begin, range.end));
        }
        let ids = (*tokenizer).encode(source, add_special_tokens != 0, &ranges)?;
        *out = owned(ids.into_iter().map(|id| id as i32).collect());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_decode(
    tokenizer: *const Arc<Tokenizer>,
    ids: *const i32,
    count: usize,
    skip_special_tokens: i32,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let ids = if count == 0 { &[] } else { std::slice::from_raw_parts(ids, count) };
        let ids: Vec<u32> = ids.iter().map(|id| *id as u32).collect();
        *out = owned((*tokenizer).decode(&ids, skip_special_tokens != 0)?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_token_to_id(
    tokenizer: *const Arc<Tokenizer>,
    token: Slice,
    out: *mut i32,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let id = (&*tokenizer).inner.token_to_id(text(token, "a token")?);
        *out = id.map_or(-1, |id| id as i32);
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_tokenizer_id_to_token(
    tokenizer: *const Arc<Tokenizer>,
    id: i32,
    found: *mut i32,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let token = u32::try_from(id).ok().and_then(|id| (&*tokenizer).inner.id_to_token(id));
        *found = i32::from(token.is_some());
        *out = owned(token.unwrap_or_default().into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_detokenizer_create(
    tokenizer: *const Arc<Tokenizer>,
    skip_special_tokens: i32,
    out: *mut *mut Detokenizer,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        *out = Box::into_raw(Box::new(Detokenizer::new((*tokenizer).clone(), skip_special_tokens != 0)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_detokenizer_free(detokenizer: *mut Detokenizer) {
    if !detokenizer.is_null() {
        drop(Box::from_raw(detokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn az_detokenizer_push(
    detokenizer: *mut Detokenizer,
    id: i32,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        *out = owned((*detokenizer).push(id as u32)?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_detokenizer_finish(
    detokenizer: *mut Detokenizer,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        *out = owned((*detokenizer).finish()?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_template_create(
    source: Slice,
    reserved_json: Slice,
    out: *mut *mut ChatTemplate,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let reserved = Reserved::new(strings(text(reserved_json, "special tokens")?, "special tokens")?)?;
        *out = Box::into_raw(Box::new(ChatTemplate::new(text(source, "the chat template")?, reserved)?));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn az_template_free(template: *mut ChatTemplate) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

#[no_mangle]
pub unsafe extern "C" fn az_template_render(
    template: *const ChatTemplate,
    context_json: Slice,
    user_json: Slice,
    fuel: u64,
    max_bytes: usize,
    out: *mut Owned<u8>,
    literal: *mut Owned<Range>,
    error: *mut Owned<u8>,
) -> i32 {
    guarded(error, || {
        let context = json(text(context_json, "template variables")?, "template variables")?;
        let user = json(text(user_json, "messages")?, "messages")?;
        let rendered = (*template).render(context, user, &Limits { fuel, max_bytes })?;
        *out = owned(rendered.text.into_bytes());
        *literal = owned(rendered.literal.into_iter().map(|(begin, end)| Range { begin, end }).collect());
        Ok(())
    })
}
