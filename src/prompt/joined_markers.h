// Markers around images where the family wants one between neighbours, and a space between marker and text (Idefics2).
#pragma once

#include <string>

#include "prompt/expand_text.h"

namespace azimuth::prompt {

// Pairs of `marker` become one; where `space` is set, text that follows one without white space gets a space, unless it
// begins with "<". Literal text is only moved. Source: transformers, processing_idefics2.py.
void join_markers(const std::string& marker, bool space, ExpandedText& text);

}  // namespace azimuth::prompt
