#include "text/detokenizer.h"

#include "text/rust_border.h"

namespace azimuth::text {

void Detokenizer::Deleter::operator()(az_detokenizer* detokenizer) const {
  az_detokenizer_free(detokenizer);
}

Result<Detokenizer> Detokenizer::create(const Tokenizer& tokenizer, bool skip_special) {
  az_detokenizer* handle = nullptr;
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) {
    return az_detokenizer_create(tokenizer.handle_.get(), skip_special ? 1 : 0, &handle, error);
  }));
  Detokenizer detokenizer;
  detokenizer.handle_.reset(handle);
  return detokenizer;
}

Result<std::string> Detokenizer::push(int32_t id) {
  az_bytes text{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_detokenizer_push(handle_.get(), id, &text, error); }));
  return take_string(text);
}

Result<std::string> Detokenizer::finish() {
  az_bytes text{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_detokenizer_finish(handle_.get(), &text, error); }));
  return take_string(text);
}

}  // namespace azimuth::text
