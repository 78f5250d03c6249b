// The command's --panorama.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/bmp_file.h"
#include "support/golden_pixels.h"
#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::bmp_file;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const std::string kModel = quoted(std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny");

class PanoramaCommand : public testing::Test {
 protected:
  PanoramaCommand() : file_(quoted(directory_.write("panorama.bmp", bmp_file(golden::noise(1, 80, 40))))) {}

  // Positions of a prompt with the panorama, as JSON.
  json positions(const std::string& options) const {
    const Outcome outcome = run("positions " + kModel + " --prompt Hi --json --panorama " + file_ + " " + options);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return json::parse(outcome.output, nullptr, false);
  }

  static std::vector<int> views_of(const json& report) {
    std::vector<int> views;
    for (const json& span : report["spans"]) {
      if (span["kind"] == "image") views.push_back(span["view"]);
    }
    return views;
  }

  void expect_refused(const std::string& options, const std::string& message) const {
    const Outcome outcome = run("run " + kModel + " Hi --panorama " + file_ + " " + options);
    EXPECT_EQ(outcome.exit_code, 2) << options;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }

  TempDirectory directory_;
  std::string file_;
};

TEST_F(PanoramaCommand, RunAnswersUnderAPolicyOfPanoramas) {
  const Outcome outcome = run("run " + kModel + " 'How many circles?' --panorama " + file_ +
                              " --positions pano_mrope --temperature 0 --max-tokens 4 --verbose");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_GT(outcome.output.size(), 1u);
  EXPECT_NE(outcome.errors.find("576 patches"), std::string::npos) << outcome.errors;  // 9 views of 8 x 8
}

TEST_F(PanoramaCommand, OptionsReachTheViews) {
  EXPECT_EQ(views_of(positions("")), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(views_of(positions("--hfov 120")), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(views_of(positions("--hfov 120 --overlap 0.5 --pitch -30")), (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
}

TEST_F(PanoramaCommand, TableNamesTheViews) {
  const Outcome outcome = run("positions " + kModel + " --panorama " + file_ + " --hfov 120");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.output.find("image 0, the whole panorama: grid 1 x 4 x 4, 16 tokens"), std::string::npos)
      << outcome.output;
  EXPECT_NE(outcome.output.find("image 3, tile 3 of 3: grid 1 x 4 x 4, 16 tokens"), std::string::npos);
}

TEST_F(PanoramaCommand, WrongOptionsAreOneSentence) {
  expect_refused("--hfov 180", "hfov expected more than 0 and less than 180 degrees, found 180");
  expect_refused("--hfov nan", "expected a finite number, found nan");
  expect_refused("--overlap 1", "overlap expected a part of a tile from 0 to less than 1, found 1");
  expect_refused("--pitch 100", "a pitch from -90 (straight down) to 90 degrees (straight up) was expected, found 100");
  expect_refused("--hfov 2", "at most 64 tiles");
  const Outcome alone = run("run " + kModel + " Hi --pitch 3");
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_NE(alone.errors.find("--panorama"), std::string::npos) << alone.errors;
}

TEST_F(PanoramaCommand, LongPictureIsPointedHere) {
  const std::string strip = quoted(directory_.write("strip.bmp", bmp_file(golden::noise(1, 603, 3))));
  const Outcome picture = run("run " + kModel + " Hi --image " + strip);
  EXPECT_EQ(picture.exit_code, 2);
  EXPECT_NE(picture.errors.find("603 x 3 = 201; crop or tile it, or give a panorama with --panorama"),
            std::string::npos)
      << picture.errors;
  const Outcome panorama = run("run " + kModel + " Hi --max-tokens 1 --panorama " + strip);
  EXPECT_EQ(panorama.exit_code, 0) << panorama.errors;
  EXPECT_NE(panorama.errors.find("603 x 3"), std::string::npos) << "no warning of its shape: " << panorama.errors;
}

}  // namespace
}  // namespace azimuth
