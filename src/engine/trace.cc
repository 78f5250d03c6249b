// One batch through every stage, with each stage's numbers written down (docs/trace.md).
#include "azimuth/trace.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "decoder/inject.h"
#include "engine/hooks.h"
#include "engine/npy.h"
#include "engine/prepare.h"
#include "engine/processor_output.h"
#include "engine/start_sequence.h"
#include "engine/trace_request.h"

namespace azimuth {
namespace {

using engine::PreparedSample;
using engine::SampleFeatures;
using engine::Sequence;
using nlohmann::json;

constexpr int64_t kLogitRows = 128;  // rows of logits that are alive at a time

// ---- numbers

struct Moments {
  double norm = 0.0;
  double mean = 0.0;
  double std = 0.0;  // population
};

Moments moments(const float* values, int64_t count) {
  Moments out;
  double sum = 0.0;
  double squares = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    sum += values[i];
    squares += static_cast<double>(values[i]) * values[i];
  }
  out.norm = std::sqrt(squares);
  out.mean = count == 0 ? 0.0 : sum / static_cast<double>(count);
  double deviations = 0.0;
  for (int64_t i = 0; i < count; ++i) deviations += (values[i] - out.mean) * (values[i] - out.mean);
  out.std = count == 0 ? 0.0 : std::sqrt(deviations / static_cast<double>(count));
  return out;
}

json first_values(const float* values, int64_t count) {
  return std::vector<float>(values, values + count);
}

json shape_of(const Shape& shape) {
  json out = json::array();
  for (int axis = 0; axis < shape.rank(); ++axis) out.push_back(shape[axis]);
  return out;
}

// rows [count, width]
json feature_summary(const float* rows, int64_t count, int64_t width) {
  const Moments m = moments(rows, count * width);
  const int64_t first = std::min<int64_t>(16, width);
  return {{"shape", {count, width}},
          {"norm", m.norm},
          {"std", m.std},
          {"first_token16", first_values(rows, first)},
          {"last_token16", first_values(rows + (count - 1) * width, first)}};
}

Tensor concatenate(const std::vector<const Tensor*>& parts) {
  int64_t rows = 0;
  for (const Tensor* part : parts) rows += part->shape()[0];
  Tensor out({rows, parts.empty() ? 0 : parts[0]->row_elements()});
  float* to = out.data();
  for (const Tensor* part : parts) to = std::copy_n(part->data(), part->elements(), to);
  return out;
}

// Whole ids print as integers.
json id_number(float id) {
  if (id == std::floor(id)) return static_cast<int64_t>(id);
  return id;
}

// ids [tokens, axes] token-major -> [n] for one axis, [axes][n] otherwise
json axis_major(const std::vector<float>& ids, int axes) {
  std::vector<json> rows(static_cast<size_t>(axes), json::array());
  for (size_t i = 0; i < ids.size(); ++i) rows[i % static_cast<size_t>(axes)].push_back(id_number(ids[i]));
  return axes == 1 ? rows[0] : json(rows);
}

json span_json(const Span& span) {
  static const char* const kinds[] = {"text", "image", "video"};
  return {{"kind", kinds[static_cast<int>(span.kind)]},
          {"begin", span.begin},
          {"end", span.end},
          {"media", span.media},
          {"tile", span.tile},
          {"view", span.view},
          {"grid", {span.grid.t, span.grid.h, span.grid.w}}};
}

json grid_json(const Grid& grid) {
  return {grid.t, grid.h, grid.w};
}

// As transformers' processor of mllama returns them, per picture.
void add_canvas_fields(const VisionSpec& vision, const PreparedSample& sample, json& out) {
  json ids = json::array();
  json masks = json::array();
  for (const preprocess::MediaPixels& image : sample.images) {
    ids.push_back(engine::canvas_id(vision, image));
    masks.push_back(engine::canvas_mask(vision, image));
  }
  out["aspect_ratio_ids"].push_back(std::move(ids));
  out["aspect_ratio_mask"].push_back(std::move(masks));
}

// The id of the next token less its number; transformers 5 takes the largest id of the prompt, wherever its text ended.
float rope_delta(const PositionSet& set, Compat compat) {
  const double tokens = static_cast<double>(set.tokens());
  if (compat != Compat::tf5 || set.ids.empty()) return static_cast<float>(set.next_decode - tokens);
  return static_cast<float>(static_cast<double>(*std::ranges::max_element(set.ids)) + 1.0 - tokens);
}

// [rows][2], of a picture or frame
json places_json(const preprocess::Patches& patches) {
  const std::vector<int64_t> places = engine::patch_places(patches);
  json out = json::array();
  for (size_t i = 0; i < places.size(); i += 2) out.push_back({places[i], places[i + 1]});
  return out;
}

// ---- stages of the answer

void add_patch_places(const PreparedSample& sample, json& out) {
  json images = json::array();
  for (const auto& image : sample.images) images.push_back(places_json(image.tiles[0]));
  out["image_position_ids"].push_back(std::move(images));
  json frames = json::array();
  for (const auto& video : sample.videos) {
    const preprocess::Patches& patches = video.media.tiles[0];
    for (int64_t frame = 0; frame < patches.grid.t; ++frame) frames.push_back(places_json(patches));
  }
  out["video_position_ids"].push_back(std::move(frames));
}

// Fields are appended sample by sample, so that each ends up with one entry per sample.
void add_prompt_fields(const Engine::Impl& model, const PreparedSample& sample, json& out) {
  out["prompt"].push_back(sample.rendered);
  out["input_ids"].push_back(sample.prompt.ids);
  json spans = json::array();
  for (const Span& span : sample.prompt.spans) spans.push_back(span_json(span));
  out["spans"].push_back(std::move(spans));
  const PositionSet& set = sample.positions.sets[0];
  if (model.spec.vision) {
    json images = json::array();
    for (const auto& image : sample.images) images.push_back(grid_json(image.tiles[0].grid));
    out["image_grid_thw"].push_back(std::move(images));
    json videos = json::array();
    for (const auto& video : sample.videos) videos.push_back(grid_json(video.media.tiles[0].grid));
    out["video_grid_thw"].push_back(std::move(videos));
    out["mm_token_type_ids"].push_back(engine::token_types(sample.prompt));
    if (model.processors.image.scheme == PreprocessScheme::any_resolution) {
      json sizes = json::array();
      for (const auto& image : sample.images) sizes.push_back({image.source.height, image.source.width});
      out["image_sizes"].push_back(std::move(sizes));
    }
    if (model.spec.vision->canvas) add_canvas_fields(*model.spec.vision, sample, out);
    if (model.processors.image.array == PixelArray::padded_patches) add_patch_places(sample, out);
  }
  if (model.spec.prompt.closed_regions != ClosedRegions::none) {
    out["token_type_ids"].push_back(engine::region_types(model.spec.prompt, sample.prompt));
  }
  out["position_ids"].push_back(axis_major(set.ids, set.axes));
  out["rope_delta"].push_back(id_number(rope_delta(set, sample.compat)));
}

// pixel_values and pixel_values_videos of the whole request.
Status add_all_pixels(const Engine::Impl& model, const std::vector<PreparedSample>& samples, json& out) {
  AZ_ASSIGN_OR_RETURN(const engine::PixelArrays arrays, engine::pixel_arrays(model, samples));
  for (const engine::PixelArrays::Entry& entry : arrays.entries) {
    const Tensor& all = entry.values;
    const Moments m = moments(all.data(), all.elements());
    out[entry.name].push_back({{"shape", shape_of(all.shape())},
                               {"mean", m.mean},
                               {"std", m.std},
                               {"first32", first_values(all.data(), std::min<int64_t>(32, all.elements()))}});
    if (entry.mask.empty()) continue;
    const Shape& shape = all.shape();
    out["pixel_attention_mask"].push_back({{"shape", {shape[0], shape[1], shape[3], shape[4]}}});
  }
  return ok_status();
}

void add_features(const Engine::Impl& model, const PreparedSample& sample, const SampleFeatures& features, json& out) {
  const size_t levels = model.spec.vision->deepstack.size();
  std::vector<const MediaFeatures*> media;
  for (const engine::Medium& medium : engine::media_of(model, sample)) {
    media.push_back(&(medium.video ? features.videos : features.images)[medium.index]);
  }
  json summaries = json::array();
  // These processors keep one array for all images of a sample, and images come before videos.
  const bool per_sample = model.processors.image.array == PixelArray::tiles_per_sample;
  const size_t together = per_sample ? features.images.size() : 0;
  if (together > 0) {
    std::vector<const Tensor*> parts;
    for (size_t i = 0; i < together; ++i) parts.push_back(&media[i]->features);
    const Tensor all = concatenate(parts);
    summaries.push_back(feature_summary(all.data(), all.shape()[0], all.row_elements()));
  }
  for (size_t i = together; i < media.size(); ++i) {
    const MediaFeatures* each = media[i];
    int64_t row = 0;
    for (const int64_t rows : each->arrays.empty() ? std::vector{each->features.shape()[0]} : each->arrays) {
      summaries.push_back(feature_summary(each->features.row(row), rows, each->features.row_elements()));
      row += rows;
    }
  }
  out["vision_features"].push_back(std::move(summaries));
  if (levels == 0) return;
  json deepstack = json::array();
  for (size_t level = 0; level < levels && !media.empty(); ++level) {
    std::vector<const Tensor*> parts;
    for (const MediaFeatures* each : media) parts.push_back(&each->deepstack[level]);
    const Tensor all = concatenate(parts);
    deepstack.push_back(feature_summary(all.data(), all.shape()[0], all.row_elements()));
  }
  out["deepstack_features"].push_back(std::move(deepstack));
}

// What the prompt's forward pass leaves of one sample.
struct PromptNumbers {
  json layers = json::array();
  std::vector<float> logits_last;  // [vocab]
  json logprobs = json::array({nullptr});
  std::vector<double> entropies;  // [n]
};

// Adds the numbers of hidden rows [count, hidden] of sequence `sequence`, which begin at token `first`.
Status add_logits(const Engine::Impl& model, const RunContext& context, const Prompt& prompt, int sequence,
                  int64_t first, const float* hidden, int64_t count, PromptNumbers& numbers) {
  const int64_t width = model.spec.text.hidden;
  const int64_t vocab = model.spec.text.vocab;
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  for (int64_t begin = 0; begin < count; begin += kLogitRows) {
    const int64_t rows = std::min(kLogitRows, count - begin);
    Tensor logits = model.decoder->logits(hidden + begin * width, rows, *model.pool);
    AZ_RETURN_IF_ERROR(engine::pass_tensor(context, {Stage::logits, -1, sequence, first + begin}, logits));
    std::vector<double> lse(static_cast<size_t>(rows));
    std::vector<double> entropy(static_cast<size_t>(rows));
    kernels::log_sum_exp(logits.data(), rows, vocab, vocab, 1.0f, lse.data(), entropy.data(), *model.pool);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t token = first + begin + row;
      numbers.entropies.push_back(entropy[static_cast<size_t>(row)]);
      if (token + 1 < tokens) {
        // The head may lack rows for tokens that no model writes.
        const int32_t next = prompt.ids[static_cast<size_t>(token + 1)];
        numbers.logprobs.push_back(next < vocab ? json(logits.row(row)[next] - lse[static_cast<size_t>(row)]) : json());
      } else {
        numbers.logits_last.assign(logits.row(row), logits.row(row) + vocab);
      }
    }
  }
  return ok_status();
}

