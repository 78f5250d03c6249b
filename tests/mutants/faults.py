"""The faults: in which file what is replaced by what, and which mistake it stands for.

`old` must occur exactly once in the file; a fault whose text is gone is an error, so that this list follows the sources.
`test` names the unit test that sees the fault where it cannot reach a trace; the golden traces are asked first.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    old: str
    new: str
    why: str
    test: str = ""  # a target azimuth_<test>_test, asked where the golden traces stay green


FAULTS = [
    # Preprocessing
    Fault("round-half-up", "src/preprocess/smart_resize.cc",
          "std::nearbyint(static_cast<double>(value) / static_cast<double>(factor))",
          "std::floor(static_cast<double>(value) / static_cast<double>(factor) + 0.5)",
          "smart_resize rounds half up instead of to the even neighbour"),
    Fault("floor-is-ceil", "src/preprocess/smart_resize.cc",
          "static_cast<int64_t>(std::floor(value / static_cast<double>(factor))) * factor",
          "static_cast<int64_t>(std::ceil(value / static_cast<double>(factor))) * factor",
          "a picture over the pixel budget is rounded up"),
    Fault("mean-and-std-swapped", "src/preprocess/patchify.cc",
          "x = (x - mean) / std;\n    } else if",
          "x = (x - std) / mean;\n    } else if",
          "normalisation exchanges mean and standard deviation"),
    Fault("temporal-not-repeated", "src/preprocess/patchify.cc",
          "return *frames_[std::min<int64_t>(index, static_cast<int64_t>(frames_.size()) - 1)];",
          "return *frames_[index % static_cast<int64_t>(frames_.size())];",
          "a temporal patch that the frames do not fill takes the first frames again instead of the last"),
    Fault("temporal-before-channel", "src/preprocess/patchify.cc",
          """    for (int64_t c = 0; c < kChannels; ++c) {
      for (int64_t f = 0; f < temporal_; ++f) out = write_plane(frame(t * temporal_ + f), y, x, c, out);
    }""",
          """    for (int64_t f = 0; f < temporal_; ++f) {
      for (int64_t c = 0; c < kChannels; ++c) out = write_plane(frame(t * temporal_ + f), y, x, c, out);
    }""",
          "the values of a patch are ordered time, channel instead of channel, time"),
    Fault("raster-patches", "src/preprocess/patchify.cc",
          "return {block / blocks_per_row * merge_ + in_block_y, block % blocks_per_row * merge_ + in_block_x};",
          "return {index / grid_.w + 0 * (block + in_block_y), index % grid_.w + 0 * (blocks_per_row + in_block_x)};",
          "patches leave in raster order instead of merge blocks"),
    Fault("bicubic-a", "src/media/resize.cc", "constexpr double a = -0.5;", "constexpr double a = -0.75;",
          "Keys' parameter of the bicubic filter is OpenCV's instead of Pillow's"),
    # Tower
    Fault("align-corners", "src/positions/tower/patch_positions.cc",
          """  const float source = static_cast<float>(target) * static_cast<float>(side - 1) /
                       static_cast<float>(std::max<int64_t>(targets - 1, 1));""",
          """  const float source = std::max(0.0f, (static_cast<float>(target) + 0.5f) * static_cast<float>(side) /
                       static_cast<float>(targets) - 0.5f);""",
          "the learned grid is resampled with align_corners = false"),
    Fault("tower-x-y", "src/positions/tower/patch_positions.cc",
          "ids.push_back(static_cast<float>(patch.row));\n    ids.push_back(static_cast<float>(patch.column));",
          "ids.push_back(static_cast<float>(patch.column));\n    ids.push_back(static_cast<float>(patch.row));",
          "x and y exchanged in the tower's rotary embedding"),
    Fault("tower-frequencies", "src/positions/tower/patch_positions.cc",
          "static_cast<float>(2 * k) / static_cast<float>(vision.head_dim / 2)",
          "static_cast<float>(2 * k) / static_cast<float>(vision.head_dim)",
          "the tower's spectrum is that of the whole head instead of half of it"),
    Fault("frame-cut-short", "src/vision/tower.cc",
          "for (int64_t frame = 0; frame < grid.t; ++frame) attend_frame(spec, rotary, frame * per_frame, per_frame, work, pool);",
          "attend_frame(spec, rotary, 0, per_frame, work, pool);\n"
          "  for (int64_t frame = 1; frame < grid.t; ++frame) attend_frame(spec, rotary, frame * per_frame, per_frame - 1, work, pool);",
          "the last patch of every later frame is left out of its attention"),
    Fault("tower-scale", "src/vision/tower.cc", "args.scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));",
          "args.scale = 1.0f / std::sqrt(static_cast<float>(spec.hidden));",
          "the tower's attention is scaled by the hidden size instead of the head's"),
    Fault("tower-eps", "src/models/qwen3_vl.cc", "constexpr float kTowerNormEps = 1e-6f;", "constexpr float kTowerNormEps = 1e-5f;",
          "epsilon of the tower's norms times ten"),
    Fault("tower-gelu", "src/models/parts/config_keys.cc",
          'if (name == "gelu_pytorch_tanh" || name == "gelu_new") return Activation::gelu_tanh;',
          'if (name == "gelu_pytorch_tanh" || name == "gelu_new") return Activation::gelu_erf;',
          "exact GELU where the config names the tanh form"),
    Fault("merger-gelu", "src/vision/projector.cc", "kernels::activate(Activation::gelu_erf,", "kernels::activate(Activation::gelu_tanh,",
          "the tower's GELU in the merger, which uses the exact one"),
    Fault("merger-norm-order", "src/vision/projector.cc",
          "const int64_t norm_width = spec.norm_after_shuffle ? cell_width : width;\n  Tensor normed",
          "const int64_t norm_width = spec.norm_after_shuffle ? width : width;\n  Tensor normed",
          "DeepStack's mergers normalise before the shuffle, as the main one does"),
    Fault("deepstack-late", "src/vision/tower.cc", "if (spec_.deepstack[level].tower_layer != layer) continue;",
          "if (std::min(spec_.deepstack[level].tower_layer + 1, spec_.layers - 1) != layer) continue;",
          "DeepStack takes its features one tower layer too late"),
    # Injection and positions
    Fault("deepstack-layer", "src/decoder/inject.cc", "stream.layer = static_cast<int>(level);",
          "stream.layer = static_cast<int>(level + 1 < layers ? level + 1 : level);",
          "DeepStack's features are added one decoder layer too late"),
    Fault("feature-order", "src/decoder/inject.cc",
          "for (int64_t token = span.begin; token < span.end; ++token) out.push_back({token, &media, row++});",
          "for (int64_t token = span.end; token-- > span.begin;) out.push_back({token, &media, row++});",
          "features of a span are injected back to front"),
    Fault("positions-h-w", "src/positions/layout/mrope.cc",
          """        set.ids.push_back(start + static_cast<float>(r));
        set.ids.push_back(start + static_cast<float>(c));""",
          """        set.ids.push_back(start + static_cast<float>(c));
        set.ids.push_back(start + static_cast<float>(r));""",
          "height and width exchanged in the decoder's position ids"),
    Fault("id-plus-one", "src/positions/layout/mrope.cc",
          "set.ids.push_back(start + static_cast<float>(i));",
          "set.ids.push_back(start + static_cast<float>(i) + 1.0f);",
          "time ids of visual tokens off by one"),
    Fault("text-after-image", "src/positions/layout/mrope.cc",
          "const int64_t extent = std::max(grid.t, spatial);",
          "const int64_t extent = std::max(grid.t, spatial) + (grid.w > grid.h ? 1 : 0);",
          "text after a wide picture starts one id late"),
    Fault("delta-forgotten", "src/positions/table.cc",
          "const float id = next_decode + static_cast<float>(step);",
          "const float id = static_cast<float>(tokens() + step);",
          "decoding counts tokens and forgets the delta of the prompt"),
    Fault("interleave", "src/positions/frequency/allocation.cc",
          "const int pair = axis + 3 * k;",
          "const int pair = 3 - axis + 3 * k;",
          "height and width exchange their pairs in the interleaved section"),
    Fault("linear-scaling-twice", "src/positions/frequency/spectrum.cc",
          "for (float& f : spectrum.inv_freq) f /= static_cast<float>(rope.factor);",
          "for (float& f : spectrum.inv_freq) f /= static_cast<float>(rope.factor * rope.factor);",
          "the factor of linear scaling is applied twice"),
    Fault("llama3-ramp", "src/positions/frequency/spectrum.cc",
          "f = (1.0f - smooth) * f / factor + smooth * f;",
          "f = smooth * f / factor + (1.0f - smooth) * f;",
          "Llama 3's ramp between the frequencies runs the wrong way"),
    Fault("yarn-attention", "src/positions/frequency/spectrum.cc",
          "spectrum.attention_scale = static_cast<float>(yarn_attention_factor(rope));",
          "spectrum.attention_scale = 1.0f;",
          "YaRN's attention factor is left out"),
    # Decoder
    Fault("mask-off-by-one", "src/decoder/attention_layer.cc",
          "ranges[static_cast<size_t>(i)] = {first, query + 1};",
          "ranges[static_cast<size_t>(i)] = {first, std::max<CacheIndex>(query, 1)};",
          "a token does not see itself"),
    Fault("window-plus-one", "src/decoder/attention_layer.cc",
          "std::max<CacheIndex>(0, query - spec.window + 1)",
          "std::max<CacheIndex>(0, query - spec.window)",
          "a window of W keys holds W + 1"),
    Fault("key-norm-weight", "src/decoder/attention_layer.cc",
          "kernels::rms_norm(work.keys.data(), rows * spec.kv_heads, spec.head_dim, spec.head_dim, weights.key_norm.data(),",
          "kernels::rms_norm(work.keys.data(), rows * spec.kv_heads, spec.head_dim, spec.head_dim, weights.query_norm.data(),",
          "keys are normalised with the weight of the queries"),
    Fault("attention-scale", "src/models/parts/dense_decoder.cc",
          "layer.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));",
          "layer.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(hidden / heads)));",
          "attention is scaled by hidden / heads although head_dim is given"),
    Fault("text-eps", "src/models/parts/dense_decoder.cc",
          "layer.norm_eps = static_cast<float>(eps);",
          "layer.norm_eps = static_cast<float>(10 * eps);",
          "epsilon of the decoder's norms times ten"),
    Fault("attention-bias", "src/models/parts/dense_decoder.cc",
          "layer.output_bias = attention_bias;", "layer.output_bias = false;",
          "attention_bias is not read for the output projection"),
    Fault("tie-ignored", "src/models/qwen3_vl.cc",
          'AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", spec.text.tied_head));',
          'AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", true)); spec.text.tied_head = true;',
          "the embedding serves as output layer although the checkpoint has its own"),
    Fault("final-norm-eps", "src/models/parts/dense_decoder.cc",
          "text.final_norm_eps = layer.norm_eps;", "text.final_norm_eps = 100 * layer.norm_eps;",
          "epsilon of the final norm times a hundred"),
]  # fmt: skip
