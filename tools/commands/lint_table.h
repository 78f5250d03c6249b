// Reports of the linter for people.
#pragma once

#include <string>
#include <vector>

#include "azimuth/lint.h"

namespace azimuth::tools {

// The guidelines, one line for each check, then the findings as sentences. Colours only on a terminal.
void print_lint_report(const LintReport& report);

struct LintRowOfTable {
  std::string policy;
  Result<LintReport> report;
};
// One line for each policy: structure, growth, overlap, interval, spectrum, text, and the three verdicts.
void print_lint_comparison(const std::vector<LintRowOfTable>& rows);

}  // namespace azimuth::tools
