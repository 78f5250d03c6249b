//! Chat templates, rendered as transformers' Jinja environment renders them (utils/chat_template_utils.py).

use crate::python::{json_dumps, to_str, JsonStyle};
use crate::shield::{free_sentinel, Reserved};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};
use serde_json::Value as Json;
use std::io;

const NAME: &str = "chat_template";

pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    reserved: Reserved,
}

pub struct Rendered {
    pub text: String,
    pub literal: Vec<(usize, usize)>,
}

pub struct Limits {
    pub fuel: u64,
    pub max_bytes: usize,
}

impl ChatTemplate {
    /// `reserved`: what text of the user must not turn into.
    pub fn new(source: &str, reserved: Reserved) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| e.to_string())?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(|out, _state, value| {
            if !value.is_undefined() {
                out.write_str(&to_str(value)).map_err(Error::from)?;
            }
            Ok(())
        });
        environment.set_unknown_method_callback(python_method);
        environment.add_filter("tojson", tojson);
        environment.add_filter("string", |value: &Value| Value::from(to_str(value)));
        environment.add_test("iterable", is_iterable);
        environment.add_test("sequence", is_sequence);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment
            .add_template_owned(NAME, with_transparent_generation(&with_plain_newlines(source)))
            .map_err(|e| format!("expected a chat template that parses, got: {}", describe(&e)))?;
        Ok(Self { environment, source: source.to_string(), reserved })
    }

    /// `context` holds variables of the checkpoint, `user` those with text of the user, which is shielded.
    pub fn render(&self, context: Json, user: Json, limits: &Limits) -> Result<Rendered, String> {
        let sentinel = free_sentinel(&[&self.source, &context.to_string(), &user.to_string()])?;
        let mut user = user;
        self.reserved.shield_json(&mut user, sentinel);
        let (Json::Object(mut variables), Json::Object(user)) = (context, user) else {
            return Err("expected JSON objects of template variables, got something else".into());
        };
        variables.extend(user);

        let mut environment = self.environment.clone();
        environment.set_fuel(Some(limits.fuel));
        let template = environment.get_template(NAME).map_err(|e| describe(&e))?;
        let mut out = LimitedBuffer { bytes: Vec::new(), max_bytes: limits.max_bytes };
        let rendered = template.render_captured_to(variables_of(variables), &mut out).map(|_| ());
        if out.bytes.len() > limits.max_bytes {
            return Err(format!(
                "expected a chat template that renders at most {} bytes, got more; raise the limit or shorten the messages",
                limits.max_bytes
            ));
        }
        rendered.map_err(|e| self.refusal(&e, limits))?;
        let text = String::from_utf8(out.bytes).map_err(|_| "a chat template rendered invalid UTF-8".to_string())?;
        let (text, literal) = self.reserved.unshield(&text, sentinel);
        Ok(Rendered { text, literal })
    }

    fn refusal(&self, error: &Error, limits: &Limits) -> String {
        match error.kind() {
            ErrorKind::OutOfFuel => format!(
                "expected a chat template that ends within {} steps, got one that goes on; raise the limit or check it",
                limits.fuel
            ),
            _ => format!("the chat template refused these messages: {}", describe(error)),
        }
    }
}

