// Named invariants of everything that enters and leaves between the stages: pixels, features, ids, embeddings and
// caches in the hands of a caller give, bit for bit, the numbers of the request that they were taken from.
//
// The bugs that these stop: tiles in another order than the processor's, rows of a picture at the wrong placeholders, a
// grid with rows and columns swapped, features that a quantised tower would give otherwise, DeepStack levels that are
// forgotten, positions that start again behind a cache, states that a fork shares.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "azimuth/features.h"
#include "azimuth/forward.h"
#include "azimuth/trace.h"
#include "engine/model.h"
#include "engine/trace_request.h"
#include "support/golden_families.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

using nlohmann::json;

std::string golden(const std::string& name) {
  return std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/" + name;
}

Engine load(const std::string& name, const std::string& dtype = "f32") {
  EngineOptions options;
  options.dtype = dtype;
  options.threads = 2;
  Result<Engine> engine = Engine::load(golden(name) + "/model", options);
  EXPECT_TRUE(engine.ok()) << name << ": " << engine.status().message();
  return std::move(*engine);
}

engine::TraceRequest trace_request(const std::string& name) {
  std::ifstream file(golden(name) + "/request.json");
  TraceOptions options;
  options.base_directory = golden(name);
  Result<engine::TraceRequest> request =
      engine::read_trace_request({std::istreambuf_iterator<char>(file), {}}, options);
  EXPECT_TRUE(request.ok()) << request.status().message();
  for (Request& sample : request->samples) sample.compat = request->compat;
  return std::move(*request);
}

std::vector<Request> samples_of(const std::string& name) {
  return trace_request(name).samples;
}

std::vector<std::string> all_goldens() {
  std::vector<std::string> names;
  for (const auto& [family, cases] : testing_support::golden_families())
    names.insert(names.end(), cases.begin(), cases.end());
  return names;
}

ForwardOutput run(const Engine& engine, const Request& request, const ForwardOptions& options = {},
                  Cache* cache = nullptr) {
  Result<ForwardOutput> out = forward(engine, request, options, cache);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? std::move(*out) : ForwardOutput{};
}

std::vector<float> values(const FloatArray& array) {
  return {array.values().begin(), array.values().end()};
}

void expect_same(const FloatArray& found, const FloatArray& expected, const std::string& what) {
  ASSERT_EQ(found.shape, expected.shape) << what;
  const bool same = std::equal(found.values().begin(), found.values().end(), expected.values().begin());
  EXPECT_TRUE(same) << what << " expected the same bits";
}

// The last rows of `whole`, as many as `found` has.
void expect_end(const FloatArray& found, const FloatArray& whole, const std::string& what) {
  ASSERT_EQ(found.shape[1], whole.shape[1]) << what;
  const auto end = whole.values().end();
  const bool same = std::equal(found.values().begin(), found.values().end(), end - found.elements());
  EXPECT_TRUE(same) << what << " expected the same bits";
}

template <typename T>
const Array<T>* find(const ProcessorArrays& arrays, const std::string& name) {
  for (const NamedArray& each : arrays.media) {
    if (each.name == name) return std::get_if<Array<T>>(&each.values);
  }
  return nullptr;
}

// Elements [begin, end) of the first dimension.
template <typename T>
Array<T> slice(const Array<T>& array, int64_t begin, int64_t end) {
  int64_t row = 1;
  for (size_t axis = 1; axis < array.shape.size(); ++axis) row *= array.shape[axis];
  Array<T> out = array;
  out.shape[0] = end - begin;
  out.data = std::shared_ptr<const T>(array.data, array.data.get() + begin * row);
  return out;
}

// Without its first dimension, which is 1.
template <typename T>
Array<T> first(const Array<T>& array, int64_t index) {
  Array<T> out = slice(array, index, index + 1);
  out.shape.erase(out.shape.begin());
  return out;
}

