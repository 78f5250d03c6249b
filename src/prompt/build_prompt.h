// From rendered text and the grids of its media to token ids and spans: the only place that looks for placeholders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "media/video_frames.h"
#include "spec/media_features.h"
#include "spec/prompt_spec.h"
#include "text/tokenizer.h"

namespace azimuth::prompt {

// Most tokens of a prompt, whatever the model's context.
inline constexpr int64_t kMaxPromptTokens = int64_t{1} << 22;

struct PromptText {
  std::string text;
  std::vector<text::ByteRange> literal;  // what a user wrote and no token may come of (text::RenderedPrompt)
  bool from_template = true;             // false: a raw prompt, whose special tokens are the caller's
};

struct VideoInput {
  Grid grid;                                    // cells after merging
  media::VideoMetadata metadata;                // frames_indices are the frames at hand
  int64_t temporal_patch_size = 2;              // frames per grid frame
  std::vector<FeatureBlock> blocks = {};        // empty: one block of the grid
  std::optional<double> seconds_per_grid = {};  // between grid frames, where metadata do not count
};

struct ImageInput {
  Grid grid;      // cells after merging, of all blocks where they are alike
  int view = 0;   // view `view` of `views` of one panorama; view 0 of several shows the whole of it
  int views = 1;  // 1: an image of its own
  std::vector<FeatureBlock> blocks = {};  // what the decoder gets of it; empty: one block of the grid
  int64_t tile_rows = 1;                  // of the tiles that divide it
  int64_t tile_columns = 1;
};

struct MediaInputs {
  std::vector<ImageInput> images;  // in the order of the prompt
  std::vector<VideoInput> videos;
  // Of both together: which kind comes next. What a prompt of ids goes by where one token stands for both kinds; empty:
  // images first.
  std::vector<SpanKind> order = {};
};

struct BuildOptions {
  int64_t context_tokens = 0;  // what the model's context holds; 0: no check
  // As transformers 4.57 does (--compat tf4): start and end around a video's placeholder give way to the frames' own.
  bool replace_video_markers = false;
  // Whether the tokenizer adds its own tokens (bos), where the caller says so; never to a template that begins with
  // bos.
  std::optional<bool> add_special_tokens = {};
  bool space_behind_markers = true;  // where MediaMarkup::joins_markers; transformers 4.57 wrote none
  // Of a prompt of ids: embeddings came beside it. Ids may be -1 where they are not known; where the embeddings hold
  // the features already, placeholders are tokens like any others.
  bool unknown_ids = false;
  bool rows_are_final = false;
};

// Errors: counts of placeholders and media that differ, an empty grid, media that the family does not take, a
// placeholder that is no token, a prompt beyond the context (each names both numbers), and what the tokenizer refuses.
Result<Prompt> build_prompt(const PromptText& text, const MediaInputs& media, const PromptSpec& spec,
                            const text::Tokenizer& tokenizer, const BuildOptions& options = {});

// The prompt whose ids are complete already: each image's and video's placeholder stands once for each of its features.
// Spans are found from the ids and the blocks of the media; Prompt::text stays empty. Errors: placeholders and features
// that do not add up (both numbers, and the medium where it can be told), media that the family does not take, ids that
// stand for media this build does not read, negative ids, a prompt beyond the context.
Result<Prompt> prompt_of_ids(std::vector<int32_t> ids, const MediaInputs& media, const PromptSpec& spec,
                             const text::Tokenizer& tokenizer, const BuildOptions& options = {});

// The ids of the tokens that stand for one feature of an image and of a video; -1 where the family takes none, or where
// the tokenizer does not know them.
struct PlaceholderIds {
  int32_t image = -1;
  int32_t video = -1;
};
PlaceholderIds placeholder_ids(const PromptSpec& spec, const text::Tokenizer& tokenizer);

}  // namespace azimuth::prompt
