// The OpenAI chat list that users write, checked and taken apart: what the chat template sees, and which media it
// names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "media/panorama_views.h"
#include "media/video_frames.h"
#include "spec/prompt_spec.h"

namespace azimuth::prompt {

enum class MediaKind : uint8_t {
  image,         // sources: one file or data: URL
  panorama,      // sources: one file or data: URL; each of its views is an image of the prompt
  video_file,    // sources: one file or data: URL
  video_frames,  // sources: pictures, in order
};

// One image, panorama or video as a message names it; nothing is opened here.
struct MediaReference {
  MediaKind kind = MediaKind::image;
  std::vector<std::string> sources;  // paths as written, or data: URLs
  // Of videos. `sampled`: the frames were chosen already, and metadata says which frames of the clip they are.
  bool sampled = false;
  media::VideoMetadata metadata;
  media::PanoramaOptions panorama;  // of panoramas
  int64_t views = 1;                // images of the prompt: of a panorama, the whole and its tiles; otherwise one

  bool is_video() const { return kind == MediaKind::video_file || kind == MediaKind::video_frames; }
};

struct MessageLimits {
  size_t bytes = size_t{256} << 20;  // of the JSON text; data: URLs count
  size_t messages = 4096;
  size_t parts = 16384;   // of all messages together
  size_t media = 1024;    // every view of a panorama counts
  size_t frames = 16384;  // of all videos together
};

struct Messages {
  // The list as JSON text for ChatTemplate::render: parts are {"type": "image"} or {"type": "video"} whatever form they
  // were written in, keys without a value are gone, as transformers 5.23.0 does
  // (ProcessorMixin._normalize_conversations, chat_template_utils._alias_reasoning_fields). Contents of data: URLs are
  // left out.
  std::string template_json;
  std::vector<MediaReference> media;  // in the order of the messages
};

// Content: a string, or parts {"type": "text", "text"}, {"type": "image", "image"}, {"type": "image_url", "image_url"},
// {"type": "panorama", "panorama", "hfov", "overlap", "pitch", "tile_size", "global_size"},
// {"type": "video", "video": file or list of frames, "fps"}, {"type": "video_frames", "frames", "metadata"}.
// Templates see a panorama as one image part for each of its views.
// Errors, naming message and part: no messages, a wrong type, an unknown part, media that the model does not take, a
// limit, invalid UTF-8.
Result<Messages> parse_messages(std::string_view json, const PromptSpec& spec, const MessageLimits& limits = {});

// JSON lists of panorama parts and of video parts, as a raw prompt brings them along.
Result<std::vector<MediaReference>> parse_panoramas(std::string_view json, const MessageLimits& limits = {});
Result<std::vector<MediaReference>> parse_videos(std::string_view json, const MessageLimits& limits = {});

}  // namespace azimuth::prompt
