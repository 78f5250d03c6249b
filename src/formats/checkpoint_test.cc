#include "formats/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/temp_directory.h"

namespace azimuth::formats {
namespace {

using testing_support::TempDirectory;

const std::string kGolden = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/formats/sharded";

// A directory with config.json and whatever a test adds.
class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { directory_.write("config.json", R"({"model_type": "x"})"); }

  void write_weights(const std::string& file, const std::vector<std::string>& names) {
    const float value = 1.5f;
    std::vector<NamedTensor> tensors;
    for (const std::string& name : names)
      tensors.push_back({name, TensorView::contiguous(&value, DType::f32, Shape({1}))});
    const Status written = write_safetensors(directory_.path(file), tensors);
    ASSERT_TRUE(written.ok()) << written.message();
  }

  void write_index(const std::string& weight_map) {
    directory_.write("model.safetensors.index.json",
                     R"({"metadata": {"total_size": 8}, "weight_map": )" + weight_map + "}");
  }

  Status open() const { return Checkpoint::open(directory_.path()).status(); }

  void expect_error(StatusCode code, const std::string& part) const {
    const Status status = open();
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }

  TempDirectory directory_;
};

TEST(CheckpointGolden, OpensWhatTheReferenceSharded) {
  const auto model = Checkpoint::open(kGolden);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->names(), (std::vector<std::string>{"a.weight", "b.bias", "b.weight"}));
  EXPECT_EQ(model->weight_bytes(), 44u);
  EXPECT_EQ(model->weight_files().size(), 2u);
  EXPECT_EQ(model->tensor("a.weight")->shape, Shape({2, 3}));
  EXPECT_EQ(model->tensor("b.weight")->as<float>()[3], 3.0f);
  EXPECT_TRUE(model->has("b.bias"));
  EXPECT_FALSE(model->has("c"));
  EXPECT_EQ(model->tensor("c").status().code(), StatusCode::not_found);
  EXPECT_EQ(*model->config_view().string("model_type"), "example");
  EXPECT_EQ(model->config()["limit"][1].get<double>(), INFINITY);
}

TEST_F(CheckpointTest, SingleFile) {
  write_weights("model.safetensors", {"a", "b"});
  const auto model = Checkpoint::open(directory_.path());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->tensor("b")->as<float>()[0], 1.5f);
}

TEST_F(CheckpointTest, SideFiles) {
  write_weights("model.safetensors", {"a"});
  directory_.write("notes.txt", "hello");
  const auto model = Checkpoint::open(directory_.path());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(**model->optional_file("notes.txt"), "hello");
  EXPECT_FALSE(model->optional_file("absent.txt")->has_value());
  EXPECT_EQ(model->optional_file("notes.txt", 4).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(model->optional_file("../secret").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(model->optional_file("/etc/passwd").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(model->optional_file("").status().code(), StatusCode::invalid_argument);
}

TEST_F(CheckpointTest, ConfigAloneOpensWithoutWeights) {
  EXPECT_TRUE(Checkpoint::open(directory_.path(), {.weights = false}).ok());
  expect_error(StatusCode::not_found, "found no weights");
}

TEST_F(CheckpointTest, DamagedConfig) {
  directory_.write("config.json", "{");
  expect_error(StatusCode::invalid_argument, "config.json: expected valid JSON");
  directory_.write("config.json", "[]");
  expect_error(StatusCode::invalid_argument, "config.json expected an object");
  directory_.write("config.json", std::string(100'000, '['));
  expect_error(StatusCode::resource_exhausted, "levels deep");
  std::filesystem::remove(directory_.path("config.json"));
  expect_error(StatusCode::not_found, "expected a config.json");
}

TEST_F(CheckpointTest, WeightsOfOtherKindsAreNamed) {
  directory_.write("pytorch_model.bin", "PK");
  expect_error(StatusCode::unsupported, "found only pytorch_model.bin (a PyTorch pickle)");
  directory_.write("adapter_model.safetensors", "");
  expect_error(StatusCode::unsupported, "adapter_model.safetensors (an adapter");
}

TEST_F(CheckpointTest, MissingShard) {
  write_weights("model-1.safetensors", {"a"});
  write_index(R"({"a": "model-1.safetensors", "b": "model-2.safetensors"})");
  expect_error(StatusCode::not_found, "found no model-2.safetensors");
}

TEST_F(CheckpointTest, ShardOutsideOfTheDirectory) {
  for (const char* shard : {"../model-1.safetensors", "x/../../m.safetensors", "/etc/passwd", "", "a\\u0000b"}) {
    write_index(R"({"a": ")" + std::string(shard) + "\"}");
    expect_error(StatusCode::invalid_argument, "expected shards beside the index");
  }
}

TEST_F(CheckpointTest, IndexAndShardDisagree) {
  write_weights("model-1.safetensors", {"a"});
  write_index(R"({"a": "model-1.safetensors", "b": "model-1.safetensors"})");
  expect_error(StatusCode::data_loss, "expected tensor \"b\" in model-1.safetensors");
}

TEST_F(CheckpointTest, SameTensorInTwoShards) {
  write_weights("model-1.safetensors", {"a", "b"});
  write_weights("model-2.safetensors", {"b", "c"});
  write_index(R"({"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"})");
  expect_error(StatusCode::data_loss, "expected each tensor in one shard, found \"b\"");
}

TEST_F(CheckpointTest, DamagedIndex) {
  write_index("[]");
  expect_error(StatusCode::invalid_argument, "weight_map expected an object");
  write_index("{}");
  expect_error(StatusCode::data_loss, "at least one tensor");
  write_index(R"({"a": 1})");
  expect_error(StatusCode::invalid_argument, "file names");
  directory_.write("model.safetensors.index.json", "{}");
  expect_error(StatusCode::invalid_argument, "weight_map expected an object, found nothing");
}

TEST_F(CheckpointTest, TooManyShards) {
  write_index(R"({"a": "1", "b": "2", "c": "3"})");
  EXPECT_EQ(Checkpoint::open(directory_.path(), {.shards = 2}).status().code(), StatusCode::resource_exhausted);
}

TEST_F(CheckpointTest, ShardThatIsADirectory) {
  std::filesystem::create_directory(directory_.path("model.safetensors"));
  EXPECT_EQ(open().code(), StatusCode::invalid_argument);
}

TEST_F(CheckpointTest, MissingRepositoryNamesTheCommandThatHelps) {
  const Status status = Checkpoint::open("no-such-org/no-such-model").status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("hf download no-such-org/no-such-model"), std::string::npos);
}

}  // namespace
}  // namespace azimuth::formats
