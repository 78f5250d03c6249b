#include "media/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/golden_pixels.h"

namespace azimuth::media {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/media/";

std::vector<uint8_t> golden_bytes(const std::string& name) {
  return golden::read_bytes(kGoldens + name);
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Status status_of(std::span<const uint8_t> bytes, const DecodeOptions& options = {}) {
  return decode_image(bytes, options).status();
}

void expect_pixels(const std::string& file, const nlohmann::json& expected, const DecodeOptions& options) {
  const Result<Image> image = decode_image(golden_bytes(file), options);
  ASSERT_TRUE(image.ok()) << image.status().message();
  ASSERT_EQ(image->width, expected["width"]);
  ASSERT_EQ(image->height, expected["height"]);
  ASSERT_EQ(image->rgb.size(), 3 * image->width * image->height);
  const size_t shown = std::min<size_t>(12, image->rgb.size());
  EXPECT_EQ(std::vector<int>(image->rgb.begin(), image->rgb.begin() + shown), expected["first"]);
  EXPECT_EQ(golden::crc32(image->rgb), expected["crc32"]);
}

// Every file of tests/golden/media, in both alpha modes and without its orientation, is pixel-equal to Pillow 13's.
TEST(DecodeImage, EqualsPillow) {
  std::ifstream file(kGoldens + "expected.json");
  const nlohmann::json expected = nlohmann::json::parse(file);
  ASSERT_GT(expected.size(), 80u);
  for (const auto& [name, variants] : expected.items()) {
    SCOPED_TRACE(name);
    expect_pixels(name, variants["on_white"], {});
    expect_pixels(name, variants["drop"], {.alpha = AlphaMode::drop});
    expect_pixels(name, variants["as_stored"], {.apply_orientation = false});
  }
}

TEST(DecodeImage, PixelLimitIsCheckedInTheHeader) {
  // A PNG header of 40000 x 40000 pixels and nothing else: no memory may be taken for it.
  std::vector<uint8_t> bomb = golden_bytes("png_rgb.png");
  const std::vector<uint8_t> sides = {0, 0, 0x9c, 0x40, 0, 0, 0x9c, 0x40};
  std::ranges::copy(sides, bomb.begin() + 16);
  const std::vector<uint8_t> header(bomb.begin() + 12, bomb.begin() + 29);
  const uint32_t crc = golden::crc32(header);
  for (int i = 0; i < 4; ++i) bomb[29 + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
  const Status status = status_of(bomb);
  EXPECT_EQ(status.code(), StatusCode::resource_exhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("178956970"), HasSubstr("1600000000")));
}

TEST(DecodeImage, PixelLimitHoldsForEveryFormat) {
  for (const char* name : {"jpeg_444.jpg", "png_rgb.png", "webp_lossy.webp", "webp_animated.webp", "gif.gif",
                           "bmp_rgb.bmp", "bmp_rle8.bmp"}) {
    SCOPED_TRACE(name);
    const Result<Image> image = decode_image(golden_bytes(name));
    ASSERT_TRUE(image.ok());
    const int64_t pixels = image->width * image->height;
    EXPECT_TRUE(status_of(golden_bytes(name), {.max_pixels = pixels}).ok());
    const Status status = status_of(golden_bytes(name), {.max_pixels = pixels - 1});
    EXPECT_EQ(status.code(), StatusCode::resource_exhausted);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(std::to_string(pixels - 1)), HasSubstr("= " + std::to_string(pixels))));
  }
}

TEST(DecodeImage, TruncatedFilesAreErrors) {
  for (const char* name :
       {"jpeg_420.jpg", "jpeg_420_progressive.jpg", "jpeg_grey.jpg", "png_rgb.png", "webp_lossy.webp",
        "webp_lossless.webp", "gif.gif", "bmp_rgb.bmp", "bmp_palette.bmp", "bmp_rle8.bmp"}) {
    SCOPED_TRACE(name);
    const std::vector<uint8_t> whole = golden_bytes(name);
    for (double kept : {0.3, 0.6, 0.9}) {
      const auto size = static_cast<size_t>(static_cast<double>(whole.size()) * kept);
      const Status status = status_of(std::span(whole).first(size));
      EXPECT_EQ(status.code(), StatusCode::data_loss) << size << " bytes: " << status.message();
    }
  }
}

