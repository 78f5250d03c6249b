#include "engine/accuracy_prompts.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace azimuth::engine {
namespace {

using nlohmann::json;

constexpr std::array kTexts = {
    "What is the capital of Portugal, and which river flows through it?",
    "Explain in two sentences why the sky is blue during the day and red at dusk.",
    "Continue: The old lighthouse keeper climbed the stairs for the last time. He had counted them so often that his "
    "knees knew the number, a hundred and ninety-six, and at the ninety-eighth he rested, as he had done every evening "
    "since the war, with one hand on the cold iron rail and the other on the letter in his pocket.",
    "def median(values):\n    ordered = sorted(values)\n    middle = len(ordered) // 2\n    if len(ordered) % 2:\n"
    "        return ordered[middle]\n    return\n\nComplete the function.",
    "Wie viel ist 17 mal 23? Rechne Schritt f\u00fcr Schritt vor.",
    "\u8bf7\u7528\u4e00\u53e5\u8bdd\u4ecb\u7ecd\u957f\u57ce\u3002",
};

struct DrawnPicture {
  int width;
  int height;
  const char* question;
};
constexpr std::array kPictures = {
    DrawnPicture{333, 250, "What is in the picture?"},
    DrawnPicture{97, 161, "How many shapes are there?"},
    DrawnPicture{512, 203, "Describe the picture: which shapes are there, of which colours, and where?"},
};

// A circle, a rectangle and a triangle on a ground that gets brighter: bytes of a BMP file.
std::string draw(const DrawnPicture& picture) {
  const int width = picture.width, height = picture.height;
  const int row_bytes = (width * 3 + 3) / 4 * 4;
  const auto size = static_cast<uint32_t>(54 + row_bytes * height);
  std::string file(size, '\0');
  const auto put = [&](size_t at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file[at + static_cast<size_t>(i)] = static_cast<char>(value >> (8 * i));
  };
  file[0] = 'B';
  file[1] = 'M';
  put(2, size, 4);
  put(10, 54, 4);
  put(14, 40, 4);
  put(18, static_cast<uint32_t>(width), 4);
  put(22, static_cast<uint32_t>(height), 4);
  put(26, 1, 2);
  put(28, 24, 2);
  const int side = std::min(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::array<int, 3> rgb = {200 + 40 * x / width, 205 + 40 * y / height, 225};
      const int cx = x - width / 4, cy = y - height / 3;
      if (cx * cx + cy * cy < side * side / 36) rgb = {200, 30, 40};
      if (x > width * 6 / 10 && x < width * 9 / 10 && y > height / 5 && y < height / 2) rgb = {30, 60, 190};
      const int below = y - height * 55 / 100;
      if (below > 0 && y < height * 9 / 10 && std::abs(x - width / 2) * 2 < below) rgb = {40, 160, 60};
      const size_t at = 54 + static_cast<size_t>((height - 1 - y) * row_bytes + x * 3);
      for (size_t c = 0; c < 3; ++c) file[at + c] = static_cast<char>(rgb[2 - c]);
    }
  }
  return file;
}

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[word >> (18 - 6 * k) & 63u] : '=';
  }
  return text;
}

}  // namespace

std::vector<std::string> accuracy_prompts(bool with_pictures) {
  std::vector<std::string> prompts;
  for (const char* text : kTexts) prompts.push_back(json::array({{{"role", "user"}, {"content", text}}}).dump());
  if (!with_pictures) return prompts;
  for (const DrawnPicture& picture : kPictures) {
    const json parts = {{{"type", "image"}, {"image", "data:image/bmp;base64," + base64(draw(picture))}},
                        {{"type", "text"}, {"text", picture.question}}};
    prompts.push_back(json::array({{{"role", "user"}, {"content", parts}}}).dump());
  }
  return prompts;
}

}  // namespace azimuth::engine
