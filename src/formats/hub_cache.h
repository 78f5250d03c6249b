// Where a model is on this machine: a directory, or a repository in the cache that `hf download` fills.
//
// Cache layout (huggingface_hub, "Understand caching"): models--ORG--NAME/refs/REVISION holds a commit, and
// models--ORG--NAME/snapshots/COMMIT the files, as links to blobs.
#pragma once

#include <string>
#include <string_view>

#include "azimuth/status.h"

namespace azimuth::formats {

// HF_HUB_CACHE, or HF_HOME/hub, or XDG_CACHE_HOME/huggingface/hub, or ~/.cache/huggingface/hub.
std::string hub_cache_directory();

// The directory of `model`: `model` itself where it is a directory, else the cached snapshot of the repository
// "org/name" (or "name"). `revision` is a branch, a tag or a commit. Nothing is downloaded. Errors: not_found, which
// says where it looked and prints the `hf download` that would help; invalid_argument where `model` can be neither.
Result<std::string> find_model_directory(const std::string& model, const std::string& revision = "main");

}  // namespace azimuth::formats
