// docs/robustness.md promises a test for every bad input that it lists: each row must name one, and each name must
// exist.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace azimuth {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = AZIMUTH_SOURCE_DIR;

struct Row {
  int line = 0;
  std::vector<std::string> cells;
};
using Sections = std::map<std::string, std::vector<Row>>;  // by heading

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  for (size_t at = 1; at < line.size(); ++at) {  // behind the first bar
    if (line[at] == '|' && line[at - 1] != '\\') {
      cells.push_back(trimmed(cell));
      cell.clear();
    } else {
      cell += line[at];
    }
  }
  return cells;
}

bool is_rule(const std::string& line) {
  return line.find_first_not_of("|-: ") == std::string::npos;
}

// Rows of all tables below "## " headings, without the tables' own heads.
Sections parse(std::istream& in) {
  Sections sections;
  std::string heading, line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (!line.starts_with("|")) continue;
    if (is_rule(line)) {
      if (!sections[heading].empty()) sections[heading].pop_back();  // the head
    } else {
      sections[heading].push_back({number, cells_of(line)});
    }
  }
  return sections;
}

// Tests that a cell names: `Suite.Name`, or `test_file.py::test_name` of the Python package, below python/tests.
std::vector<std::string> tests_named(const std::string& cell) {
  static const std::regex pattern(R"(`([A-Za-z0-9]+\.[A-Z][A-Za-z0-9]*|(?:ecosystem/)?test_\w+\.py::test_\w+)`)");
  std::vector<std::string> names;
  for (std::sregex_iterator at(cell.begin(), cell.end(), pattern), end; at != end; ++at) names.push_back((*at)[1]);
  return names;
}

std::string contents(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// "test_file.py::test_name" of every test of the Python package, with the folder below python/tests.
void add_python_tests(std::set<std::string>& names) {
  static const std::regex pattern(R"(\ndef (test_\w+)\()");
  const fs::path folder = kRoot / "python" / "tests";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".py") continue;
    const std::string text = contents(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
      names.insert(entry.path().lexically_relative(folder).generic_string() + "::" + (*at)[1].str());
    }
  }
}

// "Suite.Name" of every GoogleTest in the repository, and the tests of the Python package.
std::set<std::string> tests_in_sources() {
  static const std::regex pattern(R"(\b(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+))");
  std::set<std::string> names;
  for (const char* folder : {"src", "tests", "fuzz", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!entry.path().filename().string().ends_with("_test.cc")) continue;
      const std::string text = contents(entry.path());
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
        names.insert((*at)[1].str() + "." + (*at)[2].str());
      }
    }
  }
  add_python_tests(names);
  return names;
}

// What is wrong with a row that must be tested; empty where nothing is.
std::string problem(const Row& row, const std::set<std::string>& known) {
  if (row.cells.size() != 3) return "expected three cells: bad input, what happens, test";
  if (row.cells[0].empty() || row.cells[1].empty()) return "expected an input and what happens";
  const std::vector<std::string> names = tests_named(row.cells[2]);
  if (names.empty()) return "expected a test (`Suite.Name`) in the last cell";
  for (const std::string& name : names) {
    if (!known.count(name)) return name + " is no test in the sources";
  }
  return "";
}

Sections document() {
  std::ifstream in(kRoot / "docs" / "robustness.md");
  return parse(in);
}

TEST(Robustness, EveryRowNamesATestThatExists) {
  const std::set<std::string> known = tests_in_sources();
  const Sections sections = document();
  for (const auto& [heading, rows] : sections) {
    if (heading == "Later") continue;
    for (const Row& row : rows) EXPECT_EQ(problem(row, known), "") << "docs/robustness.md:" << row.line;
  }
}

TEST(Robustness, EveryGroupThatAppliesHasRows) {
  const Sections sections = document();
  for (const char* group : {"1. ", "4. ", "5. ", "6. ", "7. "}) {
    const bool present = std::any_of(sections.begin(), sections.end(), [&](const auto& section) {
      return section.first.starts_with(group) && !section.second.empty();
    });
    EXPECT_TRUE(present) << "group " << group;
  }
}

TEST(RobustnessRules, RowsWithoutATestAreFound) {
  std::istringstream in(
      "## 1. A\n| bad input | what happens | test |\n|---|---|---|\n| x | y | `A.B` and `C.D` |\n| x | y | |\n| x | | "
      "`A.B` |\n"
      "| x | y | `Z.Z` |\n| x | y |\n");
  const Sections sections = parse(in);
  const std::vector<Row>& rows = sections.at("1. A");
  ASSERT_EQ(rows.size(), 5u);
  const std::set<std::string> known = {"A.B", "C.D"};
  EXPECT_EQ(problem(rows[0], known), "");
  for (size_t i = 1; i < rows.size(); ++i) EXPECT_NE(problem(rows[i], known), "") << i;
}

}  // namespace
}  // namespace azimuth
