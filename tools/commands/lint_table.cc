#include "commands/lint_table.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace azimuth::tools {
namespace {

constexpr size_t kWidth = 100;  // of a line, in columns

enum class Paint { plain, green, yellow, red, grey };

std::string painted(const std::string& text, Paint paint) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  if (!terminal || paint == Paint::plain) return text;
  const char* code = paint == Paint::green ? "32" : paint == Paint::yellow ? "33" : paint == Paint::red ? "31" : "90";
  return "\x1b[" + std::string(code) + "m" + text + "\x1b[0m";
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

Paint paint_of(LintVerdict verdict) {
  switch (verdict) {
    case LintVerdict::pass: return Paint::green;
    case LintVerdict::partly: return Paint::yellow;
    case LintVerdict::fail: return Paint::red;
    case LintVerdict::not_checked: return Paint::grey;
  }
  return Paint::plain;
}

Paint paint_of(LintSeverity severity) {
  return severity == LintSeverity::error ? Paint::red : severity == LintSeverity::warning ? Paint::yellow : Paint::grey;
}

// Prints `text` behind `indent` columns, broken at spaces; the first line has `head` in that place.
void print_wrapped(const std::string& head, size_t indent, const std::string& text) {
  std::string line = head;
  size_t used = indent;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (used > indent && used + 1 + word.size() > kWidth) {
      std::puts(line.c_str());
      line.assign(indent, ' ');
      used = indent;
    }
    if (used > indent) line += ' ';
    used += word.size() + (used > indent ? 1 : 0);
    line += word;
    begin = end + 1;
  }
  std::puts(line.c_str());
}

void print_guidelines(const LintReport& report) {
  const std::pair<LintGuideline, const char*> guidelines[] = {{LintGuideline::coherence, "positional coherence"},
                                                              {LintGuideline::spectrum, "full use of the spectrum"},
                                                              {LintGuideline::text_prior, "prior of the text kept"}};
  for (const auto& [guideline, title] : guidelines) {
    const LintVerdict verdict = report.verdict(guideline);
    std::printf("%s  %s %s\n", std::string(to_string(guideline)).c_str(), padded(title, 28).c_str(),
                painted(std::string(to_string(verdict)), paint_of(verdict)).c_str());
  }
}

void print_checks(const LintReport& report) {
  std::printf("    %s %s %s\n", padded("check", 18).c_str(), padded("result", 9).c_str(), "found");
  for (const LintCheck& check : report.checks) {
    std::string result = "pass";
    Paint paint = Paint::green;
    if (!check.checked) {
      result = "-";
      paint = Paint::grey;
    } else if (check.found) {
      result = *check.found == LintSeverity::error ? "fail" : *check.found == LintSeverity::warning ? "warn" : "info";
      paint = paint_of(*check.found);
    }
    std::printf("%s %s %s %s\n", padded(std::string(to_string(check.guideline)), 3).c_str(),
                padded(check.name, 18).c_str(), painted(padded(result, 9), paint).c_str(), check.value.c_str());
  }
}

void print_finding(const LintFinding& finding) {
  const std::string severity(to_string(finding.severity));
  print_wrapped(painted(padded(severity, 9), paint_of(finding.severity)), 9,
                finding.check + ": " + finding.message + ".");
  if (!finding.may_cause.empty()) print_wrapped(std::string(9, ' '), 9, finding.may_cause);
  if (!finding.published.empty()) print_wrapped(std::string(9, ' '), 9, "Published: " + finding.published);
}

// ---- the comparison

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  std::string out = text;
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

std::string structure(const BlockScores& block) {
  const std::string rank = std::to_string(block.rank) + "/" + std::to_string(block.extents);
  if (!block.injective) return "no " + rank;
  if (block.rank < block.extents) return "flat " + rank;
  return (block.lattice ? "yes " : "curved ") + rank;
}

std::string spectrum(const LintScores& scores) {
  if (!scores.spectrum) return "-";
  std::string out;
  for (const AxisSpectrum& axis : *scores.spectrum) out += (out.empty() ? "" : ",") + number(axis.coverage);
  return out;
}

std::string text_prior(const LintScores& scores) {
  if (scores.text_prior_ids && !*scores.text_prior_ids) return "other ids";
  if (scores.text_freq && !*scores.text_freq) return "other turn";
  return scores.text_integral ? "yes" : "fractions";
}

void print_columns(const std::vector<std::string>& cells) {
  static constexpr size_t kColumns[] = {16, 10, 7, 7, 15, 14, 10};
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) line += padded(cells[i], kColumns[i]) + " ";
  std::fputs(line.c_str(), stdout);
}

void print_compared(const std::string& policy, const LintReport& report) {
  std::vector<std::string> cells = {policy, "-", "-", "-", "-"};
  if (!report.scores.blocks.empty()) {
    const BlockScores& block = report.scores.blocks.back();
    cells = {policy, structure(block), number(block.growth), number(block.future_overlap),
             number(block.interval[0]) + "," + number(block.interval[1]) + "," + number(block.interval[2])};
  }
  cells.push_back(spectrum(report.scores));
  cells.push_back(text_prior(report.scores));
  print_columns(cells);
  for (const LintVerdict verdict : report.verdicts) {
    static const char* const kWords[] = {"yes", "part", "no", "-"};
    std::printf("%s", painted(padded(kWords[static_cast<size_t>(verdict)], 5), paint_of(verdict)).c_str());
  }
  std::printf("%s\n", report.failed() ? painted("fail", Paint::red).c_str() : "");
}

}  // namespace

void print_lint_report(const LintReport& report) {
  std::printf("policy %s, %lld tokens, %zu visual %s\n\n", report.policy.c_str(), static_cast<long long>(report.tokens),
              report.scores.blocks.size(), report.scores.blocks.size() == 1 ? "block" : "blocks");
  print_guidelines(report);
  std::puts("");
  print_checks(report);
  if (!report.findings.empty()) std::puts("");
  for (const LintFinding& finding : report.findings) print_finding(finding);
  std::printf("\n%lld errors, %lld warnings\n", static_cast<long long>(report.count(LintSeverity::error)),
              static_cast<long long>(report.count(LintSeverity::warning)));
}

void print_lint_comparison(const std::vector<LintRowOfTable>& rows) {
  print_columns({"policy", "structure", "growth", "overlap", "interval t,h,w", "spectrum t,h,w", "text"});
  std::puts("G1   G2   G3");
  for (const LintRowOfTable& row : rows) {
    if (row.report.ok()) {
      print_compared(row.policy, *row.report);
    } else {
      print_wrapped(padded(row.policy, 16) + " ", 17, row.report.status().message());
    }
  }
  std::puts("");
  print_wrapped("", 0,
                "Scores are of the last visual block. Overlap: share of its cells at or beyond the text behind it. "
                "Spectrum: 1 less the longest run of rotary pairs without the axis. G1 positional coherence, G2 full "
                "use of the spectrum, G3 prior of the text kept; fail: a check that fails by default.");
}

}  // namespace azimuth::tools