// One sample's arrays as trainers slice them, one medium each where something tells them apart.
std::vector<MediaInput> media_of(const Engine& engine, const ProcessorArrays& arrays) {
  std::vector<MediaInput> media;
  const auto add = [&media](FloatArray pixels, MediaGeometry geometry, SpanKind kind = SpanKind::image) {
    media.push_back(PixelInput{kind, std::move(pixels), std::move(geometry)});
  };
  for (const SpanKind kind : {SpanKind::image, SpanKind::video}) {
    const bool video = kind == SpanKind::video;
    const FloatArray* const pixels = find<float>(arrays, video ? "pixel_values_videos" : "pixel_values");
    if (pixels == nullptr) continue;
    const IntArray* const grids = find<int64_t>(arrays, video ? "video_grid_thw" : "image_grid_thw");
    const IntArray* const places = find<int64_t>(arrays, video ? "video_position_ids" : "image_position_ids");
    const IntArray* const sizes = video ? nullptr : find<int64_t>(arrays, "image_sizes");
    const IntArray* const tiles = video ? nullptr : find<int64_t>(arrays, "num_patches");
    const IntArray* const ratios = find<int64_t>(arrays, "aspect_ratio_ids");
    const ByteArray* const mask = find<uint8_t>(arrays, "pixel_attention_mask");
    const FloatArray* const seconds = find<float>(arrays, "second_per_grid_ts");
    int64_t at = 0;
    if (grids != nullptr) {
      for (int64_t i = 0; i < grids->shape[0]; ++i) {
        const int64_t* const row = grids->data.get() + 3 * i;
        MediaGeometry geometry;
        geometry.grid = Grid{row[0], row[1], row[2]};
        if (video && seconds != nullptr) geometry.video.seconds_per_grid = seconds->values()[static_cast<size_t>(i)];
        add(slice(*pixels, at, at + geometry.grid->cells()), geometry, kind);
        at += geometry.grid->cells();
      }
    } else if (places != nullptr) {
      const int64_t step = video ? pixels->shape[0] : 1;  // goldens have one video
      for (int64_t i = 0; i < pixels->shape[0]; i += step) {
        MediaGeometry geometry;
        geometry.position_ids = video ? *places : first(*places, i);
        add(video ? *pixels : first(*pixels, i), geometry, kind);
      }
    } else if (sizes != nullptr) {
      for (int64_t i = 0; i < sizes->shape[0]; ++i) {
        MediaGeometry geometry;
        geometry.image_size = {sizes->data.get()[2 * i], sizes->data.get()[2 * i + 1]};
        add(first(*pixels, i), geometry);
      }
    } else if (ratios != nullptr) {
      const IntArray& filled = *find<int64_t>(arrays, "aspect_ratio_mask");
      for (int64_t i = 0; i < ratios->shape[1]; ++i) {
        MediaGeometry geometry;
        geometry.aspect_ratio_id = ratios->data.get()[i];
        const int64_t places_per_picture = filled.shape[2];
        const int64_t* const of_picture = filled.data.get() + i * places_per_picture;
        const int64_t count = std::count(of_picture, of_picture + places_per_picture, 1);
        add(slice(first(first(*pixels, 0), i), 0, count), geometry);
      }
    } else if (mask != nullptr) {
      MediaGeometry geometry;
      geometry.pixel_mask = first(*mask, 0);
      add(first(*pixels, 0), geometry, kind);
    } else if (tiles != nullptr) {
      for (int64_t i = 0; i < tiles->shape[0]; ++i) {
        const int64_t count = tiles->data.get()[i];
        add(slice(*pixels, at, at + count), {});
        at += count;
      }
    } else if (video && pixels->shape.size() == 5) {
      for (int64_t i = 0; i < pixels->shape[0]; ++i) add(first(*pixels, i), {}, kind);
    } else {
      add(*pixels, {}, kind);
    }
  }
  (void)engine;
  return media;
}

Request of_ids(const Request& like, const std::vector<int32_t>& ids, std::vector<MediaInput> media) {
  Request request;
  request.ids = ids;
  request.has_ids = true;
  request.media = std::move(media);
  request.compat = like.compat;
  request.positions = like.positions;
  request.keys = like.keys;
  request.frequencies = like.frequencies;
  request.processor_kwargs = like.processor_kwargs;
  return request;
}

ProcessorArrays arrays_of(const Engine& engine, const Request& request) {
  Result<ProcessorArrays> arrays = processor_arrays(engine, {&request, 1});
  EXPECT_TRUE(arrays.ok()) << arrays.status().message();
  return arrays.ok() ? std::move(*arrays) : ProcessorArrays{};
}

std::vector<int32_t> ids_of(const Engine& engine, const Request& request) {
  return arrays_of(engine, request).tokens[0].rows[0];
}

std::vector<EncodedMedium> encoded(const Engine& engine, const Request& request) {
  Result<std::vector<EncodedMedium>> media = encode_media(engine, request);
  EXPECT_TRUE(media.ok()) << media.status().message();
  return media.ok() ? std::move(*media) : std::vector<EncodedMedium>{};
}

// The features of a request, in the order of its prompt.
std::vector<MediaInput> features_of(const Engine& engine, const Request& request) {
  std::vector<MediaInput> images;
  std::vector<MediaInput> videos;
  for (EncodedMedium& medium : encoded(engine, request))
    (medium.kind == SpanKind::video ? videos : images).push_back(std::move(medium.input));
  const Result<PromptReport> report = inspect_prompt(engine, request);
  EXPECT_TRUE(report.ok()) << report.status().message();
  std::vector<MediaInput> media;
  std::pair<SpanKind, int> last{SpanKind::text, -1};
  for (const Span& span : report->prompt.spans) {
    const std::pair<SpanKind, int> medium{span.kind, span.media};
    if (span.kind == SpanKind::text || medium == last) continue;
    media.push_back((span.kind == SpanKind::video ? videos : images)[static_cast<size_t>(span.media)]);
    last = medium;
  }
  return media;
}

