// What 8 and 4 bits cost the bundled model. The ceilings are fixed: a change that breaks one is wrong.
#include "azimuth/accuracy.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace azimuth {
namespace {

const std::string kModel = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";

AccuracyReport measure(const std::string& dtype) {
  EngineOptions options;
  options.dtype = dtype;
  const Result<AccuracyReport> report = measure_accuracy(kModel, options);
  EXPECT_TRUE(report.ok()) << report.status().message();
  if (!report.ok()) return {};
  std::printf("%s: mean KL %.3g, largest %.3g, same likeliest token %.2f %%, %d of %d right (%d in f32)\n",
              dtype.c_str(), report->mean_kl, report->max_kl, 100.0 * report->top1_agreement,
              static_cast<int>(report->right), static_cast<int>(report->questions),
              static_cast<int>(report->right_in_f32));
  EXPECT_GE(report->tokens, 300);
  EXPECT_EQ(report->questions, 200);
  EXPECT_GE(report->right_in_f32, 196);
  return *report;
}

TEST(Accuracy, OfF32AgainstItselfIsWhole) {
  const AccuracyReport report = measure("f32");
  EXPECT_EQ(report.mean_kl, 0.0);
  EXPECT_EQ(report.max_logprob_difference, 0.0);
  EXPECT_EQ(report.top1_agreement, 1.0);
  EXPECT_EQ(report.right, report.right_in_f32);
}

TEST(Accuracy, OfBf16StaysUnderItsCeiling) {
  const AccuracyReport report = measure("bf16");
  EXPECT_LE(report.mean_kl, 1e-3);
  EXPECT_GE(report.right + 2, report.right_in_f32);
}

TEST(Accuracy, OfQ8StaysUnderItsCeiling) {
  const AccuracyReport report = measure("q8");
  EXPECT_GT(report.mean_kl, 0.0);
  EXPECT_LE(report.mean_kl, 1e-3);
  EXPECT_GE(report.right + 2, report.right_in_f32);
}

TEST(Accuracy, OfQ4StaysUnderItsCeiling) {
  const AccuracyReport report = measure("q4");
  EXPECT_GT(report.mean_kl, 0.0);
  EXPECT_LE(report.mean_kl, 2e-2);
  EXPECT_GE(report.right + 4, report.right_in_f32);
}

}  // namespace
}  // namespace azimuth
