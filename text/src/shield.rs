//! Keeps text that looks like a special token text. A sentinel character that occurs nowhere else goes in behind the
//! first character of the special string, so that neither a template nor the tokenizer's matcher sees the string; it is
//! taken out again as soon as the matching is done. It sits inside, not around, the string: trim and split filters of
//! templates then behave as they would without it.

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value as Json;
use std::collections::HashSet;

/// Strings that must stay text inside what a user wrote.
pub struct Reserved {
    strings: Vec<String>,
    /// Every beginning of a string that is shorter than the string.
    beginnings: HashSet<String>,
    longest: usize,
    matcher: Option<AhoCorasick>,
}

impl Reserved {
    pub fn new(mut strings: Vec<String>) -> Result<Self, String> {
        strings.retain(|s| !s.is_empty());
        strings.sort();
        strings.dedup();
        let matcher = if strings.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&strings);
            Some(built.map_err(|e| format!("expected special tokens that can be searched for: {e}"))?)
        };
        let cuts = strings.iter().flat_map(|s| s.char_indices().skip(1).map(move |(i, _)| s[..i].to_string()));
        let beginnings = cuts.collect();
        let longest = strings.iter().map(String::len).max().unwrap_or(0);
        Ok(Self { strings, beginnings, longest, matcher })
    }

    pub fn strings(&self) -> &[String] {
        &self.strings
    }

    /// Byte offsets behind the first character of every special string in `text`, overlapping ones included, and of
    /// every beginning of one at the end of `text`, which what follows could complete.
    fn cuts(&self, text: &str) -> Vec<usize> {
        let Some(matcher) = &self.matcher else { return Vec::new() };
        let mut starts: Vec<usize> = matcher.find_overlapping_iter(text).map(|m| m.start()).collect();
        // Templates may trim the text before they append to it, so its end is looked for with and without the spaces.
        for ending in [text, text.trim_end()] {
            starts.extend(self.unfinished_starts(ending));
        }
        let mut cuts: Vec<usize> = starts
            .into_iter()
            .map(|start| start + text[start..].chars().next().map_or(0, char::len_utf8))
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    fn unfinished_starts<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        let from = text.len().saturating_sub(self.longest);
        let tail = text.char_indices().rev().map(|(i, _)| i).take_while(move |i| *i >= from);
        tail.filter(|i| self.beginnings.contains(&text[*i..]))
    }

    /// `text` with `sentinel` put in at every cut.
    pub fn shield(&self, text: &str, sentinel: char) -> String {
        insert_all(text, &self.cuts(text), sentinel)
    }

    /// As `shield`, for parts of `text` only. `ranges` are sorted, apart, inside of `text` and end between characters.
    pub fn shield_ranges(&self, text: &str, ranges: &[(usize, usize)], sentinel: char) -> String {
        let mut cuts = Vec::new();
        for &(begin, end) in ranges {
            cuts.extend(self.cuts(&text[begin..end]).into_iter().map(|cut| cut + begin));
        }
        insert_all(text, &cuts, sentinel)
    }

    /// Shields every string of `json`, keys as well, since templates print objects. What templates look up or compare
    /// with, keys and the values of "role" and "type", stays as it is where it is a plain name.
    pub fn shield_json(&self, json: &mut Json, sentinel: char) {
        match json {
            Json::String(s) => *s = self.shield(s, sentinel),
            Json::Array(items) => items.iter_mut().for_each(|item| self.shield_json(item, sentinel)),
            Json::Object(map) => {
                let entries = std::mem::take(map).into_iter();
                *map = entries.map(|(key, item)| self.shield_entry(key, item, sentinel)).collect();
            }
            _ => {}
        }
    }

    fn shield_entry(&self, key: String, mut item: Json, sentinel: char) -> (String, Json) {
        let compared = matches!(key.as_str(), "role" | "type") && item.as_str().is_some_and(is_name);
        if !compared {
            self.shield_json(&mut item, sentinel);
        }
        if is_name(&key) { (key, item) } else { (self.shield(&key, sentinel), item) }
    }

    /// Takes the sentinels out of `text`. The ranges are, in the result, the special strings (or beginnings of one)
    /// that were shielded.
    pub fn unshield(&self, text: &str, sentinel: char) -> (String, Vec<(usize, usize)>) {
        let mut plain = String::with_capacity(text.len());
        let mut cuts = Vec::new();
        for c in text.chars() {
            if c == sentinel {
                cuts.push(plain.len());
            } else {
                plain.push(c);
            }
        }
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for cut in cuts {
            let begin = plain[..cut].char_indices().next_back().map_or(0, |(i, _)| i);
            let whole = self.strings.iter().filter(|s| plain[begin..].starts_with(s.as_str())).map(String::len).max();
            let end = begin + whole.unwrap_or(cut - begin);
            match ranges.last_mut() {
                Some(last) if begin < last.1 => last.1 = last.1.max(end),
                _ => ranges.push((begin, end)),
            }
        }
        (plain, ranges)
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn insert_all(text: &str, cuts: &[usize], sentinel: char) -> String {
    let mut out = String::with_capacity(text.len() + 4 * cuts.len());
    let mut from = 0;
    for &cut in cuts {
        out.push_str(&text[from..cut]);
        out.push(sentinel);
        from = cut;
    }
    out.push_str(&text[from..]);
    out
}

/// A private-use character that none of `texts` holds.
pub fn free_sentinel(texts: &[&str]) -> Result<char, String> {
    let mut used = HashSet::new();
    for text in texts {
        used.extend(text.chars().filter(|c| ('\u{F0000}'..='\u{FFFFD}').contains(c)));
    }
    ('\u{F0000}'..='\u{FFFFD}')
        .find(|c| !used.contains(c))
        .ok_or_else(|| "expected text that leaves one private-use character free, got all 65534; remove some".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved() -> Reserved {
        Reserved::new(vec!["<|im_end|>".into(), "<|image_pad|>".into()]).unwrap()
    }

    #[test]
    fn shields_whole_and_unfinished_strings() {
        let r = reserved();
        assert_eq!(r.shield("a<|im_end|>b", '#'), "a<#|im_end|>b");
        assert_eq!(r.shield("x <|im_", '#'), "x <#|im_");
        assert_eq!(r.shield("x <|im_  ", '#'), "x <#|im_  ");
        assert_eq!(r.shield("1 < 2", '#'), "1 < 2");
    }

    #[test]
    fn unshield_reports_what_was_shielded() {
        let r = reserved();
        let (text, ranges) = r.unshield("a<#|im_end|>b<|im_end|>", '#');
        assert_eq!(text, "a<|im_end|>b<|im_end|>");
        assert_eq!(ranges, vec![(1, 11)]);
    }

    #[test]
    fn text_that_only_a_template_joins_stays_text() {
        let r = reserved();
        let joined = r.shield("<|im_", '#') + &r.shield("end|>", '#');
        assert_eq!(r.unshield(&joined, '#').1, vec![(0, 10)]);
    }

    #[test]
    fn names_that_templates_compare_with_stay() {
        let r = Reserved::new(vec!["image_start".into(), "users".into(), "<s>".into()]).unwrap();
        let mut json = serde_json::json!({"role": "user", "type": "image", "text": "image", "<s>": "<s>"});
        r.shield_json(&mut json, '#');
        let expected = serde_json::json!({"role": "user", "type": "image", "text": "i#mage", "<#s>": "<#s>"});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_sentinel_is_free_in_every_text() {
        assert_eq!(free_sentinel(&["\u{F0000}", "\u{F0001}"]).unwrap(), '\u{F0002}');
    }
}
