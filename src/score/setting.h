// What scores depend on beside their sample, as a short name: scores under one name may stand in one file.
#pragma once

#include <string>

#include "azimuth/score.h"
#include "base/content_hash.h"

namespace azimuth::scoring {

// Of the files of a checkpoint: all of the small ones that say what the model is, and of the weights their names, sizes
// and 4 KiB of each MiB. Training, merging or quantising changes some of these bytes. Errors: a file that cannot be
// read.
Result<ContentHash> checkpoint_hash(const std::string& directory);

// 16 hexadecimal digits of the checkpoint, the types of weights and cache, how pictures are read, policy, temperature
// and alternatives. Threads, memory and the processor are not among it: they change no number, or only the last digits.
Result<std::string> setting_name(const Engine& engine, const ScoreFileOptions& options);

// The first `digits` hexadecimal digits.
std::string hex(const ContentHash& hash, size_t digits);

}  // namespace azimuth::scoring
