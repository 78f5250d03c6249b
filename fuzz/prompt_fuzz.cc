// Any text as a list of messages and as a raw prompt. Whatever a message says, the only turns in the ids are those that
// the template wrote, and the spans cover the prompt.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "prompt/build_prompt.h"
#include "prompt/messages.h"
#include "text/chat_template.h"

namespace {

using namespace azimuth;

constexpr std::string_view kTokenizer = R"({"version":"1.0","added_tokens":[
  {"id":10,"content":"<|im_start|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":11,"content":"<|im_end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":12,"content":"<|image_pad|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":13,"content":"<|video_pad|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":14,"content":"</think>","single_word":false,"lstrip":true,"rstrip":false,"normalized":true,"special":false}],
  "normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
  "post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
  "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
  "fuse_unk":false,"byte_fallback":false,"vocab":{"<":0,"|":1,">":2,"i":3,"m":4,"_":5,"e":6,"n":7,"d":8,"im":9},
  "merges":["i m"]}})";

constexpr std::string_view kTemplate =
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string %}{{ message.content|trim }}"
    "{%- else %}{%- for part in message.content or [] %}"
    "{%- if part.type == 'image' %}<|image_pad|>{%- elif part.type == 'video' %}<|video_pad|>{%- else %}{{ "
    "part.text|trim }}"
    "{%- endif %}{%- endfor %}{%- endif %}{{ '<|im_end|>' }}{%- endfor %}";

PromptSpec spec_of_both() {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<|image_pad|>"};
  spec.video = {.expansion = PromptExpansion::timestamped_frames, .placeholder = "<|video_pad|>"};
  return spec;
}

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct Fixture {
  PromptSpec spec = spec_of_both();
  text::Tokenizer tokenizer = text::Tokenizer::create(kTokenizer, "").value();
  text::ChatTemplate chat =
      text::ChatTemplate::create(kTemplate, tokenizer.named_tokens(), tokenizer.reserved_strings()).value();
};

void check_spans(const Prompt& prompt) {
  int64_t at = 0;
  for (const Span& span : prompt.spans) {
    require(span.begin == at && span.end > at);
    at = span.end;
  }
  require(at == static_cast<int64_t>(prompt.ids.size()));
}

prompt::MediaInputs smallest_media(const std::vector<prompt::MediaReference>& references) {
  prompt::MediaInputs media;
  for (const prompt::MediaReference& reference : references) {
    if (!reference.is_video()) {
      for (int view = 0; view < reference.views; ++view) {
        media.images.push_back({.grid = {1, 2, 1}, .view = view, .views = static_cast<int>(reference.views)});
      }
      continue;
    }
    prompt::VideoInput video;
    video.grid = {1, 1, 2};
    video.metadata = reference.metadata;
    if (video.metadata.frames_indices.empty()) video.metadata.frames_indices = {0, 1};
    media.videos.push_back(video);
  }
  return media;
}

void as_messages(const Fixture& fixture, std::string_view input) {
  const auto messages = prompt::parse_messages(input, fixture.spec);
  if (!messages.ok()) return;
  const auto rendered =
      fixture.chat.render_json(messages->template_json, {}, {.max_steps = 100'000, .max_bytes = 1 << 20});
  if (!rendered.ok()) return;
  const auto prompt = prompt::build_prompt({rendered->text, rendered->literal, true}, smallest_media(messages->media),
                                           fixture.spec, fixture.tokenizer);
  if (!prompt.ok()) return;
  check_spans(*prompt);
  const auto turns = static_cast<int64_t>(nlohmann::ordered_json::parse(messages->template_json).size());
  require(std::ranges::count(prompt->ids, fixture.tokenizer.token_to_id("<|im_start|>").value()) == turns);
  require(std::ranges::count(prompt->ids, fixture.tokenizer.token_to_id("<|im_end|>").value()) == turns);
}

void as_raw_prompt(const Fixture& fixture, std::string_view input) {
  const auto prompt = prompt::build_prompt({std::string(input), {}, false}, {}, fixture.spec, fixture.tokenizer);
  if (prompt.ok()) check_spans(*prompt);
  const auto literal = fixture.tokenizer.encode(input, {.parse_special = false});
  if (!literal.ok()) return;
  for (const int32_t id : *literal) require(!fixture.tokenizer.is_special(id));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fixture fixture;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  as_messages(fixture, input);
  as_raw_prompt(fixture, input);
  (void)prompt::parse_videos(input);
  return 0;
}
