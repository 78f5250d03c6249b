// What accuracy is measured on where nobody says otherwise.
#pragma once

#include <string>
#include <vector>

namespace azimuth::engine {

// Conversations as messages JSON: questions and running text in several languages and a program, and, for models with
// a tower, questions about drawn pictures of odd sizes.
std::vector<std::string> accuracy_prompts(bool with_pictures);

}  // namespace azimuth::engine
