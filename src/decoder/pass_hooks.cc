#include "decoder/pass_hooks.h"

namespace azimuth::decoder {

Status PassHooks::pass_rows(Stage stage, int layer, Tensor& hidden) const {
  const bool writes = context_.hooks != nullptr && context_.hooks->on_write;
  if (context_.tap == nullptr && !writes) return ok_status();
  int64_t row = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    const int64_t tokens = chunks_[i].tokens();
    const TapPoint point{stage, layer, chunks_[i].sequence, marks_.length(i)};
    if (context_.tap != nullptr) {
      (*context_.tap)(point,
                      TensorView::contiguous(hidden.row(row), DType::f32, Shape({tokens, hidden.row_elements()})));
    }
    if (writes) {
      WriteTensor tensor{{hidden.row(row), static_cast<size_t>(tokens * hidden.row_elements())},
                         {tokens, hidden.row_elements()}};
      AZ_RETURN_IF_ERROR(context_.hooks->on_write(point, tensor));
    }
    row += tokens;
  }
  return ok_status();
}

Status PassHooks::enter_layer(int layer, Tensor& hidden) const {
  if (context_.hooks == nullptr || !context_.hooks->on_layer_input) return ok_status();
  int64_t row = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    const int64_t tokens = chunks_[i].tokens();
    LayerEntry entry{layer,
                     chunks_[i].sequence,
                     marks_.length(i),
                     tokens,
                     {hidden.row(row), static_cast<size_t>(tokens * hidden.row_elements())}};
    AZ_RETURN_IF_ERROR(context_.hooks->on_layer_input(entry));
    row += tokens;
  }
  return ok_status();
}

}  // namespace azimuth::decoder
