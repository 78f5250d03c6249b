// The engine equals transformers 5.23.0 on every checkpoint under tests/golden/trace: each case holds a model, a
// request, its pictures and the reference's trace (tests/oracle/make_goldens.py wrote them).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"
#include "media/video_file.h"
#include "support/trace_compare.h"

namespace azimuth::testing {
namespace {

namespace fs = std::filesystem;

fs::path cases_folder() {
  return fs::path(AZIMUTH_SOURCE_DIR) / "tests/golden/trace";
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(cases_folder())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct CommandResult {
  int exit_code = -1;
  std::string output;
  std::string errors;
};

// Runs the command in `folder`, relative to which a request names its files.
CommandResult run_trace(const fs::path& folder, const std::string& level) {
  const fs::path errors = fs::path(::testing::TempDir()) / (folder.filename().string() + "_" + level + ".stderr");
  const std::string command = "cd '" + folder.string() + "' && AZIMUTH_CPU=" + level +
                              " '" AZIMUTH_BINARY "' trace model --request request.json --dtype f32 --json 2>'" +
                              errors.string() + "'";
  CommandResult result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[65536];
  while (const size_t count = fread(buffer, 1, sizeof buffer, pipe)) result.output.append(buffer, count);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.errors = read_text(errors);
  fs::remove(errors);
  return result;
}

// Names of the instruction levels that this processor has.
std::vector<std::string> levels() {
  std::vector<std::string> names;
  for (const kernels::CpuLevel level : kernels::available_levels()) names.emplace_back(kernels::to_string(level));
  return names;
}

bool has_video_file(const fs::path& folder) {
  if (!fs::exists(folder / "media")) return false;
  for (const auto& entry : fs::directory_iterator(folder / "media")) {
    const std::string ending = entry.path().extension();
    if (ending == ".mp4" || ending == ".webm" || ending == ".mkv" || ending == ".avi") return true;
  }
  return false;
}

class TraceGolden : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(TraceGolden, EqualsTheReference) {
  const auto& [name, level] = GetParam();
  const fs::path folder = cases_folder() / name;
  if (has_video_file(folder) && !media::can_read_video_files()) GTEST_SKIP() << "this build reads no video files";
  const CommandResult run = run_trace(folder, level);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const auto report = compare_trace_texts(read_text(folder / "expected.json"), run.output);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->equal()) << report->summary() << "\n" << report->table();
}

INSTANTIATE_TEST_SUITE_P(Cases, TraceGolden,
                         ::testing::Combine(::testing::ValuesIn(case_names()), ::testing::ValuesIn(levels())),
                         [](const auto& each) { return std::get<0>(each.param) + "_" + std::get<1>(each.param); });

TEST(TraceGoldens, AreAllThere) {
  EXPECT_GE(case_names().size(), 12u);
}

}  // namespace
}  // namespace azimuth::testing
