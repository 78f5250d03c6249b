#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/temp_directory.h"

namespace azimuth::formats {
namespace {

using testing_support::TempDirectory;

std::string length_prefix(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i));
  return bytes;
}

std::string file_of(std::string_view header, size_t data_bytes) {
  return length_prefix(header.size()) + std::string(header) + std::string(data_bytes, '\1');
}

Result<SafeTensorsHeader> parse(const std::string& file, const SafeTensorsLimits& limits = {}) {
  return parse_safetensors_header(std::as_bytes(std::span(file)), file.size(), "f", limits);
}

Result<SafeTensorsHeader> parse(std::string_view header, size_t data_bytes) {
  return parse(file_of(header, data_bytes));
}

constexpr char kGood[] = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

class GoldenFile : public ::testing::Test {
 protected:
  GoldenFile()
      : file_(SafeTensors::open(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/formats/reference.safetensors")) {}

  TensorView tensor(std::string_view name) const {
    auto view = file_->tensor(name);
    EXPECT_TRUE(view.ok()) << view.status().message();
    return view.ok() ? *view : TensorView{};
  }

  Result<SafeTensors> file_;
};

TEST_F(GoldenFile, EveryDTypeHoldsWhatTheReferenceWrote) {
  ASSERT_TRUE(file_.ok()) << file_.status().message();
  const float expected[] = {0, 1, 2, 3, 4, 100};
  for (const char* name : {"f64", "f32", "f16", "bf16"}) {
    const TensorView view = tensor(name);
    EXPECT_EQ(to_string(view.dtype), name);
    EXPECT_EQ(view.shape, Shape({2, 3}));
    const auto values = to_f32(view);
    ASSERT_TRUE(values.ok());
    for (int i = 0; i < 6; ++i) EXPECT_EQ(values->data()[i], expected[i] / 8) << name;
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(tensor("i64").as<int64_t>()[i], -expected[i]);
    EXPECT_EQ(tensor("i32").as<int32_t>()[i], -expected[i]);
    EXPECT_EQ(tensor("i16").as<int16_t>()[i], -expected[i]);
    EXPECT_EQ(tensor("i8").as<int8_t>()[i], -expected[i]);
    EXPECT_EQ(tensor("u8").as<uint8_t>()[i], expected[i]);
    EXPECT_EQ(tensor("bool").as<uint8_t>()[i], expected[i] > 2);
  }
}

TEST_F(GoldenFile, ScalarEmptyAndOddNames) {
  EXPECT_EQ(tensor("scalar").shape.rank(), 0);
  EXPECT_EQ(tensor("scalar").as<float>()[0], 2.5f);
  EXPECT_EQ(tensor("empty").shape, Shape({0, 4}));
  EXPECT_EQ(tensor("n\u00e4me.with \"quotes\"").as<float>()[0], 1.0f);
  EXPECT_EQ(file_->metadata().at("note"), "\u00fcn\u00efcode");
}

TEST_F(GoldenFile, UnknownDTypeIsListedAndRefused) {
  ASSERT_NE(file_->find("f8"), nullptr);
  EXPECT_EQ(file_->find("f8")->dtype, "F8_E4M3");
  EXPECT_EQ(file_->find("f8")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file_->tensor("f8").status().code(), StatusCode::unsupported);
}

TEST_F(GoldenFile, MissingNameIsNotFound) {
  EXPECT_EQ(file_->find("absent"), nullptr);
  EXPECT_EQ(file_->tensor("absent").status().code(), StatusCode::not_found);
}

TEST(SafeTensorsHeader, AcceptsAFileWithoutTensors) {
  EXPECT_TRUE(parse("{}", 0).ok());
  EXPECT_TRUE(parse(R"({"__metadata__":{"format":"pt"}}   )", 0).ok());
}

TEST(SafeTensorsHeader, LengthBeyondTheFile) {
  EXPECT_EQ(parse(std::string("\0\0\0", 3)).status().code(), StatusCode::data_loss);
  for (const uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7, uint64_t{3}}) {
    const auto parsed = parse(length_prefix(length) + "{}");
    EXPECT_EQ(parsed.status().code(), StatusCode::data_loss) << length;
    EXPECT_NE(parsed.status().message().find(std::to_string(length)), std::string::npos);
  }
}

TEST(SafeTensorsHeader, LengthBeyondTheLimit) {
  const std::string file = file_of(kGood, 8);
  EXPECT_EQ(parse(file, {.header_bytes = sizeof kGood - 2}).status().code(), StatusCode::resource_exhausted);
  EXPECT_TRUE(parse(file, {.header_bytes = sizeof kGood - 1}).ok());
}

struct BadHeader {
  const char* what;
  std::string header;
  size_t data_bytes;
  const char* message;  // part of the error
};

class BadHeaders : public ::testing::TestWithParam<BadHeader> {};

TEST_P(BadHeaders, AreDataLossWithAReason) {
  const auto parsed = parse(GetParam().header, GetParam().data_bytes);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), StatusCode::data_loss);
  EXPECT_NE(parsed.status().message().find(GetParam().message), std::string::npos) << parsed.status().message();
  EXPECT_LT(parsed.status().message().size(), 500u);
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

