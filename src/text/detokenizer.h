// Text of ids that arrive one by one, in pieces that are never taken back: no half characters, and together exactly
// what Tokenizer::decode gives for the whole list.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "azimuth/status.h"
#include "text/tokenizer.h"

struct az_detokenizer;

namespace azimuth::text {

class Detokenizer {
 public:
  // The tokenizer's tables are shared; it may be destroyed before the detokenizer.
  static Result<Detokenizer> create(const Tokenizer& tokenizer, bool skip_special);

  // The text that is certain after `id`; often empty while a character is incomplete. Valid until the next call.
  Result<std::string_view> push(int32_t id);

  // What is left, with U+FFFD for bytes that never became a character. The detokenizer is then empty.
  Result<std::string> finish();

 private:
  struct Deleter {
    void operator()(az_detokenizer* detokenizer) const;
  };

  std::unique_ptr<az_detokenizer, Deleter> handle_;
  std::string text_;  // of the last push
};

}  // namespace azimuth::text