Status run_prompts(const Engine::Impl& model, std::span<Sequence> sequences, const RunContext& outer,
                   std::vector<PromptNumbers>& numbers) {
  const Tap last_rows = [&](const TapPoint& point, const TensorView& rows) {
    if (outer.tap != nullptr) (*outer.tap)(point, rows);
    if (point.stage != Stage::layer_output) return;
    const int64_t end = point.first_token + rows.shape[0];
    if (end != sequences[static_cast<size_t>(point.sequence)].input.tokens()) return;
    const float* last = rows.as<float>() + (rows.shape[0] - 1) * rows.shape[1];
    const Moments m = moments(last, rows.shape[1]);
    numbers[static_cast<size_t>(point.sequence)].layers.push_back(
        {{"norm", m.norm}, {"std", m.std}, {"first8", first_values(last, std::min<int64_t>(8, rows.shape[1]))}});
  };
  RunContext context = outer;
  context.tap = &last_rows;
  return prefill(
      *model.decoder, sequences, context, [&](int sequence, int64_t first, const float* rows, int64_t count) {
        const auto index = static_cast<size_t>(sequence);
        return add_logits(model, outer, sequences[index].prompt, sequence, first, rows, count, numbers[index]);
      });
}

struct Greedy {
  std::vector<int32_t> ids;
  std::vector<double> logprobs;
};

