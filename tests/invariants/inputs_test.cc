// Named invariants of everything that enters and leaves between the stages: pixels, features, ids, embeddings and
// caches in the hands of a caller give, bit for bit, the numbers of the request that they were taken from.
//
// The bugs that these stop: tiles in another order than the processor's, rows of a picture at the wrong placeholders, a
// grid with rows and columns swapped, features that a quantised tower would give otherwise, DeepStack levels that are
// forgotten, positions that start again behind a cache, states that a fork shares.
#include <gtest/gtest.h>

#include <fstream>
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
    int64_t at = 0;
    if (grids != nullptr) {
      for (int64_t i = 0; i < grids->shape[0]; ++i) {
        const int64_t* const row = grids->data.get() + 3 * i;
        MediaGeometry geometry;
        geometry.grid = Grid{row[0], row[1], row[2]};
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
    std::vector<MediaInput> features;
    for (EncodedMedium& medium : encoded(engine, sample)) features.push_back(std::move(medium.input));
    const Request request = of_ids(sample, ids_of(engine, sample), std::move(features));
    expect_same(run(engine, request).logits, run(engine, sample).logits, "logits");
  }
}

// Embeddings of the caller, with ids and without.
TEST_P(EveryGolden, EmbeddingsAreIds) {
  const Engine engine = load(GetParam());
  const Request sample = samples_of(GetParam())[0];
  Request ids = of_ids(sample, ids_of(engine, sample), {});
  if (has_media(sample)) {
    for (EncodedMedium& medium : encoded(engine, sample)) ids.media.push_back(std::move(medium.input));
  }
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
  const Request sample = samples_of(GetParam())[0];
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
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace azimuth
