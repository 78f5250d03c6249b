// The commands that write pages and drawings.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const std::string kTiny = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";
const std::string kQuestion = " --prompt 'How many?' --image " + quoted(kTiny + "/demo.png") + " ";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The object that a page holds.
json data_of(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = html.find(open) + open.size();
  return json::parse(html.substr(begin, html.find("</script>", begin) - begin), nullptr, false);
}

class ReportCommand : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return directory_.path(name); }

  static void expect_refused(const std::string& arguments, const std::string& message) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }

  TempDirectory directory_;
};

TEST_F(ReportCommand, PositionsPageHoldsWhatJsonPrints) {
  const std::string html = file("page.html");
  const Outcome outcome = run("positions " + quoted(kTiny) + kQuestion + "--json --compare vanilla --html " +
                              quoted(html) + " --svg " + quoted(file("drawing.svg")));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const json data = data_of(read(html));
  ASSERT_EQ(data["reports"].size(), 2u);
  EXPECT_EQ(data["reports"][0], json::parse(outcome.output));
  EXPECT_EQ(data["reports"][1]["policy"], "vanilla");
  EXPECT_EQ(data["model"], "azimuth-tiny");
  EXPECT_EQ(data["pictures"].size(), 1u);
  EXPECT_TRUE(read(file("drawing.svg")).starts_with("<?xml"));
}

TEST_F(ReportCommand, AttendPageHoldsWhatJsonPrints) {
  const std::string html = file("page.html");
  const Outcome outcome =
      run("attend " + quoted(kTiny) + " 'How many shapes are there?' --image " + quoted(kTiny + "/demo.png") +
          " --query 0 --query -1 --generated 1 --json --html " + quoted(html));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const json found = json::parse(outcome.output);
  EXPECT_EQ(data_of(read(html))["report"], found);
  EXPECT_EQ(found["queries"].size(), 3u);
  EXPECT_EQ(found["sinks"].size(), 4u);
  EXPECT_EQ(found["queries"][0]["layers"][0]["visual_share"], json::parse("[0.0,0.0,0.0,0.0]"))
      << "the first token sees itself alone";
}

TEST_F(ReportCommand, AttendPrintsATable) {
  const Outcome outcome = run("attend " + quoted(kTiny) + " 'How many shapes?' --image " + quoted(kTiny + "/demo.png"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.output.find("share on pictures by head"), std::string::npos);
  EXPECT_NE(outcome.output.find("most attended by"), std::string::npos);
}

TEST_F(ReportCommand, RefusalsAreOneSentence) {
  const std::string positions = "positions " + quoted(kTiny) + kQuestion;
  expect_refused(positions + "--compare vanilla", "--compare draws two policies");
  expect_refused(positions + "--compare nonsense --html " + quoted(file("page.html")), "unknown position policy");
  expect_refused(positions + "--html /no/such/directory/page.html", "expected to write /no/such/directory/page.html");
  const std::string attend = "attend " + quoted(kTiny) + " ";
  expect_refused(attend, "attend expected a PROMPT or --messages FILE");
  expect_refused(attend + "Hi --query 1000", "a query expected one of the prompt's");
  expect_refused(attend + "Hi --generated 5000", "generated tokens expected a number from 0 to");
  expect_refused(attend + "Hi --messages x.json", "--messages expected to be the whole request");
}

}  // namespace
}  // namespace azimuth
