// Every hook in one place: what it is given, and one thing that it can do. docs/hooks.md walks through it.
//
//   hooks MODEL PICTURE.png
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>

#include "azimuth/session.h"

namespace {

using namespace azimuth;

// Hook 1: the picture's ids are spread, so that its cells lie further apart than text tokens do.
Status spread_picture(PositionEdit& edit) {
  PositionSet& set = edit.positions.sets[0];
  for (const Span& span : edit.spans) {
    if (span.kind == SpanKind::text) continue;
    const MediaHandle& picture = edit.media[static_cast<size_t>(span.media)];
    std::printf("picture %d: %lld x %lld pixels, %lld x %lld cells\n", picture.number,
                static_cast<long long>(picture.original_width), static_cast<long long>(picture.original_height),
                static_cast<long long>(span.grid.w), static_cast<long long>(span.grid.h));
    for (int64_t token = span.begin; token < span.end; ++token) {
      float* ids = set.ids.data() + token * set.axes;
      const float first = set.token(span.begin)[0];
      for (int axis = 1; axis < set.axes; ++axis) ids[axis] = first + 1.5f * (ids[axis] - first);
    }
  }
  return ok_status();
}

// Hook 2: the first cell of the picture gets the mean of all of its cells.
Status blur_first_cell(DecoderEntry& entry) {
  const auto width = static_cast<size_t>(entry.hidden.size()) / static_cast<size_t>(entry.tokens);
  for (const Span& span : entry.spans) {
    if (span.kind == SpanKind::text) continue;
    for (size_t channel = 0; channel < width; ++channel) {
      double sum = 0.0;
      for (int64_t token = span.begin; token < span.end; ++token)
        sum += entry.hidden[static_cast<size_t>(token) * width + channel];
      entry.hidden[static_cast<size_t>(span.begin) * width + channel] =
          static_cast<float>(sum / static_cast<double>(span.tokens()));
    }
  }
  return ok_status();
}

// Hook 2b: a steering vector is added in front of layer 2.
Status steer(LayerEntry& entry) {
  if (entry.layer != 2) return ok_status();
  for (float& value : entry.hidden) value += 0.01f;
  return ok_status();
}

// Hook 3: the slowest pair of every head stops turning.
Status stop_slowest_pair(RotaryRows& rows) {
  for (size_t row = 0; row < static_cast<size_t>(rows.tokens * rows.groups); ++row) {
    const size_t last = row * static_cast<size_t>(rows.pairs) + static_cast<size_t>(rows.pairs) - 1;
    rows.cosines[last] = 1.0f;
    rows.sines[last] = 0.0f;
  }
  return ok_status();
}

// A tap: the length of the last token's row behind every layer.
void print_norm(const TapPoint& point, const ReadTensor& tensor) {
  if (point.stage != Stage::layer_output || tensor.shape[0] == 1) return;
  const std::span<const float> last = tensor.values.last(static_cast<size_t>(tensor.shape[1]));
  const double squares = std::inner_product(last.begin(), last.end(), last.begin(), 0.0);
  std::printf("layer %d: norm %.3f\n", point.layer, std::sqrt(squares));
}

// A tap that writes: the model may not answer with token `forbidden`.
std::function<Status(const TapPoint&, WriteTensor&)> forbid(int32_t forbidden) {
  return [forbidden](const TapPoint& point, WriteTensor& tensor) {
    if (point.stage == Stage::logits) tensor.values[static_cast<size_t>(forbidden)] = -1e30f;
    return ok_status();
  };
}

Result<Generation> ask(Session& session, const Request& request) {
  GenerateOptions greedy;
  greedy.temperature = 0.0;
  greedy.max_new_tokens = 8;
  return session.generate(request, greedy);
}

// Each hook moves the answer's probabilities, and without it they are what they were.
Result<bool> run(const std::string& model, const std::string& picture) {
  EngineOptions options;
  options.dtype = "f32";
  AZ_ASSIGN_OR_RETURN(const Engine engine, Engine::load(model, options));
  Session session(engine);
  Request plain;
  plain.messages = R"([{"role":"user","content":[{"type":"image","image":")" + picture +
                   R"("},{"type":"text","text":"How many shapes are there?"}]}])";
  AZ_ASSIGN_OR_RETURN(const Generation expected, ask(session, plain));
  bool all_move = true;
  const auto moves = [&](const char* name, const Hooks& hooks) -> Status {
    Request request = plain;
    request.hooks = hooks;
    AZ_ASSIGN_OR_RETURN(const Generation found, ask(session, request));
    std::printf("%-18s %s\n", name, found.text.c_str());
    all_move = all_move && found.logprobs != expected.logprobs;
    return ok_status();
  };
  AZ_RETURN_IF_ERROR(moves("on_positions", {.on_positions = spread_picture}));
  AZ_RETURN_IF_ERROR(moves("on_decoder_input", {.on_decoder_input = blur_first_cell}));
  AZ_RETURN_IF_ERROR(moves("on_layer_input", {.on_layer_input = steer}));
  AZ_RETURN_IF_ERROR(moves("on_rotary", {.on_rotary = stop_slowest_pair}));
  AZ_RETURN_IF_ERROR(moves("on_write", {.on_write = forbid(expected.ids.at(0))}));
  Request watched = plain;
  watched.hooks.on_read = print_norm;
  Session fresh(engine);
  AZ_ASSIGN_OR_RETURN(const Generation unchanged, ask(fresh, watched));
  return all_move && unchanged.logprobs == expected.logprobs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "hooks expected MODEL and PICTURE, found %d arguments\n", argc - 1);
    return 2;
  }
  const azimuth::Result<bool> as_expected = run(argv[1], argv[2]);
  if (!as_expected.ok()) std::fprintf(stderr, "hooks: %s\n", as_expected.status().message().c_str());
  return as_expected.ok() && *as_expected ? 0 : 1;
}
