#include "text/detokenizer.h"

#include "text/rust_border.h"

namespace azimuth::text {
namespace {

constexpr size_t kTextRoom = 512;  // bytes; more than a token of any vocabulary has, so that no token asks for memory

}  // namespace

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
  detokenizer.text_.reserve(kTextRoom);
  return detokenizer;
}

Result<std::string_view> Detokenizer::push(int32_t id) {
  az_bytes text{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_detokenizer_push(handle_.get(), id, &text, error); }));
  text_.assign(text.data, text.size);
  az_bytes_free(text);
  return std::string_view(text_);
}

Result<std::string> Detokenizer::finish() {
  az_bytes text{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_detokenizer_finish(handle_.get(), &text, error); }));
  return take_string(text);
}

}  // namespace azimuth::text
