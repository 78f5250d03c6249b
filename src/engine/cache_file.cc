// Caches as files: safetensors with the blocks of keys and values as they lie in memory, and a header that says what
// they belong to. A file comes from anywhere: whatever it says is checked against the model before it is taken.
#include <algorithm>
#include <cstring>
#include <list>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "decoder/fingerprint.h"
#include "engine/cache_impl.h"
#include "formats/safetensors.h"

namespace azimuth {
namespace {

using engine::CachedSequence;
using nlohmann::json;

constexpr std::string_view kFormat = "azimuth-cache-1";
constexpr int64_t kMaxTokens = int64_t{1} << 26;

std::string hex(const ContentHash& hash) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : hash.bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string layer_name(int layer, const char* part) {
  return "layer." + std::to_string(layer) + "." + part;
}

// What a cache has to have in common with the engine that reads it; in words, for the sentence that refuses it.
std::map<std::string, std::string> identity(const Engine::Impl& model) {
  return {{"format", std::string(kFormat)},
          {"model_type", model.spec.model_type},
          {"dtype", model.options.dtype},
          {"cache", std::string(kernels::to_string(model.cache))},
          {"weights", hex(decoder::fingerprint(model.spec.text, model.decoder->weights()))}};
}

Status check_identity(const Engine::Impl& model, const std::map<std::string, std::string>& found,
                      const std::string& path) {
  const auto value = [&found](const std::string& key) {
    const auto at = found.find(key);
    return at == found.end() ? std::string() : at->second;
  };
  if (value("format") != kFormat) {
    return invalid_argument(path + " expected a file that Cache::save wrote (" + std::string(kFormat) + "), found " +
                            (value("format").empty() ? "another safetensors file" : value("format")));
  }
  static const std::map<std::string, std::string> nouns = {
      {"model_type", "a model of type"}, {"dtype", "weights in"}, {"cache", "keys and values in"}};
  const std::map<std::string, std::string> own = identity(model);
  for (const auto& [key, noun] : nouns) {
    if (value(key) == own.at(key)) continue;
    return invalid_argument(path + " holds a cache of " + noun + " " + value(key) + ", but this engine has " + noun +
                            " " + own.at(key) + "; load it into an engine like the one that it was saved from");
  }
  if (value("weights") == own.at("weights")) return ok_status();
  return invalid_argument(path + " holds a cache of another checkpoint with the same shape (its weights differ from " +
                          "those of " + model.directory + "); load it into the model that it was saved from");
}

// ---- the sequence in JSON

json span_json(const Span& span) {
  return {static_cast<int>(span.kind),
          span.begin,
          span.end,
          span.media,
          span.tile,
          span.tiles,
          span.global_tile ? 1 : 0,
          span.view,
          span.views,
          span.global_view ? 1 : 0,
          span.grid.t,
          span.grid.h,
          span.grid.w,
          span.features,
          static_cast<int>(span.delivery),
          span.start_seconds,
          span.step_seconds};
}

constexpr size_t kSpanNumbers = 17;

Result<Span> read_span(const JsonView& view) {
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> items, view.items());
  if (items.size() != kSpanNumbers) return view.expected(std::to_string(kSpanNumbers) + " numbers of a span");
  std::vector<int64_t> n;
  for (size_t i = 0; i + 2 < kSpanNumbers; ++i) {
    AZ_ASSIGN_OR_RETURN(const int64_t number, items[i].as_integer(-1, kMaxTokens));
    n.push_back(number);
  }
  Span span;
  if (n[0] < 0 || n[0] > 2 || n[14] < 0 || n[14] > 2) return view.expected("a kind and a delivery of a span");
  span.kind = static_cast<SpanKind>(n[0]);
  span.begin = n[1];
  span.end = n[2];
  span.media = static_cast<int>(n[3]);
  span.tile = static_cast<int>(n[4]);
  span.tiles = static_cast<int>(n[5]);
  span.global_tile = n[6] != 0;
  span.view = static_cast<int>(n[7]);
  span.views = static_cast<int>(n[8]);
  span.global_view = n[9] != 0;
  span.grid = {n[10], n[11], n[12]};
  span.features = n[13];
  span.delivery = static_cast<Delivery>(n[14]);
  AZ_ASSIGN_OR_RETURN(span.start_seconds, items[15].as_number());
  AZ_ASSIGN_OR_RETURN(span.step_seconds, items[16].as_number());
  return span;
}

json sequence_json(const CachedSequence& sequence) {
  json spans = json::array();
  for (const Span& span : sequence.prompt.spans) spans.push_back(span_json(span));
  json sets = json::array();
  for (const PositionSet& set : sequence.positions.sets) {
    sets.push_back({{"axes", set.axes},
                    {"next_text", set.next_text},
                    {"next_decode", set.next_decode},
                    {"text_axes", static_cast<int>(set.text_axes)}});
  }
  json layers = json::array();
  for (int i = 0; i < sequence.state.layers(); ++i) {
    const decoder::LayerCache& layer = sequence.state.layer(i);
    const kernels::KvLayout& terms = layer.state.layout();
    layers.push_back({{"keys", layer.keys.length()},
                      {"first", layer.first},
                      {"state", layer.state.length()},
                      {"state_heads", terms.heads},
                      {"state_dim", terms.dim},
                      {"recurrent", layer.recurrent ? layer.recurrent->length : -1}});
  }
  return {{"policy", sequence.options.policy},
          {"spelling", sequence.policy},
          {"raw_keys", sequence.options.keys == decoder::KeyStorage::raw},
          {"as_reference", sequence.options.frequencies == engine::FrequencyMode::as_reference},
          {"compat", static_cast<int>(sequence.compat)},
          {"own_positions", sequence.own_positions},
          {"length", sequence.length},
          {"first_outside", sequence.first_outside},
          {"spans", std::move(spans)},
          {"closed_regions", sequence.prompt.closed_regions},
          {"set_of_layer", sequence.positions.set_of_layer},
          {"integral", sequence.positions.integral},
          {"sets", std::move(sets)},
          {"layers", std::move(layers)}};
}

// ---- writing

// Tensors of a file, and what some of them had to be copied to.
class Contents {
 public:
  void add(const std::string& name, const void* data, DType dtype, const Shape& shape) {
    tensors_.push_back({name, TensorView::contiguous(data, dtype, shape)});
  }

