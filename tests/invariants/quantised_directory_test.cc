// A quantised directory is the model that quantising at load gives, bit for bit, for every family and kind of layer;
// and a damaged or foreign one is a sentence.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "azimuth/quantize.h"
#include "azimuth/trace.h"
#include "engine/model.h"
#include "formats/checkpoint.h"
#include "media/video_file.h"
#include "quantize/format.h"
#include "support/golden_families.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing_support::TempDirectory;

const std::string kTraces = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/";

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Result<Engine> load(const std::string& model, const std::string& dtype = "") {
  EngineOptions options;
  options.dtype = dtype;
  options.threads = 2;
  return Engine::load(model, options);
}

std::string golden_model() {
  return kTraces + "qwen3_vl_two_images/model";
}

// A few steps of a golden case's own request.
std::string trace_of(const std::string& name, const std::string& model, const std::string& dtype) {
  const Result<Engine> engine = load(model, dtype);
  EXPECT_TRUE(engine.ok()) << name << ": " << engine.status().message();
  if (!engine.ok()) return "";
  json request = json::parse(read_text(kTraces + name + "/request.json"));
  request["max_new_tokens"] = 4;
  TraceOptions options;
  options.base_directory = kTraces + name;
  const Result<std::string> out = trace(*engine, request.dump(), options);
  EXPECT_TRUE(out.ok()) << name << ": " << out.status().message();
  return out.ok() ? *out : "";
}

bool has_video_file(const std::string& name) {
  for (const char* ending : {".mp4", ".webm", ".mkv", ".avi"}) {
    if (read_text(kTraces + name + "/request.json").find(ending) != std::string::npos) return true;
  }
  return false;
}

class QuantisedDirectory : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(QuantisedDirectory, IsTheModelQuantisedAtLoad) {
  const auto& [name, type] = GetParam();
  if (has_video_file(name) && !media::can_read_video_files()) GTEST_SKIP() << "this build reads no video files";
  const std::string model = kTraces + name + "/model";
  const TempDirectory directory;
  const std::string out = directory.path("out");
  QuantizeOptions options;
  options.type = type;
  options.threads = 2;
  options.shard_bytes = 40'000;  // several files
  const Result<QuantizeReport> report = quantize_checkpoint(model, out, options);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_FALSE(fs::exists(out + ".partial"));
  EXPECT_EQ(trace_of(name, out, ""), trace_of(name, model, type));
  const Result<Engine> opened = load(out);
  const Result<Engine> packed = load(model, type);
  ASSERT_TRUE(opened.ok() && packed.ok());
  EXPECT_EQ(opened->info().dtype, type);
  EXPECT_EQ(opened->info().weight_bytes, packed->info().weight_bytes);
  // What info says without reading weights is what a loaded model holds, but for a head that config.json denies.
  EngineOptions without;
  without.load_weights = false;
  const Result<Engine> described = Engine::load(out, without);
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_EQ(described->info().dtype, type);
  EXPECT_LE(described->info().weight_bytes, opened->info().weight_bytes);
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const auto& [family, cases] : testing_support::golden_families()) {
    names.insert(names.end(), cases.begin(), cases.end());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Goldens, QuantisedDirectory,
                         ::testing::Combine(::testing::ValuesIn(all_cases()), ::testing::Values("q8", "q4")),
                         [](const auto& each) { return std::get<0>(each.param) + "_" + std::get<1>(each.param); });

// A small quantised directory, and ways to damage it.
class DamagedDirectory : public ::testing::Test {
 protected:
  DamagedDirectory() : out_(directory_.path("out")) {
    QuantizeOptions options;
    options.type = "q4";
    options.threads = 1;
    const Result<QuantizeReport> report = quantize_checkpoint(golden_model(), out_, options);
    EXPECT_TRUE(report.ok()) << report.status().message();
    file_ = out_ + "/model.safetensors";
    bytes_ = read_text(file_);
  }

  // Replaces text in the header by text of the same length.
  void replace(const std::string& old_text, const std::string& new_text) {
    ASSERT_EQ(old_text.size(), new_text.size());
    const size_t at = bytes_.find(old_text);
    ASSERT_NE(at, std::string::npos) << old_text;
    bytes_.replace(at, old_text.size(), new_text);
    std::ofstream(file_, std::ios::binary) << bytes_;
  }

  void expect_refused(const std::string& words) {
    const Result<Engine> engine = load(out_);
    ASSERT_FALSE(engine.ok());
    EXPECT_NE(engine.status().message().find(words), std::string::npos) << engine.status().message();
  }

  TempDirectory directory_;
  std::string out_;
  std::string file_;
  std::string bytes_;
};

TEST_F(DamagedDirectory, OfAnotherVersionSaysSo) {
  replace("\"azimuth.layout\":\"1\"", "\"azimuth.layout\":\"2\"");
  expect_refused("expected azimuth.layout 1, found \"2\"; quantise the original again");
}

TEST_F(DamagedDirectory, OfAnotherTypeIsRefused) {
  replace("\"azimuth.type\":\"q4\"", "\"azimuth.type\":\"q5\"");
  expect_refused("expected azimuth.type q8 or q4");
}

TEST_F(DamagedDirectory, WithAMatrixOfAnotherTypeIsRefused) {
  const size_t at = bytes_.find("\"matrix.decoder.layers.1.query.weight\":\"q4 ");
  ASSERT_NE(at, std::string::npos);
  replace("\"matrix.decoder.layers.1.query.weight\":\"q4 ", "\"matrix.decoder.layers.1.query.weight\":\"q8 ");
  expect_refused("decoder.layers.1.query.weight expected ");
}

