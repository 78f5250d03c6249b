// Source: transformers, modeling_gemma4.py, Gemma4TextRouter and Gemma4TextDecoderLayer.
#include "decoder/experts_beside.h"

#include <cmath>

namespace azimuth::decoder {
namespace {

void rms(const LayerSpec& spec, const Tensor& weight, const Tensor& in, Tensor& out, ThreadPool& pool) {
  const int64_t width = in.row_elements();
  kernels::rms_norm(in.data(), in.shape()[0], width, width, weight.data(), spec.norm_eps, out.data(), width, pool);
}

}  // namespace

void add_experts_beside(const LayerSpec& spec, const LayerWeights& weights, const Tensor& hidden, MoeWorkspace& work,
                        Tensor& normed, Tensor& update, ThreadPool& pool) {
  rms(spec, weights.dense_post_norm, update, update, pool);
  rms(spec, weights.router_norm, hidden, normed, pool);
  const float scale = 1.0f / std::sqrt(static_cast<float>(hidden.row_elements()));
  for (int64_t i = 0; i < normed.elements(); ++i) normed.data()[i] *= scale;
  route(*spec.experts, weights.experts, normed, work, pool);
  rms(spec, weights.experts_norm, hidden, normed, pool);
  Tensor& sum = work.sum;
  sum.resize(hidden.shape());
  run_experts(spec, weights.experts, normed, work, sum, pool);
  rms(spec, weights.experts_post_norm, sum, sum, pool);
  kernels::add(update.data(), sum.data(), update.elements(), pool);
}

}  // namespace azimuth::decoder