// The last scan of a progressive file, many times over: each costs a pass over the whole picture.
TEST(DecodeImage, RefusesProgressiveFilesOfManyScans) {
  std::vector<uint8_t> bytes = golden_bytes("jpeg_420_progressive.jpg");
  const uint8_t start_of_scan[] = {0xff, 0xda};
  const auto last_scan = std::find_end(bytes.begin(), bytes.end(), std::begin(start_of_scan), std::end(start_of_scan));
  const std::vector<uint8_t> scan(last_scan, bytes.end() - 2);
  for (int i = 0; i < 600; ++i) bytes.insert(bytes.end() - 2, scan.begin(), scan.end());
  const Status status = status_of(bytes);
  EXPECT_EQ(status.code(), StatusCode::data_loss);
  EXPECT_THAT(status.message(), HasSubstr("more than 500 scans"));
}

// Any damage gives a picture or a sentence, never a crash; the sanitizer builds make this test sharp.
TEST(DecodeImage, SurvivesDamage) {
  for (const auto& entry : std::filesystem::directory_iterator(kGoldens)) {
    if (entry.path().extension() == ".json") continue;
    SCOPED_TRACE(entry.path().filename());
    const std::vector<uint8_t> whole = golden::read_bytes(entry.path());
    for (size_t i = 0; i < 64; ++i) {
      std::vector<uint8_t> bytes = whole;
      bytes[(i * 7919 + 12) % bytes.size()] ^= static_cast<uint8_t>(1u << (i % 8));
      const Result<Image> image = decode_image(bytes, {.max_pixels = 1 << 20});
      if (image.ok()) {
        EXPECT_EQ(image->rgb.size(), static_cast<size_t>(3 * image->width * image->height));
      } else {
        EXPECT_FALSE(image.status().message().empty());
      }
    }
  }
}

TEST(DecodeImage, EmptyPicturesAreErrors) {
  std::vector<uint8_t> gif = golden_bytes("gif.gif");
  EXPECT_EQ(status_of({}).code(), StatusCode::unsupported);
  EXPECT_THAT(status_of({}).message(), HasSubstr("an empty file"));
  std::vector<uint8_t> bmp = golden_bytes("bmp_rgb.bmp");
  std::fill_n(bmp.begin() + 22, 4, 0);  // height
  const Status status = status_of(bmp);
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_THAT(status.message(), HasSubstr("9 x 0"));
  std::vector<uint8_t> jpeg = golden_bytes("jpeg_grey.jpg");
  for (size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) jpeg[i + 5] = jpeg[i + 6] = 0;  // height
  }
  EXPECT_FALSE(status_of(jpeg).ok());
}

struct Foreign {
  std::string_view bytes;
  std::string_view words;
};

TEST(DecodeImage, NamesWhatOtherFilesLookLike) {
  using namespace std::string_view_literals;
  const Foreign cases[] = {
      {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "an SVG drawing"},
      {"<?xml version=\"1.0\"?>\n<!-- drawn -->\n<svg/>", "an SVG drawing"},
      {"\xef\xbb\xbf<!DOCTYPE html><html><body>404", "an HTML page"},
      {"{\"error\": \"not found\"}", "text"},
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0"sv,
       "a HEIC picture"},
      {"\0\0\0\x18"
       "ftypavif\0\0\0\0"sv,
       "an AVIF picture"},
      {"\0\0\0\x18"
       "ftypisom\0\0\0\0"sv,
       "an MP4 or QuickTime video"},
      {"II*\0\x08\0\0\0"sv, "a TIFF picture"},
      {"%PDF-1.7", "a PDF document"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {"RIFF\x10\0\0\0WAVE"sv, "a RIFF file other than WebP"},
      {"\1\2\3\4\5"sv, "data of an unknown kind"},
  };
  for (const Foreign& foreign : cases) {
    const Status status = status_of(bytes_of(foreign.bytes));
    EXPECT_EQ(status.code(), StatusCode::unsupported);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("JPEG, PNG, WebP, GIF or BMP"), HasSubstr(std::string(foreign.words))));
  }
}