bool is_end(const Engine::Impl& model, int32_t id) {
  const auto& ends = model.generation.end_of_text_ids;
  return std::find(ends.begin(), ends.end(), id) != ends.end();
}

void choose_greedy(const Engine::Impl& model, const float* logits, Greedy& greedy) {
  const int64_t vocab = model.spec.text.vocab;
  const int64_t best = kernels::argmax(logits, vocab);
  double lse = 0.0;
  kernels::log_sum_exp(logits, 1, vocab, vocab, 1.0f, &lse, nullptr, *model.pool);
  greedy.ids.push_back(static_cast<int32_t>(best));
  greedy.logprobs.push_back(logits[best] - lse);
}

Status run_greedy(const Engine::Impl& model, std::span<Sequence> sequences, const engine::TraceRequest& request,
                  const RunContext& context, const std::vector<PromptNumbers>& numbers, std::vector<Greedy>& greedy) {
  if (request.max_new_tokens == 0) return ok_status();
  for (size_t i = 0; i < sequences.size(); ++i) choose_greedy(model, numbers[i].logits_last.data(), greedy[i]);
  for (int64_t step = 0; step + 1 < request.max_new_tokens; ++step) {
    std::vector<Sequence*> active;
    std::vector<size_t> index;
    std::vector<int32_t> ids;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const int32_t last = greedy[i].ids.back();
      if (!request.ignore_eos && is_end(model, last)) continue;
      active.push_back(&sequences[i]);
      index.push_back(i);
      ids.push_back(last);
    }
    if (active.empty()) break;
    const std::vector<int64_t> steps(active.size(), step);
    AZ_ASSIGN_OR_RETURN(const Tensor hidden, decode_step(*model.decoder, active, ids, steps, context));
    for (size_t k = 0; k < index.size(); ++k) {
      Tensor logits = model.decoder->logits(hidden.row(static_cast<int64_t>(k)), 1, *model.pool);
      const TapPoint point{Stage::logits, -1, static_cast<int>(k), active[k]->cache.length() - 1};
      AZ_RETURN_IF_ERROR(engine::pass_tensor(context, point, logits));
      choose_greedy(model, logits.data(), greedy[index[k]]);
    }
  }
  return ok_status();
}