bool has_media(const Request& request) {
  return request.messages.find("\"image") != std::string::npos ||
         request.messages.find("\"video") != std::string::npos || !request.images.empty() || !request.videos.empty();
}

class EveryGolden : public ::testing::TestWithParam<std::string> {};

// What a pass over the whole prompt says is what trace prints.
TEST_P(EveryGolden, ForwardIsTrace) {
  const Engine engine = load(GetParam());
  std::ifstream file(golden(GetParam()) + "/request.json");
  json root = json::parse(file);
  root["max_new_tokens"] = 0;
  TraceOptions options;
  options.base_directory = golden(GetParam());
  const Result<std::string> traced = trace(engine, root.dump(), options);
  ASSERT_TRUE(traced.ok()) << traced.status().message();
  const json expected = json::parse(*traced);
  const std::vector<Request> samples = samples_of(GetParam());
  // As in the reference, frequencies may go by the longest sequence of a batch.
  const bool together = samples.size() > 1 && samples[0].frequencies == "as-reference";
  for (size_t i = 0; i < samples.size() && !together; ++i) {
    ForwardOptions last;
    last.logit_rows = 1;
    last.layer_outputs = true;
    const ForwardOutput out = run(engine, samples[i], last);
    EXPECT_EQ(values(out.logits), expected["logits_last"][i].get<std::vector<float>>()) << "sample " << i;
    EXPECT_EQ(static_cast<int64_t>(expected["input_ids"][i].size()), out.tokens);
    const json& layers = expected["layers_last"][i];
    ASSERT_EQ(out.layers.size(), layers.size());
    const int64_t width = out.layers.back().shape[1];
    const float* const row = out.layers.back().data.get() + (out.tokens - 1) * width;
    EXPECT_EQ(std::vector<float>(row, row + std::min<int64_t>(8, width)), layers.back()["first8"]);
  }
}

// A trainer's tensors, sliced per sample, are the request's pictures: of every layout.
TEST_P(EveryGolden, PixelsAndIdsOfTheProcessorComeBack) {
  const Engine engine = load(GetParam());
  for (const Request& sample : samples_of(GetParam())) {
    const ProcessorArrays arrays = arrays_of(engine, sample);
    if (find<float>(arrays, "pixel_values") != nullptr && find<float>(arrays, "pixel_values_videos") == nullptr &&
        arrays.media.size() > 1 && sample.messages.find("\"video") != std::string::npos) {
      continue;  // one array for pictures and videos, which only the prompt tells apart
    }
    const Request request = of_ids(sample, arrays.tokens[0].rows[0], media_of(engine, arrays));
    expect_same(run(engine, request).logits, run(engine, sample).logits, "logits");
  }
}

// Features in place of pixels.
TEST_P(EveryGolden, FeaturesAreWhatTheTowerGives) {
  const Engine engine = load(GetParam());
  for (const Request& sample : samples_of(GetParam())) {
    if (!has_media(sample)) continue;
    const Request request = of_ids(sample, ids_of(engine, sample), features_of(engine, sample));
    expect_same(run(engine, request).logits, run(engine, sample).logits, "logits");
  }
}

// Embeddings of the caller, with ids and without.
TEST_P(EveryGolden, EmbeddingsAreIds) {
  const Engine engine = load(GetParam());
  const Request sample = samples_of(GetParam())[0];
  Request ids = of_ids(sample, ids_of(engine, sample), {});
  if (has_media(sample)) ids.media = features_of(engine, sample);
  const FloatArray expected = run(engine, sample).logits;
  ForwardOptions options;
  Result<FloatArray> rows = embed_tokens(engine, ids.ids);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  options.embeddings = *rows;
  expect_same(run(engine, ids, options).logits, expected, "embeddings beside ids");
  Request alone = ids;
  alone.ids.clear();
  alone.has_ids = false;
  if (engine.impl().spec.text.per_layer_vocab > 0) {
    const Result<ForwardOutput> out = forward(engine, alone, options);
    ASSERT_FALSE(out.ok());
    EXPECT_NE(out.status().message().find("expected the id of every token"), std::string::npos);
    return;
  }
  expect_same(run(engine, alone, options).logits, expected, "embeddings alone");
}

