#include "commands/policy_matrix.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "azimuth/lint.h"
#include "commands/common.h"

namespace azimuth::tools {
namespace {

const char* word_of(PolicyFit fit) {
  switch (fit) {
    case PolicyFit::runs: return "runs";
    case PolicyFit::explicit_numbers: return "numbers";
    case PolicyFit::refused: return "refused";
  }
  return "";
}

nlohmann::json to_json(const PolicyMatrix& matrix) {
  nlohmann::json out = nlohmann::json::object();
  for (size_t i = 0; i < matrix.cells.size(); ++i) {
    const PolicyMatrixCell& cell = matrix.cells[i];
    nlohmann::json entry = {{"fit", word_of(cell.fit)}};
    if (!cell.reason.empty()) entry["reason"] = cell.reason;
    out[matrix.policies[i / matrix.model_types.size()]][matrix.model_types[i % matrix.model_types.size()]] = entry;
  }
  return out;
}

// Number of a reason in the notes below the table, which it is added to when it is new.
size_t note_of(const std::string& reason, std::vector<std::string>& notes) {
  const auto found = std::ranges::find(notes, reason);
  const auto index = static_cast<size_t>(found - notes.begin());
  if (found == notes.end()) notes.push_back(reason);
  return index + 1;
}

void print_row(const std::string& first, const std::vector<std::string>& cells) {
  std::printf("| %-16s |", first.c_str());
  for (const std::string& cell : cells) std::printf(" %-13s |", cell.c_str());
  std::puts("");
}

bool same_column(const PolicyMatrix& matrix, size_t a, size_t b) {
  const size_t columns = matrix.model_types.size();
  for (size_t row = 0; row < matrix.policies.size(); ++row) {
    const PolicyMatrixCell& left = matrix.cells[row * columns + a];
    const PolicyMatrixCell& right = matrix.cells[row * columns + b];
    if (left.fit != right.fit || left.reason != right.reason) return false;
  }
  return true;
}

// Families whose columns are equal, by the first of them.
std::vector<std::vector<size_t>> groups_of(const PolicyMatrix& matrix) {
  std::vector<std::vector<size_t>> groups;
  for (size_t column = 0; column < matrix.model_types.size(); ++column) {
    const auto group = std::ranges::find_if(
        groups, [&](const std::vector<size_t>& members) { return same_column(matrix, members[0], column); });
    if (group == groups.end()) {
      groups.push_back({column});
    } else {
      group->push_back(column);
    }
  }
  return groups;
}

void print_groups(const PolicyMatrix& matrix, const std::vector<std::vector<size_t>>& groups) {
  for (size_t i = 0; i < groups.size(); ++i) {
    std::printf("%c:", static_cast<char>('A' + i));
    for (size_t k = 0; k < groups[i].size(); ++k) {
      std::printf("%s %s (%s)", k > 0 ? "," : "", matrix.model_types[groups[i][k]].c_str(),
                  matrix.checkpoints[groups[i][k]].c_str());
    }
    std::puts(".\n");
  }
}

void print_markdown(const PolicyMatrix& matrix) {
  const size_t columns = matrix.model_types.size();
  const std::vector<std::vector<size_t>> groups = groups_of(matrix);
  print_groups(matrix, groups);
  std::vector<std::string> names;
  for (size_t i = 0; i < groups.size(); ++i) names.emplace_back(1, static_cast<char>('A' + i));
  print_row("policy", names);
  print_row("---", std::vector<std::string>(groups.size(), "---"));
  std::vector<std::string> notes;
  for (size_t row = 0; row < matrix.policies.size(); ++row) {
    std::vector<std::string> cells;
    for (const std::vector<size_t>& group : groups) {
      const PolicyMatrixCell& cell = matrix.cells[row * columns + group[0]];
      cells.emplace_back(word_of(cell.fit));
      if (!cell.reason.empty()) cells.back() += " (" + std::to_string(note_of(cell.reason, notes)) + ")";
    }
    print_row(matrix.policies[row], cells);
  }
  std::puts("");
  for (size_t i = 0; i < notes.size(); ++i) std::printf("(%zu) %s.\n\n", i + 1, notes[i].c_str());
}

}  // namespace

int print_policy_matrix(bool json) {
  const Result<PolicyMatrix> matrix = policy_matrix();
  if (!matrix.ok()) return report(matrix.status());
  if (json) {
    std::puts(to_json(*matrix).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    print_markdown(*matrix);
  }
  return 0;
}

}  // namespace azimuth::tools
