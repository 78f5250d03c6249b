#include "engine/given_embeddings.h"

#include <cstring>

#include "base/counted.h"
#include "engine/held_media.h"
#include "prompt/build_prompt.h"

namespace azimuth::engine {
namespace {

Status check_embeddings(const FloatArray& embeddings, int64_t hidden) {
  const bool fits = embeddings.shape.size() == 2 && embeddings.shape[1] == hidden && embeddings.elements() > 0;
  if (fits) return check_finite(embeddings.values(), "embeddings");
  std::string found;
  for (const int64_t size : embeddings.shape) found += (found.empty() ? "[" : ", ") + std::to_string(size);
  return invalid_argument("embeddings expected an array of shape [tokens, " + std::to_string(hidden) + "], found " +
                          (found.empty() ? "[" : found) + "]");
}

// Ids of rows that are, bit for bit, what the decoder embeds `known` as; -1 for all others.
Result<std::vector<int32_t>> ids_of_rows(const decoder::Decoder& decoder, const FloatArray& embeddings,
                                         const std::vector<int32_t>& known) {
  const int64_t rows = embeddings.shape[0];
  const int64_t hidden = embeddings.shape[1];
  AZ_ASSIGN_OR_RETURN(const Tensor embedded, decoder.embed(known));
  std::vector<int32_t> ids(static_cast<size_t>(rows), -1);
  const size_t bytes = static_cast<size_t>(hidden) * sizeof(float);
  for (int64_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < known.size(); ++i) {
      const float* const values = embeddings.data.get() + row * hidden;
      if (std::memcmp(values, embedded.row(static_cast<int64_t>(i)), bytes) == 0) {
        ids[static_cast<size_t>(row)] = known[i];
        break;
      }
    }
  }
  return ids;
}

// The ids that mean something by themselves: placeholders of media, and tokens with rows of their own beside images.
std::vector<int32_t> telling_ids(const Engine::Impl& model) {
  const prompt::PlaceholderIds placeholders = prompt::placeholder_ids(model.spec.prompt, *model.tokenizer);
  std::vector<int32_t> ids;
  if (placeholders.image >= 0) ids.push_back(placeholders.image);
  if (placeholders.video >= 0 && placeholders.video != placeholders.image) ids.push_back(placeholders.video);
  for (const int64_t id : model.spec.text.media_token_ids) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

bool has_text(const Request& request) {
  return request.has_ids || request.has_prompt || !request.messages.empty();
}

bool has_media(const Request& request) {
  return !request.media.empty() || !request.images.empty() || !request.panoramas.empty() || !request.videos.empty();
}

}  // namespace

Result<PreparedSample> prepare_embeddings(const Engine::Impl& model, const Request& request,
                                          const FloatArray& embeddings) {
  AZ_RETURN_IF_ERROR(check_embeddings(embeddings, model.spec.text.hidden));
  const bool knows_ids = has_text(request);
  if (!knows_ids && model.spec.text.per_layer_vocab > 0) {
    return invalid_argument(
        "a model with per-layer embeddings expected the id of every token, found embeddings only; give the ids as "
        "well");
  }
  PromptOptions options;
  options.unknown_ids = true;
  options.rows_are_final = !has_media(request) && request.messages.empty();
  Request with_ids = request;
  if (!knows_ids) {
    with_ids.has_ids = true;
    AZ_ASSIGN_OR_RETURN(
        with_ids.ids,
        ids_of_rows(*model.decoder, embeddings, options.rows_are_final ? std::vector<int32_t>() : telling_ids(model)));
  }
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, prepare_prompt(model, with_ids, options));
  if (static_cast<int64_t>(sample.prompt.ids.size()) == embeddings.shape[0]) return sample;
  return invalid_argument("embeddings of " + counted(embeddings.shape[0], "token") + " came with " +
                          counted(static_cast<int64_t>(sample.prompt.ids.size()), "id") +
                          "; the two counts must be equal");
}

}  // namespace azimuth::engine
