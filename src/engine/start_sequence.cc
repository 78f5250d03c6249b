#include "engine/start_sequence.h"

#include <algorithm>

namespace azimuth::engine {

Result<SequenceOptions> sequence_options(const Request& request) {
  SequenceOptions options;
  options.policy = request.positions;
  if (request.keys == "raw") {
    options.keys = decoder::KeyStorage::raw;
  } else if (!request.keys.empty() && request.keys != "rotated") {
    return invalid_argument("keys expected \"rotated\" or \"raw\", found \"" + request.keys + "\"");
  }
  if (request.frequencies == "as-reference") {
    options.frequencies = FrequencyMode::as_reference;
  } else if (!request.frequencies.empty() && request.frequencies != "rerotate") {
    return invalid_argument("frequencies expected \"rerotate\" or \"as-reference\", found \"" + request.frequencies +
                            "\"");
  }
  if (options.keys == decoder::KeyStorage::raw && options.frequencies == FrequencyMode::as_reference) {
    return invalid_argument(
        "frequencies=as-reference keeps the turn of cached keys and expected keys=rotated, found raw");
  }
  return options;
}

Result<Sequence> start_sequence(const Engine::Impl& model, const SequenceOptions& options, const PreparedSample& sample,
                                decoder::DecoderInput input, int64_t length) {
  FrequencyGrowth growth;
  growth.mode = options.frequencies;
  growth.length = length_of(sample.positions);
  if (options.frequencies == FrequencyMode::as_reference) growth.length = std::max(growth.length, length);
  AZ_ASSIGN_OR_RETURN(const PolicyChoice choice, choose_policy(model, options.policy, growth.length));
  if (depends_on_length(model.spec.text)) {
    growth.encoding_for =
        [&model, policy = options.policy](int64_t grown) -> Result<std::shared_ptr<const decoder::PositionEncoding>> {
      AZ_ASSIGN_OR_RETURN(const PolicyChoice longer, choose_policy(model, policy, grown));
      return longer.encoding;
    };
  }
  return Sequence{
      sample.prompt,    std::move(input), sample.positions, choice.encoding, model.decoder->new_cache(options.keys),
      std::move(growth)};
}

}  // namespace azimuth::engine