  void add_blocks(const std::string& name, const kernels::KvBlocks& blocks) {
    if (blocks.length() == 0) return;
    const size_t size = blocks.layout().block_bytes();
    std::vector<std::byte>& bytes = copies_.emplace_back(blocks.blocks().size() * size);
    for (size_t i = 0; i < blocks.blocks().size(); ++i) std::memcpy(&bytes[i * size], blocks.blocks()[i], size);
    add(name, bytes.data(), DType::u8,
        Shape({static_cast<int64_t>(blocks.blocks().size()), static_cast<int64_t>(size)}));
  }

  void add_ranges(const std::string& name, const std::vector<kernels::KeyRange>& ranges) {
    std::vector<int64_t>& numbers = numbers_.emplace_back();
    for (const kernels::KeyRange& range : ranges) numbers.insert(numbers.end(), {range.begin, range.end});
    add(name, numbers.data(), DType::i64, Shape({static_cast<int64_t>(ranges.size()), 2}));
  }

  const std::vector<formats::NamedTensor>& tensors() const { return tensors_; }

 private:
  std::vector<formats::NamedTensor> tensors_;
  std::list<std::vector<std::byte>> copies_;
  std::list<std::vector<int64_t>> numbers_;
};

void add_layer(const decoder::LayerCache& layer, int index, Contents& out) {
  out.add_blocks(layer_name(index, "keys"), layer.keys);
  out.add_blocks(layer_name(index, "values"), layer.values);
  out.add_blocks(layer_name(index, "state"), layer.state);
  if (!layer.recurrent) return;
  const auto add = [&](const char* part, const std::vector<float>& values) {
    out.add(layer_name(index, part), values.data(), DType::f32, Shape({static_cast<int64_t>(values.size())}));
  };
  add("inputs", layer.recurrent->inputs);
  add("memory", layer.recurrent->memory);
}

// ---- reading

Status damaged(const std::string& path, const std::string& what) {
  return data_loss(path + " " + what + "; save the cache again");
}

class Reader {
 public:
  Reader(const Engine::Impl& model, const formats::SafeTensors& file, const JsonView& header)
      : model_(model), file_(file), header_(header) {}