// Boundaries at which a prompt may be cut: all that lie in no region and in no medium.
std::vector<int64_t> boundaries(const Prompt& prompt) {
  std::vector<int64_t> out;
  for (int64_t at = 1; at < static_cast<int64_t>(prompt.ids.size()); ++at) {
    bool open = true;
    for (const auto& [begin, end] : prompt.closed_regions) open = open && (at <= begin || end <= at);
    for (const Span& span : prompt.spans) {
      if (span.kind != SpanKind::text) open = open && (at <= span.begin || span.end <= at);
    }
    if (open) out.push_back(at);
  }
  return out;
}

// The tokens [begin, end) of a request of ids with the media that lie among them.
Request part_of(const Request& whole, const Prompt& prompt, const std::vector<MediaInput>& images,
                const std::vector<MediaInput>& videos, int64_t begin, int64_t end) {
  Request part = of_ids(whole, {prompt.ids.begin() + begin, prompt.ids.begin() + end}, {});
  std::pair<SpanKind, int> last{SpanKind::text, -1};
  for (const Span& span : prompt.spans) {
    const std::pair<SpanKind, int> medium{span.kind, span.media};
    if (span.kind == SpanKind::text || span.begin < begin || span.end > end || medium == last) continue;
    part.media.push_back((span.kind == SpanKind::video ? videos : images)[static_cast<size_t>(span.media)]);
    last = medium;
  }
  return part;
}

// In one shot, in several calls, behind a fork, behind a file.
TEST_P(EveryGolden, CachesGoOn) {
  const Engine engine = load(GetParam());
  Request sample = samples_of(GetParam())[0];
  sample.frequencies = "";  // as-reference gives each call the frequencies that it has then
  const Result<PromptReport> report = inspect_prompt(engine, sample);
  ASSERT_TRUE(report.ok()) << report.status().message();
  const Prompt& prompt = report->prompt;
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  std::vector<MediaInput> images;
  std::vector<MediaInput> videos;
  if (has_media(sample)) {
    for (EncodedMedium& medium : encoded(engine, sample))
      (medium.kind == SpanKind::video ? videos : images).push_back(std::move(medium.input));
  }
  // A medium of several spans (tiles, frames) must stay whole, and so must pictures outside of the sequence.
  std::vector<int64_t> cuts;
  for (const int64_t at : boundaries(prompt)) {
    bool whole = true;
    for (const Span& span : prompt.spans) {
      for (const Span& other : prompt.spans) {
        const bool same = span.kind != SpanKind::text && span.kind == other.kind && span.media == other.media;
        whole = whole && !(same && span.begin < at && at <= other.begin);
      }
      if (span.delivery == Delivery::cross) whole = whole && at > span.begin;
    }
    if (whole) cuts.push_back(at);
  }
  if (cuts.size() < 3) return;
  const FloatArray expected = run(engine, sample).logits;
  const int64_t first = cuts[cuts.size() / 3];
  const int64_t second = cuts[cuts.size() * 2 / 3];
  const auto part = [&](int64_t begin, int64_t end) { return part_of(sample, prompt, images, videos, begin, end); };
  Cache cache(engine);
  run(engine, part(0, first), {}, &cache);
  EXPECT_EQ(cache.length(), first);
  expect_end(run(engine, part(first, tokens), {}, std::make_unique<Cache>(cache.fork()).get()).logits, expected,
             "two calls");
  Cache fork = cache.fork();
  run(engine, part(first, second), {}, &fork);
  EXPECT_EQ(cache.length(), first) << "a fork goes its own way";
  expect_end(run(engine, part(second, tokens), {}, std::make_unique<Cache>(fork.fork()).get()).logits, expected,
             "three calls");
  const testing_support::TempDirectory directory;
  const std::string path = directory.path() + "/cache.safetensors";
  ASSERT_TRUE(fork.save(path).ok()) << fork.save(path).message();
  Result<Cache> loaded = Cache::load(engine, path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->ids(), fork.ids());
  EXPECT_EQ(loaded->policy(), fork.policy());
  EXPECT_EQ(loaded->bytes(), fork.bytes());
  const Result<ForwardOutput> behind_file = forward(engine, part(second, tokens), {}, &*loaded);
  if (behind_file.ok()) {
    expect_end(behind_file->logits, expected, "behind a file");
  } else {
    EXPECT_NE(behind_file.status().message().find("frequencies of this model change"), std::string::npos)
        << behind_file.status().message();
  }
  const Status trimmed = fork.trim(first);
  if (!trimmed.ok()) {
    EXPECT_EQ(trimmed.code(), StatusCode::unsupported) << trimmed.message();
    return;
  }
  EXPECT_EQ(fork.length(), first);
  expect_end(run(engine, part(first, tokens), {}, &fork).logits, expected, "behind a trim");
}

INSTANTIATE_TEST_SUITE_P(All, EveryGolden, ::testing::ValuesIn(all_goldens()),
                         [](const auto& golden_case) { return golden_case.param; });

