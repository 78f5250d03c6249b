// quantize_checkpoint: walks through the slots of a model, and writes what is read in place of keeping it.
#include <algorithm>
#include <filesystem>

#include "azimuth/quantize.h"
#include "base/mmap.h"
#include "engine/load_parts.h"
#include "engine/position_weights.h"
#include "models/families.h"
#include "quantize/writer.h"

namespace azimuth {
namespace {

namespace fs = std::filesystem;
using formats::Checkpoint;
using quantize::DirectoryWriter;

constexpr size_t kLargestSideFile = size_t{128} << 20;  // as Checkpoint::optional_file reads them

class SlotWriter final : public engine::WeightSink {
 public:
  explicit SlotWriter(DirectoryWriter& writer) : writer_(writer) {}

  Status tensor(const std::string& slot, const Tensor& tensor) override {
    return writer_.add_tensor(slot, tensor.view());
  }
  Status matrix(const std::string& slot, int64_t index, int64_t count, const kernels::PackedMatrix& matrix) override {
    if (index == 0) {
      AZ_RETURN_IF_ERROR(writer_.begin_matrices(slot, {matrix.type(), count, matrix.outputs(), matrix.inputs()}));
    }
    return writer_.add_part(matrix);
  }

 private:
  DirectoryWriter& writer_;
};

// The files beside the weights that say what the model is: its config, tokenizer, template and processors, its licence.
bool is_side_file(const std::string& name) {
  if (name.starts_with("LICENSE") || name.starts_with("NOTICE")) return true;
  if (name.ends_with(".index.json")) return false;
  return std::ranges::any_of(std::initializer_list<std::string_view>{".json", ".jinja", ".txt", ".model"},
                             [&](std::string_view ending) { return name.ends_with(ending); });
}

Status copy_side_files(const std::string& from, DirectoryWriter& writer) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(from, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored) && is_side_file(at->path().filename())) names.push_back(at->path().filename());
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    AZ_ASSIGN_OR_RETURN(const std::string text, read_file((fs::path(from) / name).string(), kLargestSideFile));
    AZ_RETURN_IF_ERROR(writer.add_file(name, text));
  }
  return ok_status();
}

// What position policies keep beside the model's own weights.
Status copy_position_weights(const Checkpoint& checkpoint, DirectoryWriter& writer) {
  AZ_ASSIGN_OR_RETURN(const engine::PositionWeights weights, engine::PositionWeights::read(checkpoint));
  for (const std::string& name : checkpoint.names()) {
    if (!name.starts_with(engine::PositionWeights::kPrefix)) continue;
    const Tensor* const tensor = weights.find(name.substr(std::string(engine::PositionWeights::kPrefix).size()));
    AZ_RETURN_IF_ERROR(writer.add_tensor(name, tensor->view()));
  }
  return ok_status();
}

// Enough for a header with every slot, its type and shape.
uint64_t header_bytes(const ModelSpec& spec, const Checkpoint& checkpoint) {
  constexpr uint64_t kPerTensor = 400;  // numbers, keys, and the padding behind it
  uint64_t bytes = 4096;
  for (const auto& [slot, rule] : spec.weights.rules()) bytes += 2 * slot.size() + kPerTensor;
  for (const std::string& name : checkpoint.names()) {
    if (name.starts_with(engine::PositionWeights::kPrefix)) bytes += 6 * name.size() + kPerTensor;
  }
  return bytes;
}

Status check_space(const std::string& directory, int64_t needed) {
  fs::path at = fs::absolute(directory);
  std::error_code error;
  while (!fs::exists(at, error) && at.has_parent_path() && at != at.parent_path()) at = at.parent_path();
  const fs::space_info space = fs::space(at, error);
  if (error || space.available >= static_cast<uintmax_t>(needed)) return ok_status();
  return resource_exhausted(directory + " expected " + std::to_string(needed / 1'000'000) +
                            " MB of free space, found " + std::to_string(space.available / 1'000'000) +
                            " MB; free space on the disk or write elsewhere");
}

}  // namespace

Result<QuantizeReport> quantize_checkpoint(const std::string& model, const std::string& directory,
                                           const QuantizeOptions& options) {
  const auto type = quantize::weight_type_named(options.type);
  if (!type || !kernels::is_quantised(*type)) {
    return invalid_argument("quantize expected the type q8 or q4, found \"" + options.type + "\"");
  }
  if (options.shard_bytes < 1) return invalid_argument("quantize expected shards of at least one byte");
  AZ_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(model));
  AZ_ASSIGN_OR_RETURN(const auto description, quantize::read_description(checkpoint));
  if (description) {
    return invalid_argument(checkpoint.directory() + " expected a checkpoint with its original weights, found one in " +
                            std::string(kernels::to_string(description->type)) +
                            "; quantise the original, errors would add up");
  }
  AZ_ASSIGN_OR_RETURN(const ModelSpec spec, models::read_model_spec(checkpoint.config_view()));
  const auto sizes = engine::make_size_reader(spec.weights, *type);
  AZ_RETURN_IF_ERROR(engine::load_model_weights(spec, *sizes).status());
  AZ_RETURN_IF_ERROR(check_space(directory, sizes->bytes()));

  quantize::WriterOptions writer_options;
  writer_options.type = *type;
  writer_options.shard_bytes = static_cast<uint64_t>(options.shard_bytes);
  writer_options.header_bytes = header_bytes(spec, checkpoint);
  AZ_ASSIGN_OR_RETURN(DirectoryWriter writer, DirectoryWriter::create(directory, writer_options));
  AZ_RETURN_IF_ERROR(copy_side_files(checkpoint.directory(), writer));
  ThreadPool pool(options.threads);
  SlotWriter sink(writer);
  const auto reader = engine::make_checkpoint_reader(checkpoint, spec.weights, *type, pool, options.progress, &sink);
  reader->stop_on(options.cancel);
  AZ_RETURN_IF_ERROR(engine::load_model_weights(spec, *reader).status());
  AZ_RETURN_IF_ERROR(copy_position_weights(checkpoint, writer));
  AZ_RETURN_IF_ERROR(writer.finish());
  QuantizeReport report;
  report.directory = directory;
  report.original_bytes = static_cast<int64_t>(checkpoint.weight_bytes());
  report.bytes = static_cast<int64_t>(writer.bytes_written());
  return report;
}

}  // namespace azimuth
