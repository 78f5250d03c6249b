#include "engine/prepare.h"

namespace azimuth::engine {
Result<SampleFeatures> encode_media(const Engine::Impl& model, const PreparedSample& sample,
                                    const RunContext& context) {
  int64_t total = 0;
  for (const auto& image : sample.images) total += image.grid.cells();
  for (const auto& video : sample.videos) total += video.patches.grid.cells();
  SampleFeatures out;
  int64_t done = 0;
  const auto encode = [&](const preprocess::Patches& patches, std::vector<MediaFeatures>& to) -> Status {
    const int64_t part = patches.grid.cells();
    AZ_ASSIGN_OR_RETURN(MediaFeatures features,
                        model.tower->encode(patches.pixels, patches.grid, context.share(done, part, total)));
    to.push_back(std::move(features));
    done += part;
    return ok_status();
  };
  for (const auto& image : sample.images) AZ_RETURN_IF_ERROR(encode(image, out.images));
  for (const auto& video : sample.videos) AZ_RETURN_IF_ERROR(encode(video.patches, out.videos));
  return out;
}

}  // namespace azimuth::engine
