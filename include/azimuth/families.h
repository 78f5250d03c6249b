// The model families that this build runs, in words: what `azimuth info --families` prints and docs/families.md shows.
#pragma once

#include <string>
#include <vector>

#include "azimuth/status.h"

namespace azimuth {

// Each text is made from the family's spec with the sizes of a published checkpoint.
struct FamilyDescription {
  std::string model_type;  // of config.json
  std::string checkpoint;  // the published one
  std::string encoder;     // "none" of text-only families
  std::string projector;   // and what its output looks like to the decoder
  std::string decoder;
  std::string positions;      // policy and frequencies
  std::string masks;          // which tokens see which
  std::string preprocessing;  // from pixels to the tower's input
  std::string video;          // "no" where the family takes none
};

// Sorted by model_type. Errors: a family whose published config its own reader refuses (a fault of this build).
Result<std::vector<FamilyDescription>> describe_families();

}  // namespace azimuth
