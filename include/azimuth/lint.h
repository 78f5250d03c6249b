// The linter: what the positions of a prompt may do to a model. It scores a layout and its spectrum by three guidelines
// (Huang et al., arXiv 2510.23095) and checks that the sequence goes on as it began. docs/lint.md explains each check.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

enum class LintGuideline : uint8_t {
  none,
  coherence,   // G1: 3-D structure, slow growth, no overlap of modalities, a fitting interval
  spectrum,    // G2: every axis has fast and slow rotary pairs
  text_prior,  // G3: text is rotated as in the base language model
};
enum class LintSeverity : uint8_t { info, warning, error };
enum class LintVerdict : uint8_t { pass, partly, fail, not_checked };
// "G1", "G2", "G3", or "".
std::string_view to_string(LintGuideline guideline);
std::string_view to_string(LintSeverity severity);
std::string_view to_string(LintVerdict verdict);

// How the order of ids is checked.
enum class LintGaps : uint8_t {
  monotone,  // every text id exceeds all ids before it, on the t axis
  strict,    // as well, and the ids are the running index without holes
  off,
};
Result<LintGaps> parse_lint_gaps(std::string_view name);

// How ids were stored before they came here.
enum class IdStorage : uint8_t { f32, f64, int32, int64, f16, bf16 };

struct LintOptions {
  LintGaps gaps = LintGaps::monotone;
  int64_t max_position = 0;  // ids that the model was made for; 0: not checked
  // Cached keys keep the rotation that they were stored with although the frequencies change, as in transformers.
  // Azimuth computes such keys again.
  bool keeps_cached_rotations = false;
  // Names of checks and guidelines ("G1") whose warnings are errors, or "all".
  std::vector<std::string> fail_on = {"cache", "dtype", "batch", "monotone", "per_image", "allocation", "gaps:strict"};
};
// Adds the names of a list joined by commas to `fail_on`; "none" empties it first. Errors: an unknown name.
Status add_fail_on(std::string_view list, std::vector<std::string>& fail_on);

// What is looked at. Only spans and layout are needed; checks that lack their part are left out.
struct LintInput {
  std::vector<Span> spans;  // covering the tokens of `layout`
  PositionLayout layout;
  IdStorage storage = IdStorage::f32;
  int64_t length = 0;        // of the sequence that the plans were made for; 0: the largest id plus 1
  std::vector<int> section;  // the counts that were asked for and that the plan has to give; empty: none

  // The base language model: text tokens get start, start + 1, ...; every pair turns with that index.
  double base_start = 0.0;
  std::vector<NamedPlan> base_plans;  // as layout.plans; empty: its spectrum is not known

  // The rule behind the layout; each is a function of its arguments. Unset for ids that came from elsewhere.
  using LayOut = std::function<Result<PositionTable>(std::span<const Span> spans)>;
  LayOut lay_out;
  // The same in two parts, the second of which goes on at token `cut`.
  std::function<Result<PositionTable>(std::span<const Span> spans, int64_t cut)> lay_out_in_two;
  // The spectrum of a sequence whose largest id is length - 1.
  std::function<Result<std::vector<NamedPlan>>(int64_t length)> plans_at;
};

struct LintFinding {
  std::string check;
  LintSeverity severity = LintSeverity::info;
  LintGuideline guideline = LintGuideline::none;
  bool breaks_guideline = false;  // otherwise it is kept in part
  std::string message;            // what was found, with its numbers
  std::string may_cause;          // what it may do to answers; may be empty
  std::string published;          // a published failure that it matches; may be empty
  int span = -1;                  // index of the block concerned; -1: the prompt
  int64_t begin = 0;              // tokens concerned
  int64_t end = 0;
};

// One line of the table: a check, whether anything was found, and its numbers.
struct LintCheck {
  std::string name;
  LintGuideline guideline = LintGuideline::none;
  bool checked = false;                    // false: does not apply, or its part of the input is missing
  std::optional<LintSeverity> found = {};  // the worst finding; none: passed
  std::string value;
};

