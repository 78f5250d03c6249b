// Encodings that add something instead of turning pairs (positions.md, section 1). Their ids are vanilla's; what is
// added is in positions/embedding, positions/score and decoder/score_term.
#include "positions/layout/layouts.h"

namespace azimuth::positions {
namespace {

Parameter score_scale_parameter() {
  return {.name = "score_scale", .help = "multiplies q.k; unset: the model's own", .min = 1e-6, .max = 1e6};
}

Parameter count_parameter(std::string name, std::string fallback, std::string help, double min) {
  return {.name = std::move(name),
          .kind = ParameterKind::count,
          .fallback = std::move(fallback),
          .help = std::move(help),
          .min = min,
          .max = 1 << 20};
}

}  // namespace

Policy sinusoidal_policy() {
  return {.name = "sinusoidal",
          .summary = "sines and cosines of the index, added to the embeddings",
          .source = "Vaswani et al. (arXiv 1706.03762)",
          .aliases = {{"sinusoidal_(vaswani|transformer_xl|tensor2tensor|cora)", "kind=$1"}},
          .parameters = {{.name = "kind",
                          .kind = ParameterKind::word,
                          .fallback = "vaswani",
                          .help = "layout of sines and cosines, and which frequencies",
                          .words = {"vaswani", "transformer_xl", "tensor2tensor", "cora"}},
                         count_parameter("offset", "0", "added to the index (M2M100: 2)", 0)},
          .mechanism = Mechanism::embedding,
          .layout = layout_vanilla};
}

Policy learned_policy() {
  return {.name = "learned",
          .summary = "a learned vector for each index, added to the embeddings",
          .source = "OPT, GPT-2, BERT",
          .parameters = {count_parameter("rows", "2048", "of the table, where the checkpoint has none", 1),
                         count_parameter("offset", "0", "added to the index (OPT: 2)", 0),
                         count_parameter("interpolate", "0", "stretch the table over this many positions; 0: no", 0)},
          .mechanism = Mechanism::embedding,
          .layout = layout_vanilla};
}

Policy shaw_policy() {
  return {.name = "shaw",
          .summary = "a learned vector for each clipped distance, multiplied with the query",
          .source = "Shaw et al. (arXiv 1803.02155)",
          .aliases = {{"shaw_relative_key", ""}},
          .parameters =
              {count_parameter("left", "64", "largest distance to earlier tokens", 0),
               count_parameter("right", "8", "largest distance to later tokens", 0),
               {.name = "values", .kind = ParameterKind::flag, .fallback = "0", .help = "1: also added to the values"}},
          .mechanism = Mechanism::score_term,
          .layout = layout_vanilla};
}

Policy transformer_xl_policy() {
  return {.name = "transformer_xl",
          .summary = "sinusoids of the distance, projected; memory of the segment before",
          .source = "Transformer-XL (arXiv 1901.02860)",
          .aliases = {{"transformer_xl_.*", ""}},
          .parameters =
              {count_parameter("segment", "128", "tokens of a segment", 1),
               count_parameter("memory", "128", "hidden states kept of the segments before", 0),
               count_parameter("clamp", "0", "largest distance; 0: none", 0),
               {.name = "untied", .kind = ParameterKind::flag, .fallback = "0", .help = "1: u and v for each layer"}},
          .mechanism = Mechanism::score_term,
          .layout = layout_vanilla};
}

Policy t5_policy() {
  return {.name = "t5",
          .summary = "a learned bias for each head and bucket of distances",
          .source = "T5 (arXiv 1910.10683)",
          .aliases = {{"t5_buckets_([0-9]+)_([0-9]+)", "buckets=$1,distance=$2"}},
          .parameters = {count_parameter("buckets", "32", "of distances", 2),
                         count_parameter("distance", "128", "where the last bucket begins", 2),
                         {.name = "bidirectional",
                          .kind = ParameterKind::flag,
                          .fallback = "0",
                          .help = "1: half of the buckets for later tokens"},
                         score_scale_parameter()},
          .mechanism = Mechanism::score_term,
          .layout = layout_vanilla};
}

Policy alibi_policy() {
  return {.name = "alibi",
          .summary = "scores fall linearly with the distance, each head with its own slope",
          .source = "ALiBi (arXiv 2108.12409), BLOOM, MPT",
          .aliases = {{"alibi_(slopes|bias).*", ""}},
          .mechanism = Mechanism::score_term,
          .layout = layout_vanilla};
}

Policy cable_policy() {
  return {.name = "cable",
          .summary = "scores fall with the distance as the content in between decides",
          .source = "CABLE (arXiv 2503.08067, axiomlab/Cable)",
          .aliases = {{"cable_bias", ""}},
          .parameters = {score_scale_parameter()},
          .mechanism = Mechanism::score_term,
          .layout = layout_vanilla};
}

Policy glin_policy() {
  return {.name = "glin",
          .summary = "no definition of it has been published: no paper, repository or page says what it computes",
          .source = "named in a survey",
          .mechanism = Mechanism::reserved,
          .layout = layout_vanilla};
}

}  // namespace azimuth::positions