/// Refuses what goes beyond the limit; one byte too many is kept as the mark of that.
struct LimitedBuffer {
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl io::Write for LimitedBuffer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = (self.max_bytes + 1).saturating_sub(self.bytes.len());
        if data.len() > room {
            self.bytes.resize(self.max_bytes + 1, 0);
            return Err(io::Error::other("output limit"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error's own words and where it happened, without the excerpt of the source that `Debug` adds.
fn describe(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    match error.line() {
        Some(line) => format!("{what} (line {line} of the template)"),
        None => what,
    }
}

/// Jinja reads every kind of line end as "\n"; escapes in strings are not line ends.
fn with_plain_newlines(source: &str) -> String {
    source.replace("\r\n", "\n").replace('\r', "\n")
}

/// `{% generation %}` marks what an assistant wrote, for training. Rendering needs only its scope, which `with` has.
fn with_transparent_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let body = &tag[2..close];
        let replaced = match body.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "generation" => body.replacen("generation", "with", 1),
            "endgeneration" => body.replacen("endgeneration", "endwith", 1),
            _ => body.to_string(),
        };
        out.push_str("{%");
        out.push_str(&replaced);
        out.push_str("%}");
        rest = &tag[close + 2..];
    }
    out.push_str(rest);
    out
}

fn variables_of(map: serde_json::Map<String, Json>) -> Value {
    Value::from_pairs(map.into_iter().map(|(key, value)| (key, value_of(value))))
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (_, Some(integer)) => Value::from(integer),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::from(items.into_iter().map(value_of).collect::<Vec<_>>()),
        Json::Object(map) => variables_of(map),
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: String) -> Result<Value, Error> {
    let bad = || Error::new(ErrorKind::InvalidOperation, "expected a date format of fewer than 4096 bytes in strftime_now");
    let format = std::ffi::CString::new(format).map_err(|_| bad())?;
    let mut buffer = [0u8; 4096];
    // SAFETY: `now` and `parts` are plain values of this frame; strftime writes at most `buffer.len()` bytes.
    let size = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut parts).is_null() {
            return Err(bad());
        }
        libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &parts)
    };
    if size == 0 && !format.as_bytes().is_empty() {
        return Err(bad());
    }
    Ok(Value::from(String::from_utf8_lossy(&buffer[..size]).into_owned()))
}

/// As Python's `iter(value)`: numbers, booleans and None are not iterable, an undefined name is.
fn is_iterable(value: &Value) -> bool {
    !matches!(value.kind(), ValueKind::None | ValueKind::Bool | ValueKind::Number) && value.try_iter().is_ok()
}

/// As Jinja's test: whatever has a length and items, so strings, dicts and undefined names as well.
fn is_sequence(value: &Value) -> bool {
    use ValueKind::{Map, Seq, String, Undefined};
    matches!(value.kind(), Map | Seq | String | Undefined)
}

/// transformers' tojson: `json.dumps(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
fn tojson(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let argument = |index: usize, name: &str| -> Result<Option<Value>, Error> {
        let named: Option<Value> = kwargs.get(name)?;
        let given = named.or_else(|| args.get(index).cloned());
        Ok(given.filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let indent = argument(1, "indent")?.map(|v| match v.as_str() {
        Some(text) => text.to_string(),
        None => " ".repeat(v.as_usize().unwrap_or(0).min(64)),
    });
    let mut item_separator = if indent.is_some() { "," } else { ", " }.to_string();
    let mut key_separator = ": ".to_string();
    if let Some(separators) = argument(2, "separators")? {
        item_separator = separators.get_item_by_index(0)?.to_string();
        key_separator = separators.get_item_by_index(1)?.to_string();
    }
    let style = JsonStyle {
        ensure_ascii: argument(0, "ensure_ascii")?.is_some_and(|v| v.is_true()),
        indent,
        item_separator,
        key_separator,
        sort_keys: argument(3, "sort_keys")?.is_some_and(|v| v.is_true()),
    };
    kwargs.assert_all_used()?;
    json_dumps(value, &style).map(Value::from)
}

/// Methods of Python's str that templates use and minijinja_contrib does not have.
fn python_method(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let (Some(text), Some(argument)) = (value.as_str(), args.first().and_then(Value::as_str)) {
        match method {
            "removeprefix" => return Ok(Value::from(text.strip_prefix(argument).unwrap_or(text))),
            "removesuffix" => return Ok(Value::from(text.strip_suffix(argument).unwrap_or(text))),
            "partition" if !argument.is_empty() => {
                let parts = text.split_once(argument).map(|(head, tail)| [head, argument, tail]);
                return Ok(list(&parts.unwrap_or([text, "", ""])));
            }
            "rpartition" if !argument.is_empty() => {
                let parts = text.rsplit_once(argument).map(|(head, tail)| [head, argument, tail]);
                return Ok(list(&parts.unwrap_or(["", "", text])));
            }
            "rsplit" if !argument.is_empty() => {
                let most = args.get(1).and_then(Value::as_usize).unwrap_or(usize::MAX - 1);
                let mut parts: Vec<&str> = text.rsplitn(most + 1, argument).collect();
                parts.reverse();
                return Ok(list(&parts));
            }
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

fn list(parts: &[&str]) -> Value {
    Value::from(parts.iter().map(|part| Value::from(*part)).collect::<Vec<_>>())
}