// Under every policy, with keys of both kinds: the positions behind a cache are those of the longer prompt.
TEST(Inputs, CachesGoOnUnderEveryPolicy) {
  const Engine engine = load("qwen3_vl_two_images");
  const Request sample = samples_of("qwen3_vl_two_images")[0];
  int policies = 0;
  for (const PolicyDescription& policy : describe_position_policies()) {
    for (const char* keys : {"", "raw"}) {
      Request whole = of_ids(sample, ids_of(engine, sample), {});
      for (EncodedMedium& medium : encoded(engine, sample)) whole.media.push_back(std::move(medium.input));
      whole.positions = policy.name;
      whole.keys = keys;
      const Result<ForwardOutput> expected = forward(engine, whole);
      if (!expected.ok()) continue;  // reserved, or without the weights that it needs
      ++policies;
      const Result<PromptReport> report = inspect_prompt(engine, whole);
      ASSERT_TRUE(report.ok());
      const auto tokens = static_cast<int64_t>(whole.ids.size());
      const int64_t cut = report->prompt.spans.back().begin + 2;
      ASSERT_LT(cut + 1, tokens);
      Request first = whole;
      first.ids.resize(static_cast<size_t>(cut));
      Cache cache(engine);
      const Result<ForwardOutput> start = forward(engine, first, {}, &cache);
      ASSERT_TRUE(start.ok()) << policy.name << ": " << start.status().message();
      // Token by token, as a caller's own loop would.
      for (int64_t token = cut; token < tokens; ++token) {
        Request next;
        next.ids = {whole.ids[static_cast<size_t>(token)]};
        next.has_ids = true;
        const Result<ForwardOutput> out = forward(engine, next, {}, &cache);
        ASSERT_TRUE(out.ok()) << policy.name << ": " << out.status().message();
        const int64_t vocab = out->logits.shape[1];
        const float* const row = expected->logits.data.get() + token * vocab;
        EXPECT_TRUE(std::equal(row, row + vocab, out->logits.data.get()))
            << policy.name << " with keys " << keys << " at token " << token;
      }
    }
  }
  EXPECT_GT(policies, 30);
}

// Given ids, then text that goes on behind them.
TEST(Inputs, PositionsMayBeGivenForEachCall) {
  const Engine engine = load("qwen3_vl_two_images");
  Request whole;
  whole.has_ids = true;
  whole.ids = {60, 61, 62, 63, 64, 65};
  PositionIdSet set;
  set.axes = 3;
  for (const float id : {3.0F, 4.0F, 8.0F, 9.0F, 10.0F, 11.0F}) set.ids.insert(set.ids.end(), 3, id);
  set.next = 12.0;
  whole.position_ids = PositionIds{{set}, {}, false};
  const FloatArray expected = run(engine, whole).logits;
  Request first = whole;
  first.ids.resize(3);
  first.position_ids->sets[0].ids.resize(9);
  first.position_ids->sets[0].next = 9.0;
  Cache cache(engine);
  run(engine, first, {}, &cache);
  Request second;
  second.has_ids = true;
  second.ids = {63, 64, 65};
  expect_end(run(engine, second, {}, &cache).logits, expected, "text behind given positions");
  EXPECT_NE(values(run(engine, second).logits), values(expected));
}

// ---- the example of the document that asked for injection (432 patches, 108 features, a prompt of 126 tokens)

constexpr int64_t kRows = 18;
constexpr int64_t kColumns = 24;
constexpr int64_t kPatches = kRows * kColumns;
constexpr int64_t kFeatures = kPatches / 4;

// Numbers without a pattern, the same every time.
std::vector<float> noise(int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  uint32_t state = 12345;
  for (float& value : out) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) * 2.0F - 1.0F;
  }
  return out;
}

PixelInput example_pixels(const Engine& engine) {
  const VisionSpec& vision = *engine.impl().spec.vision;
  PixelInput pixels;
  pixels.values = make_array({kPatches, vision.patch_elements()}, noise(kPatches * vision.patch_elements()));
  pixels.geometry.grid = Grid{1, kRows, kColumns};
  return pixels;
}

int32_t id_of(const Engine& engine, const std::string& token) {
  return engine.impl().tokenizer->token_to_id(token).value_or(-1);
}

// 7 tokens of text, the picture between its markers, 9 tokens of text.
std::vector<int32_t> example_ids(const Engine& engine) {
  std::vector<int32_t> ids = {60, 61, 62, 63, 64, 65, 66, id_of(engine, "<|vision_start|>")};
  ids.insert(ids.end(), kFeatures, id_of(engine, "<|image_pad|>"));
  ids.push_back(id_of(engine, "<|vision_end|>"));
  for (int32_t id = 70; id < 79; ++id) ids.push_back(id);
  return ids;
}

