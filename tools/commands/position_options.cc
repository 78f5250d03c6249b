#include "commands/position_options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace azimuth::tools {
namespace {

std::string id_text(float id) {
  char text[32];
  std::snprintf(text, sizeof text, id == std::floor(id) ? "%.0f" : "%.6g", static_cast<double>(id));
  return text;
}

// "0-3", "0, 2, 4": runs of neighbours are drawn together.
std::string layer_list(std::span<const int> layers) {
  std::string out;
  for (size_t i = 0; i < layers.size();) {
    size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    out += (out.empty() ? "" : ", ") + std::to_string(layers[i]);
    if (last > i) out += "-" + std::to_string(layers[last]);
    i = last + 1;
  }
  return (layers.size() == 1 ? "layer " : "layers ") + out;
}

std::string axis_label(int axis, int axes) {
  if (axes == 1) return "id";
  return axis < 3 ? std::string(1, "thw"[axis]) : "axis " + std::to_string(axis);
}

std::string token_range(int64_t begin, int64_t end) {
  if (end - begin == 1) return "token " + std::to_string(begin);
  return "tokens " + std::to_string(begin) + "-" + std::to_string(end - 1);
}

std::string span_label(const Span& span) {
  if (span.kind == SpanKind::text) return "text";
  std::string label = (span.kind == SpanKind::image ? "image " : "video ") + std::to_string(span.media);
  if (span.views > 1) label += " view " + std::to_string(span.view);
  if (span.tiles > 1) label += " tile " + std::to_string(span.tile);
  return label + " (" + std::to_string(span.grid.t) + "x" + std::to_string(span.grid.h) + "x" +
         std::to_string(span.grid.w) + ")";
}

}  // namespace

void add_position_options(CLI::App& command, PositionOptions& options) {
  command
      .add_option("--positions", options.policy,
                  "Position policy, NAME or NAME:KEY=VALUE,... [the checkpoint's own]; `azimuth layout` lists them")
      ->type_name("POLICY");
  command
      .add_option("--position-ids", options.ids_file,
                  "Position of every token, in place of the policy's: .npy of [tokens] or [axes, tokens], or JSON")
      ->type_name("FILE");
}

void add_cache_options(CLI::App& command, PositionOptions& options) {
  command
      .add_option("--keys", options.keys,
                  "Keys in the cache: rotated, or raw, whose tokens may get other ids later [rotated]")
      ->type_name("KIND")
      ->check(CLI::IsMember({"rotated", "raw"}).description(""));
  command
      .add_option("--frequencies", options.frequencies,
                  "Where frequencies follow the length: rerotate (compute again) or as-reference (keep) [rerotate]")
      ->type_name("MODE")
      ->check(CLI::IsMember({"rerotate", "as-reference"}).description(""));
}

Status apply_position_options(const PositionOptions& options, Request& request) {
  request.positions = options.policy;
  request.keys = options.keys;
  request.frequencies = options.frequencies;
  if (options.ids_file.empty()) return ok_status();
  AZ_ASSIGN_OR_RETURN(std::vector<PositionIds> ids, read_position_ids(options.ids_file));
  if (ids.size() != 1) {
    return invalid_argument(options.ids_file + " expected the ids of one sample, found those of " +
                            std::to_string(ids.size()) + "; give batches to azimuth trace");
  }
  request.position_ids = std::move(ids[0]);
  return ok_status();
}

void PositionPrinter::attach(Hooks& hooks) {
  hooks.on_positions = [this](PositionEdit& edit) {
    spans_.assign(edit.spans.begin(), edit.spans.end());
    return ok_status();
  };
  hooks.on_rotary_ids = [this](const RotaryIds& ids) { print(ids); };
}

void PositionPrinter::print(const RotaryIds& ids) const {
  const int64_t end = ids.first_token + ids.tokens;
  const int64_t prompt = spans_.empty() ? 0 : spans_.back().end;
  std::fprintf(stderr, "%s, rope %d, id set %d, %s\n",
               ids.first_token < prompt ? ("prefill of " + token_range(ids.first_token, end)).c_str()
                                        : ("decode step " + std::to_string(ids.first_token - prompt)).c_str(),
               ids.rope, ids.id_set, layer_list(ids.layers).c_str());
  for (const Span& span : spans_) print_run(ids, span.begin, span.end, span_label(span));
  print_run(ids, prompt, end, "generated");
}

// The part of [begin, end) that the pass has.
void PositionPrinter::print_run(const RotaryIds& ids, int64_t begin, int64_t end, const std::string& label) const {
  begin = std::max(begin, ids.first_token);
  end = std::min(end, ids.first_token + ids.tokens);
  if (begin >= end) return;
  std::string line;
  for (int axis = 0; axis < ids.axes; ++axis) {
    float lowest = INFINITY;
    float highest = -INFINITY;
    for (int64_t token = begin; token < end; ++token) {
      const float id = ids.ids[static_cast<size_t>((token - ids.first_token) * ids.axes + axis)];
      lowest = std::min(lowest, id);
      highest = std::max(highest, id);
    }
    line += "  " + axis_label(axis, ids.axes) + " " + id_text(lowest);
    if (highest > lowest) line += ".." + id_text(highest);
  }
  std::fprintf(stderr, "  %-18s %-16s%s\n", label.c_str(), token_range(begin, end).c_str(), line.c_str());
}

}  // namespace azimuth::tools
