// Injection: features take the place of the placeholder tokens' embeddings.
#pragma once

#include <span>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "decoder/decoder.h"
#include "spec/media_features.h"

namespace azimuth::decoder {

// The decoder's input for `prompt`: embedded ids, with the rows of image and video spans replaced by the features of
// their media, in order, and DeepStack levels as streams. `images` and `videos` are indexed by Span::media.
// Errors: a span whose media has no features, and any count of tokens that differs from the count of features (both
// numbers are named).
Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, std::span<const MediaFeatures> images,
                            std::span<const MediaFeatures> videos);
// The same for features that are kept somewhere else.
Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, std::span<const MediaFeatures* const> images,
                            std::span<const MediaFeatures* const> videos);

// The same into rows [tokens, hidden] that the caller has embedded; ids of the prompt are -1 where they are not known.
Result<DecoderInput> inject(const Decoder& decoder, const Prompt& prompt, Tensor rows,
                            std::span<const MediaFeatures* const> images, std::span<const MediaFeatures* const> videos);

}  // namespace azimuth::decoder
