// A model's tokenizer and chat template.
#include "azimuth/tokenizer.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "engine.h"
#include "json_value.h"

namespace azimuth::python {

void bind_tokenizer(nb::module_& module) {
  nb::class_<TokenizerInfo>(module, "TokenizerInfo")
      .def_ro("tokenizer_class", &TokenizerInfo::tokenizer_class)
      .def_ro("vocab_size", &TokenizerInfo::vocab_size)
      .def_ro("special_tokens", &TokenizerInfo::special_tokens)
      .def_ro("named_tokens", &TokenizerInfo::named_tokens)
      .def_ro("has_chat_template", &TokenizerInfo::has_chat_template);
  module.def("tokenizer_info", [](const EngineHandle& engine) { return tokenizer_info(*engine.get()); });
  module.def(
      "encode",
      [](const EngineHandle& engine, const std::string& text, bool add_special_tokens, bool parse_special) {
        return to_numpy(unwrap(encode_text(*engine.get(), text, {add_special_tokens, parse_special})));
      },
      nb::sig("def encode(engine: Engine, text: str, add_special_tokens: bool, parse_special: bool) -> "
              "numpy.typing.NDArray[numpy.int32]"));
  module.def(
      "decode",
      [](const EngineHandle& engine, const std::vector<int32_t>& ids, bool skip_special) {
        return text_value(unwrap(decode_ids(*engine.get(), ids, skip_special)));
      },
      nb::sig("def decode(engine: Engine, ids: collections.abc.Sequence[int], skip_special: bool) -> str"));
  module.def("token_to_id",
             [](const EngineHandle& engine, const std::string& token) { return token_to_id(*engine.get(), token); });
  module.def("id_to_token", [](const EngineHandle& engine, int32_t id) { return id_to_token(*engine.get(), id); });
  module.def("render_chat", [](const EngineHandle& engine, const std::string& messages, const std::string& kwargs,
                               bool add_generation_prompt) {
    return unwrap(render_chat(*engine.get(), messages, {kwargs, add_generation_prompt}));
  });
}

}  // namespace azimuth::python
