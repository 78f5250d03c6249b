//! Tokenizers and chat templates behind the C interface in azimuth_text.h. No panic and no invalid text crosses it.

mod chat_template;
mod classes;
mod detokenizer;
mod ffi;
mod python;
mod shield;
mod tokenizer;