Status add_greedy(const Engine::Impl& model, const PositionTable& positions, const Greedy& greedy, json& out) {
  AZ_ASSIGN_OR_RETURN(const std::string text, model.tokenizer->decode(greedy.ids, true));
  out["greedy_ids"].push_back(greedy.ids);
  out["greedy_text"].push_back(text);
  out["greedy_logprobs"].push_back(greedy.logprobs);
  const PositionSet& set = positions.sets[0];
  std::vector<float> ids(greedy.ids.size() * static_cast<size_t>(set.axes));  // [steps, axes]
  for (size_t step = 0; step < greedy.ids.size(); ++step) {
    set.decode_ids(static_cast<int64_t>(step), ids.data() + step * static_cast<size_t>(set.axes));
  }
  out["decode_position_ids"].push_back(axis_major(ids, set.axes));
  return ok_status();
}

Result<std::vector<PreparedSample>> prepare_all(const Engine::Impl& model, engine::TraceRequest& request,
                                                const engine::PolicyChoice& policy, const Hooks& hooks) {
  std::vector<PreparedSample> samples;
  for (size_t i = 0; i < request.samples.size(); ++i) {
    request.samples[i].compat = request.compat;
    request.samples[i].hooks = hooks;
    Result<PreparedSample> sample = engine::prepare(model, request.samples[i], policy);
    if (!sample.ok()) return sample.status().with_context("sample " + std::to_string(i));
    samples.push_back(std::move(*sample));
  }
  return samples;
}

// Pictures seen, prompts filled in, caches empty.
Result<std::vector<Sequence>> start_sequences(const Engine::Impl& model, const engine::TraceRequest& request,
                                              const std::vector<PreparedSample>& samples, const RunContext& context,
                                              std::vector<SampleFeatures>& features) {
  int64_t longest = 0;
  for (const PreparedSample& sample : samples) longest = std::max(longest, engine::length_of(sample.positions));
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < samples.size(); ++i) {
    AZ_ASSIGN_OR_RETURN(const engine::SequenceOptions options, engine::sequence_options(request.samples[i]));
    AZ_ASSIGN_OR_RETURN(SampleFeatures encoded, engine::encode_sample(model, samples[i], context));
    AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                        decoder::inject(*model.decoder, samples[i].prompt, encoded.images, encoded.videos));
    AZ_ASSIGN_OR_RETURN(Sequence sequence,
                        engine::start_sequence(model, options, samples[i], std::move(input), longest));
    AZ_RETURN_IF_ERROR(engine::enter_decoder(context, static_cast<int>(i), sequence));
    sequences.push_back(std::move(sequence));
    features.push_back(std::move(encoded));
  }
  return sequences;
}

