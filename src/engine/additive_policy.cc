#include "engine/additive_policy.h"

#include <algorithm>
#include <string>

#include "decoder/terms/alibi_term.h"
#include "decoder/terms/cable_term.h"
#include "decoder/terms/shaw_term.h"
#include "decoder/terms/t5_term.h"
#include "decoder/terms/transformer_xl_term.h"
#include "positions/embedding/learned.h"
#include "positions/embedding/sinusoidal.h"

namespace azimuth::engine {
namespace {

using positions::Parameters;

constexpr int64_t kMaxMadeElements = int64_t{1} << 28;  // 1 GiB

// What each maker reads.
struct Sources {
  const Parameters& parameters;
  const TextSpec& text;
  const PositionWeights& weights;
  ThreadPool& pool;

  int64_t made_elements = 0;

  // A tensor whose shape the model gives.
  Result<std::shared_ptr<const Tensor>> tensor(const std::string& name, const Shape& shape) const {
    return weights.get(name, shape);
  }
  // A tensor whose shape the policy's parameters give.
  Result<std::shared_ptr<const Tensor>> table(const std::string& name, const Shape& shape) {
    if (weights.find(name) == nullptr) AZ_RETURN_IF_ERROR(take(shape.elements()));
    return weights.get(name, shape);
  }
  // Counts memory that the policy's parameters, and no file, ask for.
  Status take(int64_t elements) {
    made_elements += elements;
    if (made_elements <= kMaxMadeElements) return ok_status();
    return resource_exhausted("a position policy expected tables of at most " + std::to_string(kMaxMadeElements) +
                              " numbers, found parameters that ask for more; make them smaller");
  }
  std::optional<float> score_scale() const {
    if (!parameters.has("score_scale")) return std::nullopt;
    return static_cast<float>(parameters.number("score_scale"));
  }
};

std::string layer_name(size_t layer, const std::string& part) {
  return "layers." + std::to_string(layer) + "." + part;
}

// Query heads of all layers; an encoding that layers share needs one number.
Result<int> shared_heads(const TextSpec& text, const std::string& policy) {
  const int heads = text.layers.empty() ? 0 : text.layers.front().heads;
  for (const LayerSpec& layer : text.layers) {
    if (layer.heads == heads) continue;
    return unsupported("policy " + policy + " expected the same number of query heads in all layers, found " +
                       std::to_string(heads) + " and " + std::to_string(layer.heads));
  }
  return heads;
}

Status make_sinusoidal(Sources& from, AdditiveParts& parts) {
  AZ_ASSIGN_OR_RETURN(const positions::SinusoidKind kind, positions::parse_sinusoid_kind(from.parameters.word("kind")));
  AZ_ASSIGN_OR_RETURN(positions::Sinusoid sinusoid, positions::Sinusoid::create(kind, from.text.hidden));
  parts.embedding = std::make_shared<positions::SinusoidalEmbedding>(
      std::move(sinusoid), static_cast<float>(from.parameters.count("offset")));
  return ok_status();
}

Status make_learned(Sources& from, AdditiveParts& parts) {
  const positions::LearnedOptions options{.offset = from.parameters.count("offset"),
                                          .interpolate = from.parameters.count("interpolate")};
  const Tensor* found = from.weights.find("table");
  int64_t rows = from.parameters.count("rows");
  if (found != nullptr && found->shape().rank() == 2 && !from.parameters.given("rows")) rows = found->shape()[0];
  AZ_ASSIGN_OR_RETURN(std::shared_ptr<const Tensor> table, from.table("table", Shape({rows, from.text.hidden})));
  AZ_ASSIGN_OR_RETURN(positions::LearnedEmbedding embedding,
                      positions::LearnedEmbedding::create(std::move(table), options));
  parts.embedding = std::make_shared<positions::LearnedEmbedding>(std::move(embedding));
  return ok_status();
}

Status make_shaw(Sources& from, AdditiveParts& parts) {
  const positions::RelativeClip clip{from.parameters.count("left"), from.parameters.count("right")};
  decoder::ShawTerm::Tables keys;
  decoder::ShawTerm::Tables values;
  for (size_t i = 0; i < from.text.layers.size(); ++i) {
    const LayerSpec& layer = from.text.layers[i];
    AZ_ASSIGN_OR_RETURN(auto table, from.table(layer_name(i, "relative_keys"), Shape({clip.rows(), layer.head_dim})));
    keys.push_back(std::move(table));
    if (!from.parameters.flag("values")) continue;
    AZ_ASSIGN_OR_RETURN(auto sums, from.table(layer_name(i, "relative_values"), Shape({clip.rows(), layer.value_dim})));
    values.push_back(std::move(sums));
  }
  parts.score_term = std::make_shared<decoder::ShawTerm>(clip, std::move(keys), std::move(values));
  return ok_status();
}

Status make_t5(Sources& from, AdditiveParts& parts) {
  AZ_ASSIGN_OR_RETURN(const int heads, shared_heads(from.text, "t5"));
  const positions::T5BucketOptions options{.buckets = static_cast<int>(from.parameters.count("buckets")),
                                           .max_distance = from.parameters.count("distance"),
                                           .bidirectional = from.parameters.flag("bidirectional")};
  AZ_ASSIGN_OR_RETURN(positions::T5Buckets buckets, positions::T5Buckets::create(options));
  AZ_ASSIGN_OR_RETURN(auto bias, from.table("relative_bias", Shape({options.buckets, heads})));
  parts.score_term = std::make_shared<decoder::T5Term>(std::move(buckets), std::move(bias), from.score_scale());
  return ok_status();
}

Status make_alibi(Sources& from, AdditiveParts& parts) {
  parts.score_term = std::make_shared<decoder::AlibiTerm>(from.text);
  return ok_status();
}

Status make_cable(Sources& from, AdditiveParts& parts) {
  AZ_ASSIGN_OR_RETURN(const int heads, shared_heads(from.text, "cable"));
  std::vector<decoder::CableTerm::LayerWeights> layers;
  for (size_t i = 0; i < from.text.layers.size(); ++i) {
    decoder::CableTerm::LayerWeights layer;
    AZ_ASSIGN_OR_RETURN(layer.weight, from.tensor(layer_name(i, "slope.weight"), Shape({heads, from.text.hidden})));
    AZ_ASSIGN_OR_RETURN(layer.bias, from.tensor(layer_name(i, "slope.bias"), Shape({heads})));
    layers.push_back(std::move(layer));
  }
  parts.score_term = std::make_shared<decoder::CableTerm>(heads, std::move(layers), from.score_scale());
  return ok_status();
}

// Sinusoids of the distances 0, 1, ...: [distances, hidden].
Result<Tensor> distance_waves(int64_t distances, int hidden) {
  AZ_ASSIGN_OR_RETURN(const positions::Sinusoid sinusoid,
                      positions::Sinusoid::create(positions::SinusoidKind::transformer_xl, hidden));
  Tensor waves({distances, hidden});
  for (int64_t distance = 0; distance < distances; ++distance) {
    sinusoid.write(static_cast<float>(distance), waves.row(distance));
  }
  return waves;
}

// projection [heads * head_dim, hidden], waves [distances, hidden] -> [distances, heads * head_dim]
Result<Tensor> project(const Tensor& projection, const Tensor& waves, ThreadPool& pool) {
  AZ_ASSIGN_OR_RETURN(const kernels::PackedMatrix matrix,
                      kernels::PackedMatrix::pack(projection.view(), kernels::WeightType::f32, pool));
  Tensor out({waves.shape()[0], projection.shape()[0]});
  kernels::matmul(matrix, waves.data(), waves.shape()[0], waves.row_elements(), nullptr, out.data(), out.row_elements(),
                  pool);
  return out;
}

Status make_transformer_xl(Sources& from, AdditiveParts& parts) {
  const positions::SegmentMemory segments{.segment = from.parameters.count("segment"),
                                          .memory = from.parameters.count("memory")};
  const int64_t clamp = from.parameters.count("clamp");
  const int64_t distances = clamp == 0 ? segments.distances() : std::min(clamp + 1, segments.distances());
  AZ_RETURN_IF_ERROR(from.take(distances * from.text.hidden));
  AZ_ASSIGN_OR_RETURN(const Tensor waves, distance_waves(distances, from.text.hidden));
  const bool untied = from.parameters.flag("untied");
  std::vector<decoder::TransformerXlTerm::LayerWeights> layers;
  for (size_t i = 0; i < from.text.layers.size(); ++i) {
    const LayerSpec& spec = from.text.layers[i];
    const std::string place = untied ? layer_name(i, "") : "";
    const Shape biases({spec.heads, spec.head_dim});
    decoder::TransformerXlTerm::LayerWeights layer;
    AZ_ASSIGN_OR_RETURN(layer.content_bias, from.tensor(place + "content_bias", biases));
    AZ_ASSIGN_OR_RETURN(layer.position_bias, from.tensor(place + "position_bias", biases));
    AZ_ASSIGN_OR_RETURN(const auto projection,
                        from.tensor(layer_name(i, "relative_projection"),
                                    Shape({int64_t{spec.heads} * spec.head_dim, from.text.hidden})));
    AZ_RETURN_IF_ERROR(from.take(distances * projection->shape()[0]));
    AZ_ASSIGN_OR_RETURN(layer.relative, project(*projection, waves, from.pool));
    layers.push_back(std::move(layer));
  }
  parts.score_term = std::make_shared<decoder::TransformerXlTerm>(segments, from.text.hidden, std::move(layers));
  return ok_status();
}

struct Maker {
  const char* policy;
  Status (*make)(Sources& from, AdditiveParts& parts);
};

constexpr Maker kMakers[] = {
    {"sinusoidal", make_sinusoidal},
    {"learned", make_learned},
    {"shaw", make_shaw},
    {"transformer_xl", make_transformer_xl},
    {"t5", make_t5},
    {"alibi", make_alibi},
    {"cable", make_cable},
};

}  // namespace

Result<AdditiveParts> make_additive_parts(const positions::PolicyInstance& policy, const TextSpec& text,
                                          const PositionWeights& weights, ThreadPool& pool) {
  AdditiveParts parts;
  if (policy.policy->mechanism == positions::Mechanism::rotary) return parts;
  for (const Maker& maker : kMakers) {
    if (policy.policy->name != maker.policy) continue;
    Sources from{policy.parameters, text, weights, pool};
    AZ_RETURN_IF_ERROR(maker.make(from, parts));
    return parts;
  }
  return internal_error("policy " + policy.policy->name + " adds something that no part of the decoder makes");
}

}  // namespace azimuth::engine