std::string base64(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](size_t k) { return i + k < bytes.size() ? bytes[i + k] : 0u; };
    const uint32_t bits = at(0) << 16 | at(1) << 8 | at(2);
    for (int c = 0; c < 4; ++c)
      text += static_cast<size_t>(c) <= bytes.size() - i ? kDigits[bits >> (18 - 6 * c) & 63] : '=';
  }
  return text;
}

TEST(LoadImage, ReadsFilesAndDataUrlsByContentAlone) {
  const Result<Image> from_file = load_image(kGoldens + "png_rgb.png");
  ASSERT_TRUE(from_file.ok());
  const std::string data = base64(golden_bytes("png_rgb.png"));
  for (const std::string head :
       {"data:image/png;base64,", "data:image/jpeg;base64,", "data:;base64,", "data:text/html;charset=x;BASE64,"}) {
    const Result<Image> image = load_image(head + data);
    ASSERT_TRUE(image.ok()) << head << image.status().message();
    EXPECT_EQ(*image, *from_file);
  }
}

TEST(LoadImage, DataUrlsMayHoldBlanksAndEscapes) {
  const std::vector<uint8_t> bytes = golden_bytes("png_rgb.png");
  std::string spaced = "data:image/png;base64, ";
  for (char c : base64(bytes)) {
    if (c == '+') {
      spaced += "%2B";
    } else {
      spaced += c;
    }
    if (spaced.size() % 60 == 0) spaced += "\r\n ";
  }
  const Result<std::vector<uint8_t>> decoded = decode_data_url(spaced);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  EXPECT_EQ(*decoded, bytes);
  const Result<std::vector<uint8_t>> unpadded = decode_data_url("data:;base64,QUI");
  ASSERT_TRUE(unpadded.ok());
  EXPECT_EQ(*unpadded, (std::vector<uint8_t>{'A', 'B'}));
}

TEST(LoadImage, RefusesBrokenDataUrls) {
  const std::pair<const char*, const char*> cases[] = {
      {"data:image/png;base64,", "found nothing"},
      {"data:image/png;base64,   ", "found nothing"},
      {"data:image/png;base64", "no comma"},
      {"data:image/png,iVBOR", "\";base64\" is missing"},
      {"data:image/png;base64,iVB*RT", "found '*' at character 3"},
      {"data:image/png;base64,iVBOR", "cut off"},
      {"data:image/png;base64,QQ==QQ==", "found 'Q' at character 4"},
      {"data:image/png;base64,aGVsbG8gd29ybGQ=", "looks like text"},
  };
  for (const auto& [url, words] : cases) {
    const Status status = load_image(url).status();
    EXPECT_FALSE(status.ok()) << url;
    EXPECT_THAT(status.message(), HasSubstr(words)) << url;
  }
}

TEST(LoadImage, NamesTheSource) {
  EXPECT_EQ(load_image("/no/such/picture.png").status().code(), StatusCode::not_found);
  EXPECT_THAT(load_image("/no/such/picture.png").status().message(), HasSubstr("/no/such/picture.png: "));
  EXPECT_EQ(load_image(kGoldens).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(load_image("https://example.org/a.png").status().code(), StatusCode::unsupported);
  const Status too_long = load_image(kGoldens + "png_rgb.png", {.max_bytes = 10}).status();
  EXPECT_EQ(too_long.code(), StatusCode::resource_exhausted);
  EXPECT_THAT(too_long.message(), HasSubstr("at most 10 bytes"));
  const std::string url = "data:image/png;base64," + std::string(1000, '*');
  EXPECT_LT(load_image(url).status().message().size(), 300u);
}

TEST(LoadImage, ErrorsAreOneLine) {
  EXPECT_EQ(load_image("/no/such\n/picture.png").status().message().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace azimuth::media