  Result<CachedSequence> read() {
    AZ_ASSIGN_OR_RETURN(CachedSequence out, read_setting());
    AZ_RETURN_IF_ERROR(read_prompt(out));
    AZ_RETURN_IF_ERROR(read_positions(out));
    AZ_RETURN_IF_ERROR(read_encoding(out));
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> layers, header_.array("layers"));
    if (static_cast<int>(layers.size()) != out.state.layers()) {
      return damaged(file_.path(), "expected " + std::to_string(out.state.layers()) + " layers, found " +
                                       std::to_string(layers.size()));
    }
    for (size_t i = 0; i < layers.size(); ++i) AZ_RETURN_IF_ERROR(read_layer(layers[i], static_cast<int>(i), out));
    return out;
  }

 private:
  Result<CachedSequence> read_setting() {
    engine::SequenceOptions options;
    AZ_ASSIGN_OR_RETURN(options.policy, header_.string("policy"));
    AZ_ASSIGN_OR_RETURN(const bool raw, header_.boolean("raw_keys"));
    AZ_ASSIGN_OR_RETURN(const bool as_reference, header_.boolean("as_reference"));
    options.keys = raw ? decoder::KeyStorage::raw : decoder::KeyStorage::rotated;
    options.frequencies = as_reference ? engine::FrequencyMode::as_reference : engine::FrequencyMode::rerotate;
    AZ_ASSIGN_OR_RETURN(std::string policy, header_.string("spelling"));
    AZ_ASSIGN_OR_RETURN(const int64_t compat, header_.integer("compat", 0, 2));
    AZ_ASSIGN_OR_RETURN(const bool own_positions, header_.boolean("own_positions"));
    AZ_ASSIGN_OR_RETURN(const int64_t length, header_.integer("length", 0, kMaxTokens));
    AZ_ASSIGN_OR_RETURN(const int64_t first_outside, header_.integer("first_outside", 0, kMaxTokens));
    return CachedSequence{.options = options,
                          .policy = std::move(policy),
                          .compat = static_cast<Compat>(compat),
                          .prompt = Prompt(),
                          .positions = {},
                          .own_positions = own_positions,
                          .encoding = nullptr,
                          .length = length,
                          .state = model_.decoder->new_cache(options.keys),
                          .outside = {},
                          .first_outside = first_outside,
                          .history = nullptr};
  }

