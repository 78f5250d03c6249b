// Reads a checkpoint's processor files into preprocessing specs.
//
// transformers 5 writes processor_config.json with "image_processor" and "video_processor" inside; 4.x wrote
// preprocessor_config.json and video_preprocessor_config.json. Keys that a file lacks take the default of the class
// that transformers 5.23.0 would load for it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "spec/preprocess_spec.h"

namespace azimuth::models {

// The text of each file that the checkpoint has.
struct ProcessorFiles {
  std::optional<std::string> processor_config;           // processor_config.json
  std::optional<std::string> preprocessor_config;        // preprocessor_config.json
  std::optional<std::string> video_preprocessor_config;  // video_preprocessor_config.json
};

struct ImageProcessorClass;
struct VideoProcessorClass;

struct ProcessorSpecs {
  ImageProcessorSpec image;
  VideoProcessorSpec video;
  const ImageProcessorClass* image_class = nullptr;
  const VideoProcessorClass* video_class = nullptr;  // nullptr: the model has no video processor
};

// `model_type` (config.json) gives the classes where no file names one. Without any file both specs are the defaults of
// those classes. Errors: invalid_argument with file, key, expectation and finding; unsupported for an unknown class.
Result<ProcessorSpecs> read_processor_specs(const ProcessorFiles& files, std::string_view model_type);

// Applies the keyword arguments of one processor call, as transformers' processor takes them: flat keys go to every
// modality that knows them, "images_kwargs" and "videos_kwargs" to one; min_frames, max_frames and max_video_tokens
// have no effect in a call (5.23.0 reads them from the file only). fps or num_frames turn frame sampling on. num_frames
// alone replaces the file's fps, where 5.23.0 refuses it. Returns the keys that nothing knows, for a warning. Errors:
// invalid_argument with the key for wrong types or values; `specs` is then unchanged.
Result<std::vector<std::string>> apply_processor_kwargs(ProcessorSpecs& specs, const nlohmann::json& kwargs);

// add_special_tokens of the same arguments, flat or in "text_kwargs": whether the tokenizer adds its own tokens (bos).
Result<std::optional<bool>> asked_special_tokens(const nlohmann::json& kwargs);

}  // namespace azimuth::models