Request example_request(const Engine& engine, MediaInput media) {
  Request request;
  request.ids = example_ids(engine);
  request.has_ids = true;
  request.media = {std::move(media)};
  return request;
}

const std::string kExample = "qwen3_vl_two_images";

TEST(Seed002, FourHundredThirtyTwoPatchesBecomeOneHundredEightFeatures) {
  const Engine engine = load(kExample);
  const ModelInfo info = engine.info();
  Request request;
  request.media = {example_pixels(engine)};
  EncodeOptions options;
  options.last_hidden_state = true;
  const Result<std::vector<EncodedMedium>> media = encode_media(engine, request, options);
  ASSERT_TRUE(media.ok()) << media.status().message();
  ASSERT_EQ(media->size(), 1U);
  const EncodedMedium& medium = media->front();
  EXPECT_EQ(medium.patches, (Grid{1, 18, 24}));
  EXPECT_EQ(medium.grid, (Grid{1, 9, 12}));
  EXPECT_EQ(medium.last_hidden_state.shape, (std::vector<int64_t>{432, info.tower_hidden}));
  EXPECT_EQ(medium.features.shape, (std::vector<int64_t>{108, info.hidden}));
  ASSERT_EQ(medium.deepstack.size(), 2U);
  for (const FloatArray& level : medium.deepstack) EXPECT_EQ(level.shape, (std::vector<int64_t>{108, info.hidden}));
}

TEST(Seed002, InjectedFeaturesAreThePictureInAPromptOf126Tokens) {
  for (const char* dtype : {"f32", "bf16", "q8", "q4"}) {
    const Engine engine = load(kExample, dtype);
    const Request pixels = example_request(engine, example_pixels(engine));
    ASSERT_EQ(pixels.ids.size(), 126U);
    const FloatArray expected = run(engine, pixels).logits;
    const std::vector<EncodedMedium> media = encoded(engine, pixels);
    const Request features = example_request(engine, media[0].input);
    expect_same(run(engine, features).logits, expected, std::string(dtype) + ", features beside ids");
    // Embeddings alone: the placeholders are found by what embed_tokens returns for theirs.
    ForwardOptions options;
    Result<FloatArray> rows = embed_tokens(engine, features.ids);
    ASSERT_TRUE(rows.ok());
    EXPECT_EQ(rows->shape, (std::vector<int64_t>{126, engine.info().hidden}));
    options.embeddings = *rows;
    Request alone;
    alone.media = features.media;
    expect_same(run(engine, alone, options).logits, expected, std::string(dtype) + ", features and embeddings");
    // And what was injected before runs as it is: with the picture's rows in place and its DeepStack levels left out
    // it is another prompt, of as many tokens.
    std::vector<float> injected = values(*rows);
    const int64_t hidden = engine.info().hidden;
    std::ranges::copy(media[0].features.values(), injected.begin() + 8 * hidden);
    options.embeddings = make_array({126, hidden}, std::move(injected));
    const ForwardOutput out = run(engine, Request{}, options);
    EXPECT_EQ(out.tokens, 126);
  }
}

// What a session says about features is what it says about their picture, and neither cache mixes them up.
TEST(Inputs, SessionsAnswerAboutFeaturesAsAboutPixels) {
  int differing = 0;
  for (const char* name : {"qwen3_vl_two_images", "llava_next_batch_of_tiles", "gemma3_crops", "mllama_two_tiles"}) {
    for (const char* dtype : {"f32", "bf16", "q8"}) {
      const Engine engine = load(name, dtype);
      for (const Request& sample : samples_of(name)) {
        std::vector<MediaInput> features;
        for (EncodedMedium& medium : encoded(engine, sample)) features.push_back(std::move(medium.input));
        Request held = of_ids(sample, ids_of(engine, sample), features);
        GenerateOptions options;
        options.max_new_tokens = 6;
        options.temperature = 0.0;
        options.ignore_eos = true;
        const Result<Generation> expected = Session(engine).generate(sample, options);
        const Result<Generation> found = Session(engine).generate(held, options);
        ASSERT_TRUE(expected.ok()) << expected.status().message();
        ASSERT_TRUE(found.ok()) << found.status().message();
        EXPECT_EQ(found->ids, expected->ids) << name << " in " << dtype;
        EXPECT_EQ(found->logprobs, expected->logprobs) << name << " in " << dtype;
        // Another picture.
        if (held.media.empty()) continue;
        auto& first = std::get<FeatureInput>(held.media[0]);
        std::vector<float> changed = values(first.rows);
        for (size_t i = 0; i < changed.size(); i += 3) changed[i] += 1.0F;
        first.rows = make_array(first.rows.shape, std::move(changed));
        const Result<Generation> other = Session(engine).generate(held, options);
        ASSERT_TRUE(other.ok()) << other.status().message();
        const Engine fresh = load(name, dtype);
        const Result<Generation> alone = Session(fresh).generate(held, options);
        ASSERT_TRUE(alone.ok()) << alone.status().message();
        EXPECT_EQ(other->logprobs, alone->logprobs) << name << " in " << dtype << ": a cache took one for another";
        differing += other->logprobs != expected->logprobs ? 1 : 0;  // not where windows end behind the picture
      }
    }
  }
  EXPECT_GT(differing, 6);
}

