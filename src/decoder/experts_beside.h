// Experts beside a layer's dense MLP (Gemma 4).
#pragma once

#include "decoder/moe.h"

namespace azimuth::decoder {

// update = norm(update) + norm(experts(norm(hidden))), where `update` [rows, hidden] arrives as the dense MLP's output
// and the router reads `hidden` [rows, hidden], the layer's residual, with a norm of its own. `normed` [rows, hidden]
// is scratch.
void add_experts_beside(const LayerSpec& spec, const LayerWeights& weights, const Tensor& hidden, MoeWorkspace& work,
                        Tensor& normed, Tensor& update, ThreadPool& pool);

}  // namespace azimuth::decoder
