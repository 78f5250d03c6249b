// PanoRoPE as a function of the caller, three times: at hook 1, as a registered policy, and as the policy that Azimuth
// has built in. All three give the same ids and, bit for bit, the same answer.
//
//   panorope MODEL WHOLE.png TILE0.png TILE1.png ...
//
// The first picture shows the whole panorama, the others its tiles from yaw 0 upward. PanoRoPE (CORA,
// wooseungw/panollava) moves the ids of tile v by round(v * s * N) where positions have one axis, and their columns by
// round(v * s * W) where they have three (docs/positions.md, 3.15). s = 1 - overlap; N and W count the tile's tokens
// and columns.
#include <cmath>
#include <cstdio>
#include <string>

#include "azimuth/session.h"

namespace {

using namespace azimuth;

constexpr double kOverlap = 0.5;

// The whole of PanoRoPE, on ids that vanilla (one axis) or M-RoPE (three) has given.
void move_tiles(std::span<const Span> spans, PositionSet& set) {
  int tile = -1;  // the first picture is the whole panorama, and stays
  for (const Span& span : spans) {
    if (span.kind == SpanKind::text) continue;
    const int64_t width = set.axes == 1 ? span.tokens() : span.grid.w;
    const double shift = tile < 0 ? 0.0 : std::nearbyint(tile * (1.0 - kOverlap) * static_cast<double>(width));
    for (int64_t token = span.begin; token < span.end; ++token)
      set.ids[static_cast<size_t>(token * set.axes + set.axes - 1)] += static_cast<float>(shift);
    ++tile;
  }
}

// Hook 1 of a request.
Status panorope_hook(PositionEdit& edit) {
  move_tiles(edit.spans, edit.positions.sets[0]);
  return ok_status();
}

// A policy of its own name, on top of a built-in one.
Status register_panorope(const std::string& name, const std::string& base) {
  return register_position_policy(name, base, [base](const PositionRequest& request) -> Result<PositionTable> {
    AZ_ASSIGN_OR_RETURN(PositionTable table, request.layout(base));
    move_tiles(request.spans, table.sets[0]);
    return table;
  });
}

std::string messages_of(int argc, char** argv) {
  std::string parts;
  for (int i = 2; i < argc; ++i) parts += R"({"type":"image","image":")" + std::string(argv[i]) + R"("},)";
  return R"([{"role":"user","content":[)" + parts + R"({"type":"text","text":"How many shapes are there?"}]}])";
}

struct Answer {
  PositionTable positions;
  Generation generation;
};

Result<Answer> ask(const Engine& engine, const Request& request) {
  GenerateOptions greedy;
  greedy.temperature = 0.0;
  greedy.max_new_tokens = 16;
  Session session(engine);
  Answer answer;
  AZ_ASSIGN_OR_RETURN(answer.generation, session.generate(request, greedy));
  AZ_ASSIGN_OR_RETURN(PromptReport report, inspect_prompt(engine, request));
  answer.positions = std::move(report.positions);
  return answer;
}

// True where the built-in policy, the hook on `base` and the registered function agree in every bit.
Result<bool> compare(const Engine& engine, Request request, const std::string& built_in, const std::string& base) {
  AZ_RETURN_IF_ERROR(register_panorope("my_" + built_in, base));
  request.positions = built_in;
  AZ_ASSIGN_OR_RETURN(const Answer expected, ask(engine, request));
  request.positions = "my_" + built_in;
  AZ_ASSIGN_OR_RETURN(const Answer registered, ask(engine, request));
  request.positions = base;
  AZ_ASSIGN_OR_RETURN(const Answer unmoved, ask(engine, request));
  request.hooks.on_positions = panorope_hook;
  AZ_ASSIGN_OR_RETURN(const Answer hooked, ask(engine, request));
  std::printf("%-11s %s\n", built_in.c_str(), expected.generation.text.c_str());
  const auto equal = [&](const Answer& found) {
    return found.positions.sets[0].ids == expected.positions.sets[0].ids &&
           found.positions.sets[0].next_decode == expected.positions.sets[0].next_decode &&
           found.generation.logprobs == expected.generation.logprobs;
  };
  return equal(registered) && equal(hooked) && !equal(unmoved);
}

Result<bool> run(int argc, char** argv) {
  EngineOptions options;
  options.dtype = "f32";
  AZ_ASSIGN_OR_RETURN(const Engine engine, Engine::load(argv[1], options));
  Request request;
  request.messages = messages_of(argc, argv);
  AZ_ASSIGN_OR_RETURN(const bool one_axis, compare(engine, request, "pano1d", "vanilla"));
  AZ_ASSIGN_OR_RETURN(const bool three_axes, compare(engine, request, "pano_mrope", "mrope"));
  return one_axis && three_axes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "panorope expected MODEL and at least two pictures, found %d arguments\n", argc - 1);
    return 2;
  }
  const azimuth::Result<bool> equal = run(argc, argv);
  if (!equal.ok()) {
    std::fprintf(stderr, "panorope: %s\n", equal.status().message().c_str());
    return 2;
  }
  std::puts(*equal ? "hook, registered function and built-in policy agree" : "they differ");
  return *equal ? 0 : 1;
}