INSTANTIATE_TEST_SUITE_P(
    SafeTensorsHeader, BadHeaders,
    ::testing::Values(
        BadHeader{"not_json", "{\"a\":", 0, "expected a JSON header"},
        BadHeader{"no_object", "[1]", 0, "to be a JSON object"}, BadHeader{"empty", "", 0, "expected a JSON header"},
        BadHeader{"invalid_utf8", "{\"\xff\":1}", 0, "expected a JSON header"},
        BadHeader{"deep", std::string(100'000, '['), 0, "expected a JSON header"},
        BadHeader{"tensor_is_number", R"({"a":1})", 0, "to be an object"},
        BadHeader{"no_shape", R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8,
                  "to have dtype, shape and data_offsets, found 2"},
        BadHeader{"unknown_key", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, "found \"x\""},
        BadHeader{"key_twice", R"({"a":{"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]}})", 8,
                  "\"dtype\" twice"},
        BadHeader{"dtype_number", R"({"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}})", 8,
                  "dtype of \"a\" to be a string"},
        BadHeader{"shape_negative", "{" + tensor("a", "F32", "[-2]", "[0,8]") + "}", 8, "found -2"},
        BadHeader{"shape_fraction", "{" + tensor("a", "F32", "[2.0]", "[0,8]") + "}", 8, "found 2.0"},
        BadHeader{"shape_2_63", "{" + tensor("a", "U8", "[9223372036854775808]", "[0,8]") + "}", 8, "below 2^63"},
        BadHeader{"shape_overflow", "{" + tensor("a", "F32", "[4611686018427387904,4]", "[0,0]") + "}", 0,
                  "less than 2^63"},
        BadHeader{"zero_hides_overflow", "{" + tensor("a", "F32", "[0,4611686018427387904,4]", "[0,0]") + "}", 0,
                  "less than 2^63"},
        BadHeader{"shape_wraps_to_8", "{" + tensor("a", "F32", "[4611686018427387905,2]", "[0,8]") + "}", 8,
                  "less than 2^63"},
        BadHeader{"shape_too_small", "{" + tensor("a", "F32", "[1]", "[0,8]") + "}", 8, "to take 4 bytes, found 8"},
        BadHeader{"offsets_one", "{" + tensor("a", "F32", "[2]", "[8]") + "}", 8, "two whole numbers"},
        BadHeader{"offsets_negative", "{" + tensor("a", "F32", "[2]", "[-8,0]") + "}", 8, "two whole numbers"},
        BadHeader{"offsets_swapped", "{" + tensor("a", "F32", "[2]", "[8,0]") + "}", 8, "within the 8 bytes"},
        BadHeader{"offsets_outside", "{" + tensor("a", "F32", "[4]", "[0,16]") + "}", 8, "within the 8 bytes"},
        BadHeader{"offsets_2_64", "{" + tensor("a", "F32", "[2]", "[0,18446744073709551615]") + "}", 8,
                  "within the 8 bytes"},
        BadHeader{"overlap", "{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[1]", "[4,8]") + "}",
                  8, "overlaps"},
        BadHeader{"shared", "{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[2]", "[0,8]") + "}",
                  8, "overlaps"},
        BadHeader{"gap", "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("b", "F32", "[1]", "[8,12]") + "}", 12,
                  "gap"},
        BadHeader{"tail", "{" + tensor("a", "F32", "[1]", "[0,4]") + "}", 12, "to cover all 12 bytes"},
        BadHeader{"name_twice",
                  "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("a", "F32", "[1]", "[4,8]") + "}", 8,
                  "\"a\" twice"},
        BadHeader{"unknown_dtype_outside", "{" + tensor("a", "F8_E5M2", "[9]", "[0,9]") + "}", 8, "within the 8 bytes"},
        BadHeader{"metadata_number", R"({"__metadata__":{"a":1}})", 0, "object of strings"},
        BadHeader{"metadata_string", R"({"__metadata__":"a"})", 0, "object of strings"},
        BadHeader{"metadata_twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "one __metadata__"},
        BadHeader{"metadata_key_twice", R"({"__metadata__":{"a":"b","a":"c"}})", 0, "\"a\" twice"},
        BadHeader{"endless_name", "{" + tensor(std::string(1 << 20, 'n'), "F32", "[1]", "[0,8]") + "}", 8,
                  "to take 4 bytes"}),
    [](const auto& instance) { return std::string(instance.param.what); });

TEST(SafeTensorsFile, MoreDimensionsThanTheEngineHasAreListedAndRefused) {
  const TempDirectory directory;
  const auto file =
      SafeTensors::open(directory.write("f", file_of("{" + tensor("a", "U8", "[1,1,1,1,1,1,8]", "[0,8]") + "}", 8)));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensor("a").status().code(), StatusCode::unsupported);
}