// A decoded picture in memory is its file.
TEST(Inputs, PicturesInMemoryAreTheirFiles) {
  const Engine engine = load("smolvlm_rows_and_whole");
  std::vector<uint8_t> rgb(static_cast<size_t>(40 * 30 * 3));
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 7 % 251);
  const testing_support::TempDirectory directory;
  std::string ppm = "BM";  // a BMP of 24 bits: rows from the bottom, blue first
  const auto number = [&ppm](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) ppm += static_cast<char>(value >> (8 * i) & 255);
  };
  number(54 + 40 * 30 * 3, 4);
  number(0, 4);
  number(54, 4);
  number(40, 4);
  number(40, 4);
  number(30, 4);
  number(1, 2);
  number(24, 2);
  for (int i = 0; i < 6; ++i) number(0, 4);
  for (int row = 29; row >= 0; --row) {
    for (int column = 0; column < 40; ++column) {
      for (int channel = 2; channel >= 0; --channel)
        ppm += static_cast<char>(rgb[static_cast<size_t>((row * 40 + column) * 3 + channel)]);
    }
  }
  directory.write("picture.bmp", ppm);
  Request file;
  file.messages = R"([{"role":"user","content":[{"type":"image","image":"picture.bmp"},{"type":"text","text":"?"}]}])";
  file.base_directory = directory.path();
  Request memory;
  memory.messages = R"([{"role":"user","content":[{"type":"image","image":"memory:0"},{"type":"text","text":"?"}]}])";
  memory.media = {PictureInput{make_array({30, 40, 3}, rgb)}};
  expect_same(run(engine, memory).logits, run(engine, file).logits, "logits");
}

// ---- what is refused

std::string refused(const Engine& engine, const Request& request, const ForwardOptions& options = {},
                    Cache* cache = nullptr) {
  const Result<ForwardOutput> out = forward(engine, request, options, cache);
  EXPECT_FALSE(out.ok());
  return out.status().message();
}

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "\"" << word << "\" in: " << message;
  }
}

TEST(BadInputs, CountsThatDoNotAddUpNameBothNumbers) {
  const Engine engine = load(kExample);
  Request request = example_request(engine, example_pixels(engine));
  request.ids.erase(request.ids.begin() + 20);
  expect_words(refused(engine, request), {"107 image placeholders", "108 features"});
  request.media.clear();
  expect_words(refused(engine, request), {"107 image placeholders", "no images were given"});
  request = example_request(engine, example_pixels(engine));
  request.ids.insert(request.ids.begin() + 20, 60);
  expect_words(refused(engine, request), {"108 features", "12 placeholders in a row from token 8"});
  request = example_request(engine, example_pixels(engine));
  std::get<PixelInput>(request.media[0]).geometry.grid = Grid{1, 18, 22};
  expect_words(refused(engine, request), {"432 rows of patches", "396"});
  std::get<PixelInput>(request.media[0]).geometry.grid.reset();
  expect_words(refused(engine, request), {"expected a grid", "image_grid_thw"});
}

TEST(BadInputs, ShapesAndNumbersOfFeatures) {
  const Engine engine = load(kExample);
  const FeatureInput good = encoded(engine, example_request(engine, example_pixels(engine)))[0].input;
  const int64_t hidden = engine.info().hidden;
  const auto message = [&](const std::function<void(FeatureInput&)>& spoil) {
    FeatureInput bad = good;
    spoil(bad);
    return refused(engine, example_request(engine, bad));
  };
  expect_words(message([&](FeatureInput& f) { f.rows.shape = {hidden, 108}; }), {"[rows, 48]", "[48, 108]"});
  expect_words(message([&](FeatureInput& f) { f.rows = slice(f.rows, 0, 107); }), {"[107, 48]", "[108, 48]"});
  expect_words(message([](FeatureInput& f) { f.deepstack.pop_back(); }), {"2 DeepStack levels", "found 1"});
  expect_words(message([](FeatureInput& f) { f.geometry.grid.reset(); }), {"expected a grid"});
  expect_words(message([](FeatureInput& f) { f.geometry.grid = Grid{1, 16, 24}; }), {"108 features", "96"});
  expect_words(message([](FeatureInput& f) { f.geometry.grid = Grid{1, -18, 24}; }), {"-18"});
  expect_words(message([](FeatureInput& f) {
                 std::vector<float> bad = values(f.rows);
                 bad[77] = std::numeric_limits<float>::quiet_NaN();
                 f.rows = make_array(f.rows.shape, std::move(bad));
               }),
               {"finite", "NaN", "element 77"});
  expect_words(message([](FeatureInput& f) {
                 std::vector<float> bad = values(f.deepstack[1]);
                 bad[5] = std::numeric_limits<float>::infinity();
                 f.deepstack[1] = make_array(f.rows.shape, std::move(bad));
               }),
               {"DeepStack level", "infinity"});
  expect_words(message([](FeatureInput& f) { f.kind = SpanKind::video; }), {"108 image placeholders"});
}

