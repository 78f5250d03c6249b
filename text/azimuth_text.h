// C interface of the Rust crate in this folder: tokenizers and chat templates. src/text wraps it; nothing else includes
// it.
//
// Every call returns 0, or 1 with a sentence in *error that the caller frees. Panics are caught at this border and
// reported the same way. Handles may be read from several threads at once, except az_detokenizer.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct az_tokenizer az_tokenizer;
typedef struct az_detokenizer az_detokenizer;
typedef struct az_template az_template;

// Bytes of the caller: read during the call only, need not be valid UTF-8 (that is an error, not undefined behaviour).
typedef struct {
  const char* data;
  size_t size;
} az_slice;

// Bytes of this library: freed by az_bytes_free.
typedef struct {
  char* data;
  size_t size;
} az_bytes;

// Ids of this library: freed by az_ids_free.
typedef struct {
  int32_t* data;
  size_t size;
} az_ids;

// Half-open range of bytes.
typedef struct {
  size_t begin;
  size_t end;
} az_range;

// Ranges of this library: freed by az_ranges_free.
typedef struct {
  az_range* data;
  size_t size;
} az_ranges;

void az_bytes_free(az_bytes bytes);
void az_ids_free(az_ids ids);
void az_ranges_free(az_ranges ranges);

// Contents of a checkpoint's files; absent files are empty slices.
typedef struct {
  az_slice tokenizer_json;
  az_slice tokenizer_config_json;
  az_slice special_tokens_map_json;
  az_slice added_tokens_json;
  az_slice vocab_json;
  az_slice merges_txt;
  az_slice registered_class;      // tokenizer class of the model family, empty where unknown
  int32_t registered_class_wins;  // not 0: the class named in the files is known to be wrong
  az_slice placeholders_json;     // JSON list of strings that user text must not turn into tokens
} az_tokenizer_files;

int32_t az_tokenizer_create(const az_tokenizer_files* files, az_tokenizer** out, az_bytes* error);
void az_tokenizer_free(az_tokenizer* tokenizer);

// JSON: {"vocab_size", "class", "named": {"bos_token": "..."}, "special": [[id, "..."]], "reserved": ["..."]}.
int32_t az_tokenizer_info(const az_tokenizer* tokenizer, az_bytes* out, az_bytes* error);

// `literal` ranges, sorted and apart, hold text in which no special token is recognised.
int32_t az_tokenizer_encode(const az_tokenizer* tokenizer, az_slice text, int32_t add_special_tokens,
                            const az_range* literal, size_t literal_count, az_ids* out, az_bytes* error);
int32_t az_tokenizer_decode(const az_tokenizer* tokenizer, const int32_t* ids, size_t count,
                            int32_t skip_special_tokens, az_bytes* out, az_bytes* error);
// -1 in *out where there is no such token.
int32_t az_tokenizer_token_to_id(const az_tokenizer* tokenizer, az_slice token, int32_t* out, az_bytes* error);
// *found is 0 where there is no such id.
int32_t az_tokenizer_id_to_token(const az_tokenizer* tokenizer, int32_t id, int32_t* found, az_bytes* out,
                                 az_bytes* error);

int32_t az_detokenizer_create(const az_tokenizer* tokenizer, int32_t skip_special_tokens, az_detokenizer** out,
                              az_bytes* error);
void az_detokenizer_free(az_detokenizer* detokenizer);
int32_t az_detokenizer_push(az_detokenizer* detokenizer, int32_t id, az_bytes* out, az_bytes* error);
int32_t az_detokenizer_finish(az_detokenizer* detokenizer, az_bytes* out, az_bytes* error);

// `reserved_json` is a list of strings that text of the user must not turn into.
int32_t az_template_create(az_slice source, az_slice reserved_json, az_template** out, az_bytes* error);
void az_template_free(az_template* chat_template);

// `context_json`: variables that the checkpoint or the program gives (bos_token, ...), trusted. `user_json`: variables
// with text of the user (messages, tools, ...), shielded: a reserved string in them stays text, and *literal says where
// it lies in *text. `fuel` counts template instructions, `max_bytes` output.
int32_t az_template_render(const az_template* chat_template, az_slice context_json, az_slice user_json, uint64_t fuel,
                           size_t max_bytes, az_bytes* text, az_ranges* literal, az_bytes* error);

#ifdef __cplusplus
}  // extern "C"
#endif