TEST(SafeTensorsFile, UnalignedElementsAreCopied) {
  const TempDirectory directory;
  std::string header =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string contents = file_of(header, 9);
  const float values[] = {1.5f, -2.0f};
  std::memcpy(contents.data() + contents.size() - 8, values, 8);
  const auto file = SafeTensors::open(directory.write("f", contents));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const TensorView view = *file->tensor("a");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % 4, 0u);
  EXPECT_EQ(view.as<float>()[0], 1.5f);
  EXPECT_EQ(view.as<float>()[1], -2.0f);
  EXPECT_EQ(file->tensor("a")->data, view.data) << "one copy serves every call";
}

TEST(SafeTensorsFile, CutShortAfterMappingIsDataLossWhenRead) {
  const TempDirectory directory;
  const std::string path =
      directory.write("f", file_of(R"({"a":{"dtype":"F32","shape":[65536],"data_offsets":[0,262144]}})", 262144));
  const auto file = SafeTensors::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::filesystem::resize_file(path, 4096);
  std::vector<std::byte> out(262144);
  const auto view = file->tensor("a");  // header and map are unchanged: the view exists, or the copy of it failed
  const Status status =
      !view.ok() ? view.status() : guarded_read(path, [&] { std::memcpy(out.data(), view->data, out.size()); });
  EXPECT_EQ(status.code(), StatusCode::data_loss);
}

TEST(SafeTensorsFile, EveryTruncationOfAGoodFileIsRefused) {
  const TempDirectory directory;
  const std::string whole = file_of(kGood, 8);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto file = SafeTensors::open(directory.write("f", whole.substr(0, bytes)));
    EXPECT_EQ(file.status().code(), StatusCode::data_loss) << bytes;
  }
}

TEST(SafeTensorsWriter, RoundTripKeepsEverything) {
  const TempDirectory directory;
  const float floats[] = {1, 2, 3, 4, 5, 6};
  const uint8_t bytes[] = {7, 8, 9};
  const std::vector<NamedTensor> tensors = {
      {"small", TensorView::contiguous(bytes, DType::u8, Shape({3}))},
      {"b", TensorView::contiguous(floats, DType::f32, Shape({2, 3}))},
      {"a \"quoted\"", TensorView::contiguous(floats, DType::f32, Shape({1}))},
      {"none", TensorView::contiguous(floats, DType::f32, Shape({0, 3}))},
  };
  const std::string path = directory.path("f.safetensors");
  const Status written = write_safetensors(path, tensors, {{"format", "pt"}});
  ASSERT_TRUE(written.ok()) << written.message();
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  const auto file = SafeTensors::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->entries().size(), 4u);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->tensor("b")->shape, Shape({2, 3}));
  EXPECT_EQ(std::memcmp(file->tensor("b")->data, floats, sizeof floats), 0);
  EXPECT_EQ(std::memcmp(file->tensor("small")->data, bytes, sizeof bytes), 0);
  EXPECT_EQ(file->find("b")->begin % 4, 0u);
}

TEST(SafeTensorsWriter, WritesTheBytesOfTheReference) {
  const TempDirectory directory;
  const std::string golden =
      std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/formats/sharded/model-00001-of-00002.safetensors";
  const auto reference = SafeTensors::open(golden);
  ASSERT_TRUE(reference.ok()) << reference.status().message();
  const std::vector<NamedTensor> tensors = {{"a.weight", *reference->tensor("a.weight")}};
  const std::string path = directory.path("f.safetensors");
  ASSERT_TRUE(write_safetensors(path, tensors, reference->metadata()).ok());
  const auto written = SafeTensors::open(path);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->data_bytes(), reference->data_bytes());
  EXPECT_EQ(std::memcmp(written->tensor("a.weight")->data, reference->tensor("a.weight")->data, 24), 0);
}

TEST(SafeTensorsWriter, RefusesWhatItCannotStore) {
  const TempDirectory directory;
  const float value = 1;
  const TensorView view = TensorView::contiguous(&value, DType::f32, Shape({1}));
  TensorView gaps = TensorView::contiguous(&value, DType::f32, Shape({2, 2}));
  gaps.strides[0] = 5;
  const std::string path = directory.path("f");
  const auto code = [&](const std::vector<NamedTensor>& tensors) { return write_safetensors(path, tensors).code(); };
  EXPECT_EQ(code({{"a", view}, {"a", view}}), StatusCode::invalid_argument);
  EXPECT_EQ(code({{"__metadata__", view}}), StatusCode::invalid_argument);
  EXPECT_EQ(code({{"", view}}), StatusCode::invalid_argument);
  EXPECT_EQ(code({{"\xff", view}}), StatusCode::invalid_argument);
  EXPECT_EQ(code({{"a", gaps}}), StatusCode::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(write_safetensors(directory.path("missing/f"), std::vector<NamedTensor>{{"a", view}}).code(),
            StatusCode::data_loss);
}

}  // namespace
}  // namespace azimuth::formats