// STEM_pixels.npy, or STEM_tile0_pixels.npy and so on of a picture that is divided.
Status write_tiles(const std::string& stem, const preprocess::MediaPixels& media) {
  for (size_t tile = 0; tile < media.tiles.size(); ++tile) {
    const std::string number = media.tiles.size() == 1 ? "" : "_tile" + std::to_string(tile);
    AZ_RETURN_IF_ERROR(engine::write_npy(stem + number + "_pixels.npy", media.tiles[tile].pixels.view()));
  }
  return ok_status();
}

// Full arrays of one sample beside the summaries: DIR/SAMPLE.field.npy.
Status write_arrays(const std::string& directory, size_t sample, const SampleFeatures& features,
                    const PreparedSample& prepared, const PromptNumbers& numbers) {
  if (directory.empty()) return ok_status();
  const std::string stem = directory + "/" + std::to_string(sample) + ".";
  for (size_t i = 0; i < features.images.size(); ++i) {
    AZ_RETURN_IF_ERROR(write_tiles(stem + "image" + std::to_string(i), prepared.images[i]));
    AZ_RETURN_IF_ERROR(
        engine::write_npy(stem + "image" + std::to_string(i) + "_features.npy", features.images[i].features.view()));
  }
  for (size_t i = 0; i < features.videos.size(); ++i) {
    AZ_RETURN_IF_ERROR(write_tiles(stem + "video" + std::to_string(i), prepared.videos[i].media));
    AZ_RETURN_IF_ERROR(
        engine::write_npy(stem + "video" + std::to_string(i) + "_features.npy", features.videos[i].features.view()));
  }
  const PositionSet& set = prepared.positions.sets[0];
  AZ_RETURN_IF_ERROR(engine::write_npy(
      stem + "position_ids.npy", TensorView::contiguous(set.ids.data(), DType::f32, Shape({set.tokens(), set.axes}))));
  return engine::write_npy(stem + "logits_last.npy",
                           TensorView::contiguous(numbers.logits_last.data(), DType::f32,
                                                  Shape({static_cast<int64_t>(numbers.logits_last.size())})));
}

}  // namespace

Result<std::string> trace(const Engine& engine, const std::string& request_text, const TraceOptions& options) {
  const Engine::Impl& model = engine.impl();
  if (!model.decoder) return invalid_argument("trace expected an engine with weights, found one loaded without");
  AZ_ASSIGN_OR_RETURN(engine::TraceRequest request, engine::read_trace_request(request_text, options));
  if (!options.positions.empty()) {
    request.positions = options.positions;
    for (Request& sample : request.samples) sample.positions = options.positions;
  }
  if (!options.position_ids.empty()) {
    AZ_RETURN_IF_ERROR(engine::set_position_ids(options.position_ids, "position ids", request.samples));
  }
  AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice policy, engine::choose_policy(model, request.positions));
  AZ_ASSIGN_OR_RETURN(std::vector<PreparedSample> samples, prepare_all(model, request, policy, options.hooks));

  json out;
  for (const PreparedSample& sample : samples) add_prompt_fields(model, sample, out);
  if (model.spec.vision) AZ_RETURN_IF_ERROR(add_all_pixels(model, samples, out));

  const engine::HookTaps taps(options.hooks);
  RunContext context{*model.pool, nullptr, options.cancel, {}};
  taps.attach(context);
  std::vector<SampleFeatures> features;
  AZ_ASSIGN_OR_RETURN(std::vector<Sequence> sequences, start_sequences(model, request, samples, context, features));
  if (model.spec.vision) {
    for (size_t i = 0; i < samples.size(); ++i) add_features(model, samples[i], features[i], out);
  }

  std::vector<PromptNumbers> numbers(sequences.size());
  AZ_RETURN_IF_ERROR(run_prompts(model, sequences, context, numbers));
  for (size_t i = 0; i < numbers.size(); ++i) {
    out["layers_last"].push_back(numbers[i].layers);
    out["logits_last"].push_back(numbers[i].logits_last);
    out["logprobs"].push_back(numbers[i].logprobs);
    out["entropies"].push_back(numbers[i].entropies);
    AZ_RETURN_IF_ERROR(write_arrays(options.npy_directory, i, features[i], samples[i], numbers[i]));
  }
  std::vector<Greedy> greedy(sequences.size());
  AZ_RETURN_IF_ERROR(run_greedy(model, sequences, request, context, numbers, greedy));
  for (size_t i = 0; i < greedy.size(); ++i)
    AZ_RETURN_IF_ERROR(add_greedy(model, samples[i].positions, greedy[i], out));
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace azimuth
