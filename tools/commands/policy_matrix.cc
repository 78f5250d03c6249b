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

void print_markdown(const PolicyMatrix& matrix) {
  const size_t columns = matrix.model_types.size();
  print_row("policy", matrix.model_types);
  print_row("---", std::vector<std::string>(columns, "---"));
  print_row("checked with", matrix.checkpoints);
  std::vector<std::string> notes;
  for (size_t row = 0; row < matrix.policies.size(); ++row) {
    std::vector<std::string> cells;
    for (size_t column = 0; column < columns; ++column) {
      const PolicyMatrixCell& cell = matrix.cells[row * columns + column];
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