  Status read_prompt(CachedSequence& out) {
    AZ_ASSIGN_OR_RETURN(const TensorView ids, tensor("ids", DType::i32, 1));
    out.prompt.ids.assign(ids.as<int32_t>(), ids.as<int32_t>() + ids.shape[0]);
    const int64_t tokens = out.tokens();
    if (tokens == 0 || tokens > kMaxTokens) return damaged(file_.path(), "expected at least one token, found none");
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> spans, header_.array("spans"));
    int64_t at = 0;
    for (const JsonView& view : spans) {
      AZ_ASSIGN_OR_RETURN(const Span span, read_span(view));
      if (span.begin != at || span.end <= at || span.end > tokens) return view.expected("a span behind the one before");
      at = span.end;
      out.prompt.spans.push_back(span);
    }
    if (at != tokens) return damaged(file_.path(), "expected spans of all " + std::to_string(tokens) + " tokens");
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> regions, header_.array("closed_regions"));
    for (const JsonView& view : regions) {
      AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> ends, view.items());
      if (ends.size() != 2) return view.expected("begin and end of a region");
      AZ_ASSIGN_OR_RETURN(const int64_t begin, ends[0].as_integer(0, tokens));
      AZ_ASSIGN_OR_RETURN(const int64_t end, ends[1].as_integer(begin, tokens));
      out.prompt.closed_regions.emplace_back(begin, end);
    }
    if (file_.find("outside") == nullptr) return ok_status();
    AZ_ASSIGN_OR_RETURN(const TensorView ranges, tensor("outside", DType::i64, 2));
    if (ranges.shape[0] != tokens || ranges.shape[1] != 2) {
      return damaged(file_.path(), "expected a range for each of " + std::to_string(tokens) + " tokens");
    }
    for (int64_t i = 0; i < tokens; ++i) {
      out.outside.push_back({ranges.as<int64_t>()[2 * i], ranges.as<int64_t>()[2 * i + 1]});
    }
    return ok_status();
  }

  Status read_positions(CachedSequence& out) {
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> sets, header_.array("sets"));
    AZ_ASSIGN_OR_RETURN(out.positions.integral, header_.boolean("integral"));
    AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> of_layer, header_.integers("set_of_layer", 0, kMaxPositionAxes));
    out.positions.set_of_layer.assign(of_layer.begin(), of_layer.end());
    const size_t layers = model_.spec.text.layers.size();
    if (!of_layer.empty() && of_layer.size() != layers) {
      return damaged(file_.path(), "expected an id set for each of " + std::to_string(layers) + " layers, found " +
                                       std::to_string(of_layer.size()));
    }
    for (const int64_t set : of_layer) {
      if (set >= static_cast<int64_t>(sets.size())) return damaged(file_.path(), "names an id set that it lacks");
    }
    for (const JsonView& view : sets) {
      PositionSet set;
      AZ_ASSIGN_OR_RETURN(const int64_t axes, view.integer("axes", 1, kMaxPositionAxes));
      AZ_ASSIGN_OR_RETURN(const int64_t text_axes, view.integer("text_axes", 0, UINT8_MAX));
      set.axes = static_cast<int>(axes);
      set.text_axes = static_cast<uint8_t>(text_axes);
      AZ_ASSIGN_OR_RETURN(set.next_text, view.number("next_text"));
      AZ_ASSIGN_OR_RETURN(set.next_decode, view.number("next_decode"));
      const std::string name = "positions." + std::to_string(out.positions.sets.size());
      AZ_ASSIGN_OR_RETURN(const TensorView ids, tensor(name, DType::f32, 2));
      set.ids.assign(ids.as<float>(), ids.as<float>() + ids.shape.elements());
      out.positions.sets.push_back(std::move(set));
    }
    return out.positions.validate(out.tokens()).with_context(file_.path());
  }

  Status read_encoding(CachedSequence& out) {
    AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice choice,
                        engine::choose_policy(model_, out.options.policy, out.length));
    if (choice.policy.spelling() != out.policy) {
      return invalid_argument(file_.path() + " expected the position policy " + out.policy + ", found that " +
                              (out.options.policy.empty() ? "the model's own" : out.options.policy) + " is " +
                              choice.policy.spelling());
    }
    out.encoding = choice.encoding;
    return ok_status();
  }

  Status read_layer(const JsonView& view, int index, CachedSequence& out) {
    decoder::LayerCache& layer = out.state.layer(index);
    const bool outside = out.state.layer_spec(index).mixer == MixerKind::cross_attention;
    AZ_ASSIGN_OR_RETURN(const int64_t keys, view.integer("keys", 0, kMaxTokens));
    AZ_ASSIGN_OR_RETURN(layer.first, view.integer("first", 0, kMaxTokens));
    AZ_ASSIGN_OR_RETURN(const int64_t state, view.integer("state", 0, kMaxTokens));
    AZ_ASSIGN_OR_RETURN(const int64_t recurrent, view.integer("recurrent", -1, kMaxTokens));
    if (layer.recurrent) return read_recurrent(index, recurrent, out.tokens(), layer);
    const bool shares = out.state.layer_spec(index).kv_source >= 0;
    if (!outside && !shares && layer.first + keys != out.tokens()) {
      return damaged(file_.path(), "expected " + std::to_string(out.tokens()) + " tokens in layer " +
                                       std::to_string(index) + ", found " + std::to_string(layer.first + keys));
    }
    AZ_RETURN_IF_ERROR(read_blocks(layer_name(index, "keys"), keys, layer.keys));
    AZ_RETURN_IF_ERROR(read_blocks(layer_name(index, "values"), keys, layer.values));
    if (state == 0) return ok_status();
    AZ_ASSIGN_OR_RETURN(const int64_t heads, view.integer("state_heads", 1, 1 << 16));
    AZ_ASSIGN_OR_RETURN(const int64_t dim, view.integer("state_dim", 1, 1 << 20));
    if (state != out.tokens()) return damaged(file_.path(), "expected a term's state of every token");
    layer.state = kernels::KvBlocks(static_cast<int>(heads), static_cast<int>(dim));
    return read_blocks(layer_name(index, "state"), state, layer.state);
  }

  Status read_blocks(const std::string& name, int64_t length, kernels::KvBlocks& blocks) {
    if (length == 0) return ok_status();
    AZ_ASSIGN_OR_RETURN(const TensorView view, tensor(name, DType::u8, 2));
    const int64_t count = (length + kernels::kAttentionBlock - 1) / kernels::kAttentionBlock;
    const auto size = static_cast<int64_t>(blocks.layout().block_bytes());
    AZ_RETURN_IF_ERROR(check_shape(file_.path() + ": " + name, Shape({count, size}), view.shape));
    blocks.restore(length, {view.data, view.bytes()});
    return ok_status();
  }

  Status read_recurrent(int index, int64_t length, int64_t tokens, decoder::LayerCache& layer) {
    if (length != tokens) return damaged(file_.path(), "expected a state behind " + std::to_string(tokens) + " tokens");
    decoder::RecurrentState state = *layer.recurrent;
    state.length = length;
    const auto read = [&](const char* part, std::vector<float>& values) -> Status {
      AZ_ASSIGN_OR_RETURN(const TensorView view, tensor(layer_name(index, part), DType::f32, 1));
      AZ_RETURN_IF_ERROR(check_shape(file_.path() + ": " + layer_name(index, part),
                                     Shape({static_cast<int64_t>(values.size())}), view.shape));
      std::copy_n(view.as<float>(), values.size(), values.begin());
      return ok_status();
    };
    AZ_RETURN_IF_ERROR(read("inputs", state.inputs));
    AZ_RETURN_IF_ERROR(read("memory", state.memory));
    layer.recurrent = std::make_shared<decoder::RecurrentState>(std::move(state));
    return ok_status();
  }

  Result<TensorView> tensor(const std::string& name, DType dtype, int rank) const {
    AZ_ASSIGN_OR_RETURN(const TensorView view, file_.tensor(name));
    if (view.dtype == dtype && view.shape.rank() == rank) return view;
    return damaged(file_.path(), "expected " + name + " as " + std::string(to_string(dtype)) + " of " +
                                     std::to_string(rank) + " dimensions");
  }

  const Engine::Impl& model_;
  const formats::SafeTensors& file_;
  const JsonView& header_;
};

}  // namespace

