// Abstract prompts as programs write them: a JSON list of cases, which `layout --cases` and `lint --cases` read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/status.h"

namespace azimuth::tools {

// {"encoding": policy, "segments": [["t",5],["i",1,4,6],["v",8,2,2],...] or "t5 i1x4x6 v8x2x2", and, optional,
// "head_dim", "base", "kv_heads", "section", "scaling" (a Hugging Face rope_parameters object), "seq_len", "compat"}
struct PositionCase {
  std::string encoding;
  std::vector<Span> spans;
  HeadOptions head;
};

// The cases of a file, in order; one that does not read is a failure of its own and leaves the others alone. Errors: a
// file that cannot be read or that holds no list.
Result<std::vector<Result<PositionCase>>> read_position_cases(const std::string& path);

// An id for people: without decimals where it is whole.
std::string id_text(double id, int decimals);
// A whole id as an integer, a fractional one as it is.
nlohmann::json id_number(double id);
// ids [n] where one row holds for all axes, [axes][n] otherwise; axis-major, as references print them.
nlohmann::json ids_json(const PositionSet& set);
// {"ids", "delta", "decode": ids of the first two generated tokens on the t (or only) axis}
nlohmann::json set_json(const PositionSet& set);
// {"axis_of_pair": one list or one per KV head, "inv_freq", "attention_factor"}
nlohmann::json plan_json(const FrequencyPlan& plan);

}  // namespace azimuth::tools
