// A tower whose tokens see all tiles of a picture at once (mllama).
#pragma once

#include "preprocess/preprocess.h"
#include "vision/tower.h"

namespace azimuth::vision {

// 1-based place of a canvas of rows x columns tiles among all of at most `tiles` tiles, by rows, then by columns.
int64_t aspect_ratio_id(int64_t rows, int64_t columns, int64_t tiles);

// Features of one picture, for decoder layers that attend to them: [places for tiles * (class token and patches),
// output]. Places that the picture leaves empty have features, too, which come last. Errors: more tiles than places;
// tiles of another size than the tower's; cancelled.
Result<MediaFeatures> encode_canvas(const VisionSpec& spec, const TowerWeights& weights,
                                    const preprocess::MediaPixels& pixels, const RunContext& context);

}  // namespace azimuth::vision