TEST(BadInputs, EmbeddingsIdsAndNames) {
  const Engine engine = load(kExample);
  ForwardOptions options;
  options.embeddings = make_array<float>({2, 3}, std::vector<float>(6, 0.0F));
  expect_words(refused(engine, {}, options), {"[tokens, 48]", "[2, 3]"});
  options.embeddings = make_array<float>({1, 48}, std::vector<float>(48, NAN));
  expect_words(refused(engine, {}, options), {"finite", "NaN"});
  options.embeddings = make_array<float>({2, 48}, std::vector<float>(96, 0.5F));
  Request ids;
  ids.has_ids = true;
  ids.ids = {60, 61, 62};
  expect_words(refused(engine, ids, options), {"2 tokens", "3 ids"});
  expect_words(refused(engine, {}), {"expected messages, a prompt or ids"});
  ids.ids = {};
  expect_words(refused(engine, ids), {"at least one"});
  ids.ids = {60, -3};
  expect_words(refused(engine, ids), {"-3", "token 1"});
  ids.ids = {60, 100000};
  expect_words(refused(engine, ids), {"100000"});
  ids.ids = {60};
  ids.has_prompt = true;
  expect_words(refused(engine, ids), {"ids beside"});
  Request named;
  named.messages = R"([{"role":"user","content":[{"type":"image","image":"memory:1"}]}])";
  named.media = {example_pixels(engine)};
  expect_words(refused(engine, named), {"memory:1", "below the 1"});
  named.messages = R"([{"role":"user","content":[{"type":"video","video":"memory:0"}]}])";
  expect_words(refused(engine, named), {"expected a video", "found a picture"});
}

TEST(BadInputs, CachesOfOtherSettings) {
  const Engine engine = load(kExample);
  const Engine other = load(kExample);
  const Engine rounded = load(kExample, "bf16");
  const Engine twin = load("qwen3_vl_merge3_patch10");
  Request ids;
  ids.has_ids = true;
  ids.ids = {60, 61, 62, 63};
  Cache cache(engine);
  EXPECT_FALSE(cache.save("/nowhere/x.safetensors").ok()) << "an empty cache";
  run(engine, ids, {}, &cache);
  expect_words(refused(other, ids, {}, &cache), {"same engine"});
  Request changed = ids;
  changed.positions = "vanilla";
  expect_words(refused(engine, changed, {}, &cache), {"position policy", "vanilla"});
  changed = ids;
  changed.keys = "raw";
  expect_words(refused(engine, changed, {}, &cache), {"rotated", "raw"});
  EXPECT_EQ(cache.length(), 4) << "a failure leaves the cache as it was";
  EXPECT_FALSE(cache.trim(5).ok());
  EXPECT_FALSE(cache.trim(-1).ok());
  const testing_support::TempDirectory directory;
  const std::string path = directory.path("cache.safetensors");
  ASSERT_TRUE(cache.save(path).ok());
  expect_words(Cache::load(rounded, path).status().message(), {"f32", "bf16"});
  expect_words(Cache::load(twin, path).status().message(), {"another checkpoint"});
  expect_words(Cache::load(engine, directory.path("none")).status().message(), {"none"});
  expect_words(Cache::load(engine, golden(kExample) + "/model/model.safetensors").status().message(),
               {"expected a file that Cache::save wrote"});
  EXPECT_FALSE(cache.save("/nowhere/x.safetensors").ok());
  // Any byte may have changed: another cache, or one sentence.
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  for (size_t at = 0; at < bytes.size(); at += 1 + at / 40) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x15);
    directory.write("damaged", damaged);
    (void)Cache::load(engine, directory.path("damaged"));
    directory.write("damaged", bytes.substr(0, at));
    EXPECT_FALSE(Cache::load(engine, directory.path("damaged")).ok()) << at;
  }
}

}  // namespace
}  // namespace azimuth
