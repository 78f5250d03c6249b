#include "formats/hub_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "support/temp_directory.h"

namespace azimuth::formats {
namespace {

using testing_support::TempDirectory;

// Sets a variable for one test; null unsets it.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* earlier = std::getenv(name)) earlier_ = earlier;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~ScopedVariable() { earlier_ ? ::setenv(name_, earlier_->c_str(), 1) : ::unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> earlier_;
};

TEST(HubCacheDirectory, FollowsTheVariablesInTheirOrder) {
  const ScopedVariable home("HOME", "/home/u"), xdg("XDG_CACHE_HOME", nullptr), hf("HF_HOME", nullptr),
      cache("HF_HUB_CACHE", nullptr);
  EXPECT_EQ(hub_cache_directory(), "/home/u/.cache/huggingface/hub");
  const ScopedVariable xdg_set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_cache_directory(), "/xdg/huggingface/hub");
  const ScopedVariable hf_set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_cache_directory(), "/home/u/hf/hub");
  const ScopedVariable cache_set("HF_HUB_CACHE", "/cache");
  EXPECT_EQ(hub_cache_directory(), "/cache");
}

class FindModel : public ::testing::Test {
 protected:
  TempDirectory directory_;
  std::string cache_ = directory_.path("hub");
  ScopedVariable variable_{"HF_HUB_CACHE", cache_.c_str()};
};

TEST_F(FindModel, DirectoryComesFirst) {
  directory_.write("model/config.json", "{}");
  EXPECT_EQ(*find_model_directory(directory_.path("model")), directory_.path("model"));
}

TEST_F(FindModel, SnapshotOfARevision) {
  directory_.write("hub/models--org--name/refs/main", "abc123\n");
  directory_.write("hub/models--org--name/refs/refs/pr/1", "def456");
  directory_.write("hub/models--org--name/snapshots/abc123/config.json", "{}");
  directory_.write("hub/models--org--name/snapshots/def456/config.json", "{}");
  EXPECT_EQ(*find_model_directory("org/name"), cache_ + "/models--org--name/snapshots/abc123");
  EXPECT_EQ(*find_model_directory("org/name", "refs/pr/1"), cache_ + "/models--org--name/snapshots/def456");
  EXPECT_EQ(*find_model_directory("org/name", "def456"), cache_ + "/models--org--name/snapshots/def456");
}

TEST_F(FindModel, MissingRepositorySaysWhereAndHowToGetIt) {
  const Status status = find_model_directory("org/name").status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find(cache_), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("hf download org/name"), std::string::npos) << status.message();
  directory_.write("hub/models--org--name/refs/main", "abc123");
  EXPECT_NE(find_model_directory("org/name", "v1").status().message().find("hf download org/name --revision v1"),
            std::string::npos);
  EXPECT_EQ(find_model_directory("org/name").status().code(), StatusCode::not_found) << "a ref without its snapshot";
}

TEST_F(FindModel, NamesThatWouldLeaveTheCacheAreRefused) {
  directory_.write("hub/models--org--name/refs/main", "../../../secret");
  for (const char* model :
       {"", "../x", "a/../b", "a/b/c", "/absent/directory", "org/", "/name", "org/na me", "org/..", "-x/y", "a\nb"}) {
    EXPECT_EQ(find_model_directory(model).status().code(), StatusCode::invalid_argument) << model;
  }
  EXPECT_EQ(find_model_directory("org/name").status().code(), StatusCode::data_loss);
  EXPECT_EQ(find_model_directory("org/name", "../../x").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(find_model_directory("org/name", "").status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace azimuth::formats