Status Cache::save(const std::string& path) const {
  if (!impl_->sequence) return invalid_argument("a cache expected tokens to be saved, found none");
  const CachedSequence& sequence = *impl_->sequence;
  Contents contents;
  contents.add("ids", sequence.prompt.ids.data(), DType::i32, Shape({sequence.tokens()}));
  for (size_t i = 0; i < sequence.positions.sets.size(); ++i) {
    const PositionSet& set = sequence.positions.sets[i];
    contents.add("positions." + std::to_string(i), set.ids.data(), DType::f32, Shape({set.tokens(), set.axes}));
  }
  if (!sequence.outside.empty()) contents.add_ranges("outside", sequence.outside);
  for (int i = 0; i < sequence.state.layers(); ++i) add_layer(sequence.state.layer(i), i, contents);
  std::map<std::string, std::string> metadata = identity(impl_->model);
  metadata["policy"] = sequence.policy;
  metadata["tokens"] = std::to_string(sequence.tokens());
  metadata["sequence"] = sequence_json(sequence).dump();
  return formats::write_safetensors(path, contents.tensors(), metadata);
}

Result<Cache> Cache::load(const Engine& engine, const std::string& path) {
  const Engine::Impl& model = engine.impl();
  if (!model.decoder) return invalid_argument("a cache expected an engine with weights, found one loaded without");
  AZ_ASSIGN_OR_RETURN(formats::SafeTensors file, formats::SafeTensors::open(path));
  file.read_lost_pages_as_zeros();
  AZ_RETURN_IF_ERROR(check_identity(model, file.metadata(), path));
  const auto text = file.metadata().find("sequence");
  if (text == file.metadata().end()) return damaged(path, "expected a description of its sequence, found none");
  AZ_ASSIGN_OR_RETURN(const json header, parse_json(text->second, path));
  const JsonView view(header, path);
  AZ_ASSIGN_OR_RETURN(CachedSequence sequence, Reader(model, file, view).read());
  if (file.lost()) return damaged(path, "was cut short while it was read");
  return Cache(std::make_unique<Impl>(Impl{model, std::move(sequence)}));
}

}  // namespace azimuth