// Scores of one visual span ("block"). P- is the id of the token before it, plus 1; P+ is the id of the first text
// token behind it. Triples are (t, h, w), rounded to 1e-4; ids on one axis count as three equal ones.
struct BlockScores {
  int span = 0;
  bool injective = true;                // all triples differ
  bool lattice = true;                  // a step in i, r or c changes the triple by the same vector everywhere
  int rank = 0;                         // of these vectors, taken at the first cell
  int extents = 0;                      // axes of the grid that are longer than 1
  double growth = 0.0;                  // P+ - P- on t
  double future_overlap = 0.0;          // share of cells with an id >= P+ on some axis
  double past_overlap = 0.0;            // share of cells with an id < P- on some axis
  int64_t triple_collisions = 0;        // cells whose triple a text token has, 64 generated ones included
  std::array<double, 3> interval = {};  // P+ - largest id of the block, per axis
};

// What an axis gets of the spectrum of one layer type.
struct AxisSpectrum {
  double coverage = 0.0;  // 1 - longest run of consecutive pairs without the axis / pairs
  double share = 0.0;     // pairs of the axis / pairs; of a plan per head, heads / heads
  int fastest = -1;       // pairs; -1: none
  int slowest = -1;
  double longest_wavelength = 0.0;  // in ids; infinite where a pair does not turn
};

struct LintScores {
  std::vector<BlockScores> blocks;  // in the order of the prompt; the last one stands for the prompt in tables
  std::optional<std::array<AxisSpectrum, 3>> spectrum;  // of the first layer type; none where nothing turns
  std::optional<bool> text_prior_ids;
  bool text_integral = true;
  std::optional<bool> text_freq;
  bool decode_continuous = true;
  std::optional<double> growth_exponent;  // of a square picture's side, over 4, 8, 16
};

struct LintReport {
  std::string policy;
  int64_t tokens = 0;
  LintScores scores;
  std::array<LintVerdict, 3> verdicts = {};  // G1, G2, G3
  std::vector<LintCheck> checks;
  std::vector<LintFinding> findings;  // worst first

  LintVerdict verdict(LintGuideline guideline) const { return verdicts[static_cast<size_t>(guideline) - 1]; }
  int64_t count(LintSeverity severity) const;
  bool failed() const { return count(LintSeverity::error) > 0; }
};

// Pure: the same input gives the same report. invalid_argument where spans and ids do not belong together.
Result<LintReport> lint(const LintInput& input, const LintOptions& options = {});

// One row of a batch that someone else laid out.
struct LintRow {
  std::vector<float> ids;  // [tokens] with padding, one axis
  int64_t begin = 0;       // first token that is no padding
  int64_t end = 0;
  int64_t prompt = 0;  // rows with equal numbers hold the same prompt
};
// Rows of the same prompt have the same ids, wherever their padding is: a finding "batch" for each that differs.
std::vector<LintFinding> lint_rows(std::span<const LintRow> rows, const LintOptions& options = {});

// The report as one JSON object: scores of the last block under the keys of tests/golden/positions/vectors.json
// (null where there is none), further numbers, "verdict" {"G1","G2","G3"}, "findings" and "failed".
std::string lint_json(const LintReport& report);

// Names of all checks, in the order of the table.
std::vector<std::string> lint_checks();

// ---- without a model

// An abstract prompt under the policy `name`. A section that the plan would cut is a finding here, not an error.
Result<LintReport> lint_spans(const std::string& policy, std::span<const Span> spans, const HeadOptions& head,
                              const LintOptions& options = {});

// ---- with a model

// A request's prompt as the model would run it, with its `positions`. Reads no weights.
Result<LintReport> lint_prompt(const Engine& engine, const Request& request, const LintOptions& options = {});
// The same prompt under other policies, one report or error for each.
Result<std::vector<Result<LintReport>>> lint_policies(const Engine& engine, const Request& request,
                                                      std::span<const std::string> policies,
                                                      const LintOptions& options = {});

// ---- which policy runs on which family

enum class PolicyFit : uint8_t { runs, explicit_numbers, refused };
struct PolicyMatrixCell {
  PolicyFit fit = PolicyFit::runs;
  std::string reason;  // why not, or which numbers; empty where it runs
};
// Rows are policies, columns the model types that load() accepts, each with the sizes of a published checkpoint.
struct PolicyMatrix {
  std::vector<std::string> policies;
  std::vector<std::string> model_types;
  std::vector<std::string> checkpoints;  // [model_types]
  std::vector<PolicyMatrixCell> cells;   // [policies, model_types]
};
Result<PolicyMatrix> policy_matrix();

}  // namespace azimuth