TEST_F(DamagedDirectory, WithAWordForANumberIsRefused) {
  replace("\"matrix.decoder.layers.1.query.weight\":\"q4 1 ", "\"matrix.decoder.layers.1.query.weight\":\"q4 - ");
  expect_refused("to name a tensor of the file with type, count, outputs and inputs");
}

TEST_F(DamagedDirectory, WithAnotherShapeIsRefused) {
  replace("\"matrix.decoder.layers.1.query.weight\":\"q4 1 ", "\"matrix.decoder.layers.1.query.weight\":\"q4 2 ");
  expect_refused("config.json and the weights do not belong together");
}

TEST_F(DamagedDirectory, WithoutATensorIsRefused) {
  const std::string name = "decoder.layers.1.query.weight";
  for (const std::string prefix : {"\"", "\"matrix."}) {
    replace(prefix + name, prefix + "decoder.layers.1.quern.weight");
  }
  expect_refused("expected a tensor decoder.layers.1.query.weight, found none");
}

TEST_F(DamagedDirectory, CutShortIsRefused) {
  fs::resize_file(file_, bytes_.size() - 64);
  expect_refused("model.safetensors");
}

// The engine computes on the map: what is lost there may be no crash.
TEST_F(DamagedDirectory, CutShortWhileTheModelRunsIsAnError) {
  const Result<Engine> engine = load(out_);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const std::string request = read_text(kTraces + "qwen3_vl_two_images/request.json");
  TraceOptions options;
  options.base_directory = kTraces + "qwen3_vl_two_images";
  ASSERT_TRUE(trace(*engine, request, options).ok());
  fs::resize_file(file_, 8192);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Result<std::string> out = trace(*engine, request, options);
    ASSERT_FALSE(out.ok());
    EXPECT_NE(out.status().message().find("expected to stay as it was while the model runs, found pages missing"),
              std::string::npos)
        << out.status().message();
  }
}

// Any byte of the header may be anything: an error or the model, never a crash.
TEST_F(DamagedDirectory, SurvivesFlippedBytesOfItsHeader) {
  const std::string whole = bytes_;
  const size_t end = whole.find("   ");  // the header is filled up with blanks
  ASSERT_NE(end, std::string::npos);
  for (size_t i = 0; i < 200; ++i) {
    std::string damaged = whole;
    damaged[8 + i * 7919 % (end - 8)] ^= static_cast<char>(1 + i % 127);
    std::ofstream(file_, std::ios::binary) << damaged;
    const Result<Engine> engine = load(out_);
    EXPECT_EQ(engine.ok(), engine.status().message().empty());
  }
}

TEST_F(DamagedDirectory, AnotherDtypeSaysWhatToDo) {
  const Result<Engine> engine = load(out_, "bf16");
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(
      engine.status().message().find("expected dtype q4, in which it was quantised, found bf16; leave --dtype out"),
      std::string::npos)
      << engine.status().message();
  EXPECT_TRUE(load(out_, "q4").ok());
}

TEST_F(DamagedDirectory, EveryTensorBeginsOnAMultipleOf64) {
  const uint64_t header = *reinterpret_cast<const uint64_t*>(bytes_.data());
  EXPECT_EQ((8 + header) % 64, 0u);
  const json parsed = json::parse(bytes_.substr(8, header));
  for (const auto& [name, entry] : parsed.items()) {
    if (name == "__metadata__" || name.starts_with("padding.")) continue;
    EXPECT_EQ(entry["data_offsets"][0].get<uint64_t>() % 64, 0u) << name;
  }
}

TEST_F(DamagedDirectory, IsNotQuantisedAgain) {
  const Result<QuantizeReport> report = quantize_checkpoint(out_, directory_.path("again"));
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.status().message().find("expected a checkpoint with its original weights, found one in q4"),
            std::string::npos)
      << report.status().message();
  EXPECT_FALSE(fs::exists(directory_.path("again")));
}

TEST(Quantize, RefusesAPlaceThatIsTaken) {
  const TempDirectory directory;
  directory.write("taken/file", "x");
  const Result<QuantizeReport> taken = quantize_checkpoint(golden_model(), directory.path("taken"));
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.status().message().find("expected to be a new or an empty directory"), std::string::npos);
  EXPECT_EQ(read_text(directory.path("taken/file")), "x");
  fs::create_directories(directory.path("empty"));
  EXPECT_TRUE(quantize_checkpoint(golden_model(), directory.path("empty")).ok());
  fs::create_directories(directory.path("cut.partial"));
  const Result<QuantizeReport> cut = quantize_checkpoint(golden_model(), directory.path("cut"));
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.status().message().find("cut short"), std::string::npos);
}

TEST(Quantize, LeavesNothingBehindWhenItFails) {
  const TempDirectory directory;
  fs::copy(golden_model(), directory.path("model"));
  const std::string weights = directory.path("model/model.safetensors");
  std::string bytes = read_text(weights);
  const size_t at = bytes.find("layers.1.mlp.down_proj");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 22, "layers.1.mlp.dawn_proj");
  std::ofstream(weights, std::ios::binary) << bytes;
  EXPECT_FALSE(quantize_checkpoint(directory.path("model"), directory.path("out")).ok());
  EXPECT_FALSE(fs::exists(directory.path("out")));
  EXPECT_FALSE(fs::exists(directory.path("out.partial")));
}

}  // namespace
}  // namespace azimuth
