// The files of a quantised directory (docs/quantisation.md): safetensors that hold the engine's own slots. A quantised
// matrix is a U8 tensor with the bytes of kernels::PackedMatrix::stored(), one of several matrices behind the other;
// the metadata of its file says its type and shape. Other matrices and all f32 tensors are plain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "azimuth/status.h"
#include "formats/checkpoint.h"
#include "kernels/kernels.h"

namespace azimuth::quantize {

inline constexpr int kFormatVersion = 1;  // names, metadata and order of the files
inline constexpr int kLayoutVersion = 1;  // of the bytes of a matrix: kernels/quantised.h
inline constexpr size_t kAlignment = 64;  // of every tensor in its file

inline constexpr std::string_view kFormatKey = "azimuth.format";
inline constexpr std::string_view kLayoutKey = "azimuth.layout";
inline constexpr std::string_view kTypeKey = "azimuth.type";
inline constexpr std::string_view kMatrixPrefix = "matrix.";    // + slot: "q4 3 192 64"
inline constexpr std::string_view kPaddingPrefix = "padding.";  // tensors between others

// `count` matrices of [outputs, inputs] under one slot.
struct StoredMatrix {
  kernels::WeightType type = kernels::WeightType::q8;
  int64_t count = 1;
  int64_t outputs = 0;
  int64_t inputs = 0;

  std::string to_string() const;
  static std::optional<StoredMatrix> parse(std::string_view text);
};

struct Description {
  kernels::WeightType type = kernels::WeightType::q8;  // that was asked for
  std::map<std::string, StoredMatrix, std::less<>> matrices;
};

// What the files say of themselves; nothing where they are a checkpoint that is not quantised by Azimuth. Sizes of
// matrices are not checked here, but where they are used. Errors: data_loss, unsupported for other versions.
Result<std::optional<Description>> read_description(const formats::Checkpoint& checkpoint);

// "q8" or "q4" and so on; nothing for other words.
std::optional<kernels::WeightType> weight_type_named(std::string_view name);

}  // namespace azimuth::quantize
