// The folders of src/ form layers (docs/architecture.md): each includes lower ones only, and the programs in tools/ and
// examples/ and the Python package see nothing but the public headers. This test reads every #include line.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace azimuth {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = AZIMUTH_SOURCE_DIR;

const std::map<std::string, int> kLevels = {
    {"base", 0},   {"tensor", 1},  {"spec", 1},     {"kernels", 2},    {"formats", 2},   {"text", 2},
    {"media", 2},  {"models", 3},  {"prompt", 3},   {"preprocess", 3}, {"positions", 3}, {"quantize", 3},
    {"vision", 4}, {"decoder", 4}, {"sampling", 4}, {"engine", 5},     {"score", 6},     {"report", 6},
};
// Foundations that every folder from their own level up may use.
const std::set<std::string> kFoundations = {"base", "tensor", "spec"};
// Exceptions to "strictly lower", as (folder, what it may include).
const std::set<std::pair<std::string, std::string>> kExceptions = {
    {"media", "kernels"},  // resizing
    {"spec", "tensor"},
};
// Headers that lie outside of src/ and include/: the C border of the Rust crate.
const std::set<std::string> kOutside = {"azimuth_text.h"};

bool may_include(const std::string& folder, const std::string& included) {
  if (folder == included || kExceptions.count({folder, included})) return true;
  const int own = kLevels.at(folder);
  const int other = kLevels.at(included);
  return other < own || (kFoundations.count(included) && own > 1);
}

struct Include {
  std::string path;
  bool quoted;
};

std::optional<Include> parse_include(const std::string& line) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::smatch match;
  if (!std::regex_match(line, match, pattern)) return std::nullopt;
  return Include{match[2], match[1] == "\""};
}

std::string first_folder(const std::string& path) {
  const size_t slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// What is wrong with an include in a file of src/`folder`; nothing where it is fine.
std::optional<std::string> problem_in_src(const std::string& folder, const Include& include) {
  const std::string target = first_folder(include.path);
  if (kLevels.count(target)) {
    if (may_include(folder, target)) return std::nullopt;
    return folder + " must not include " + target;
  }
  if (!include.quoted || target == "azimuth" || kOutside.count(include.path)) return std::nullopt;
  return "quoted includes are written as \"folder/file.h\"";
}

// The same for public headers, tools/, python/ and examples/, which see include/azimuth and files of their own only.
std::optional<std::string> problem_outside(const fs::path& file, const Include& include) {
  if (kLevels.count(first_folder(include.path))) return "only public headers (azimuth/...) may be included here";
  if (include.path.find("..") != std::string::npos) return "a path with .. may lead anywhere";
  if (!include.quoted || first_folder(include.path) == "azimuth") return std::nullopt;
  const std::string own = first_folder(file.lexically_relative(kRoot).generic_string());
  if (fs::exists(file.parent_path() / include.path) || fs::exists(kRoot / own / include.path)) return std::nullopt;
  return "expected a public header (azimuth/...) or a file of " + own + "/";
}

bool is_test(const fs::path& file) {
  return file.stem().string().ends_with("_test");
}

std::vector<fs::path> sources(const fs::path& directory) {
  std::vector<fs::path> files;
  if (!fs::exists(directory)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string extension = entry.path().extension();
    // Tests may include anything.
    if ((extension == ".h" || extension == ".cc") && !is_test(entry.path())) files.push_back(entry.path());
  }
  return files;
}

template <typename Check>
void for_each_include(const fs::path& file, Check check) {
  std::ifstream in(file);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (const auto include = parse_include(line)) {
      if (const auto problem = check(*include)) ADD_FAILURE() << file.string() << ":" << number << ": " << *problem;
    }
  }
}

TEST(Layers, EveryFolderHasALevel) {
  for (const auto& entry : fs::directory_iterator(kRoot / "src")) {
    EXPECT_TRUE(!entry.is_directory() || kLevels.count(entry.path().filename())) << entry.path();
  }
}

TEST(Layers, FoldersOfSrcIncludeLowerOnesOnly) {
  int files = 0;
  for (const auto& [folder, unused] : kLevels) {
    for (const fs::path& file : sources(kRoot / "src" / folder)) {
      ++files;
      for_each_include(file, [&](const Include& include) { return problem_in_src(folder, include); });
    }
  }
  EXPECT_GT(files, 50) << "the sources were not found";
}

TEST(Layers, PublicHeadersToolsPythonAndExamplesSeePublicHeadersOnly) {
  for (const char* directory : {"include/azimuth", "tools", "python", "examples"}) {
    const auto files = sources(kRoot / directory);
    EXPECT_FALSE(files.empty()) << directory;
    for (const fs::path& file : files) {
      for_each_include(file, [&](const Include& include) { return problem_outside(file, include); });
    }
  }
}

// The rules themselves: what they must allow and refuse.
TEST(LayersRules, LowerLevelsAndFoundationsOnly) {
  EXPECT_TRUE(may_include("decoder", "positions"));
  EXPECT_TRUE(may_include("media", "kernels"));
  EXPECT_TRUE(may_include("kernels", "spec"));
  EXPECT_TRUE(may_include("spec", "tensor"));
  EXPECT_FALSE(may_include("tensor", "spec"));
  EXPECT_FALSE(may_include("base", "tensor"));
  EXPECT_FALSE(may_include("kernels", "media"));
  EXPECT_FALSE(may_include("positions", "prompt"));
  EXPECT_FALSE(may_include("models", "vision"));
}

TEST(LayersRules, IncludeLinesAreUnderstood) {
  EXPECT_FALSE(parse_include("// #include \"engine/x.h\"").has_value());
  EXPECT_EQ(parse_include("  #  include <engine/x.h> // why")->path, "engine/x.h");
  EXPECT_TRUE(problem_in_src("media", {"engine/x.h", false}).has_value()) << "angle brackets are no way around";
  EXPECT_TRUE(problem_in_src("media", {"image.h", true}).has_value());
  EXPECT_FALSE(problem_in_src("media", {"png.h", false}).has_value());
  EXPECT_TRUE(problem_outside(kRoot / "tools" / "x.cc", {"engine/x.h", true}).has_value());
  EXPECT_FALSE(problem_outside(kRoot / "tools" / "x.cc", {"azimuth/x.h", true}).has_value());
  EXPECT_FALSE(problem_outside(kRoot / "tools" / "x.cc", {"commands/commands.h", true}).has_value());
  EXPECT_TRUE(problem_outside(kRoot / "python" / "bindings" / "x.cc", {"commands/commands.h", true}).has_value());
  EXPECT_FALSE(problem_outside(kRoot / "python" / "bindings" / "x.cc", {"arrays.h", true}).has_value());
  for (const bool quoted : {true, false}) {
    EXPECT_TRUE(
        problem_outside(kRoot / "python" / "bindings" / "x.cc", {"../../src/engine/model.h", quoted}).has_value());
  }
}

}  // namespace
}  // namespace azimuth
