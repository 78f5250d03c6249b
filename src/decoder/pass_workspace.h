// The memory of forward passes. Kept from one pass to the next, it leaves a pass of no more rows than any before it
// nothing to ask the heap for, so that decoding costs no allocation for a token.
#pragma once

#include "decoder/attention_layer.h"
#include "decoder/cache_marks.h"
#include "decoder/linear_attention.h"
#include "decoder/mlp.h"
#include "decoder/per_layer_inputs.h"
#include "decoder/rotations.h"

namespace azimuth::decoder {

// Of one decoder, and of one pass at a time.
struct PassWorkspace {
  Tensor hidden;  // [rows, hidden]; behind a pass: its result
  Tensor normed;  // [rows, hidden]
  Tensor update;  // [rows, hidden]
  Tensor last;    // [chunks, hidden]: last tokens, where others are left unfinished
  CacheMarks marks;
  Rotations rotations;
  AttentionWorkspace attention;
  LinearWorkspace linear;
  MlpWorkspace mlp;
  PerLayerWorkspace per_layer;

  void resize(const TextSpec& spec, int64_t rows) {
    for (Tensor* tensor : {&hidden, &normed, &update}) tensor->resize({rows, spec.hidden});
    attention.resize(spec, rows);
    mlp.resize(spec, rows);
  }
};

}  // namespace azimuth::decoder
