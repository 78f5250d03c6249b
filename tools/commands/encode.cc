// azimuth encode: a picture through the tower, as a file of features.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "azimuth/features.h"
#include "commands/common.h"

namespace azimuth::tools {
namespace {

struct EncodeCommand {
  ModelOptions model;
  std::string image;
  std::string output;
  bool last_hidden_state = false;
  bool json = false;
};

nlohmann::json summary(const EncodedMedium& medium, const std::string& path) {
  nlohmann::json out = {{"file", path},
                        {"grid_thw", {medium.patches.t, medium.patches.h, medium.patches.w}},
                        {"features", medium.features.shape},
                        {"deepstack_levels", medium.deepstack.size()}};
  if (!medium.last_hidden_state.empty()) out["last_hidden_state"] = medium.last_hidden_state.shape;
  return out;
}

int encode_command(EncodeCommand& command) {
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  Request request;
  request.images = {command.image};
  catch_interrupts();
  ProgressLine line;
  EncodeOptions options;
  options.last_hidden_state = command.last_hidden_state;
  options.cancel = &interrupted();
  options.progress = [&line](double fraction) { line.show("looking", fraction); };
  const Result<std::vector<EncodedMedium>> media = encode_media(*engine, request, options);
  line.clear();
  if (!media.ok()) return report(media.status());
  const EncodedMedium& medium = media->front();
  if (const Status status = write_features(*engine, medium, command.output); !status.ok()) return report(status);
  if (command.json) {
    std::puts(summary(medium, command.output).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("%s: %lld features of %lld numbers", command.output.c_str(),
              static_cast<long long>(medium.features.shape[0]), static_cast<long long>(medium.features.shape[1]));
  if (!medium.deepstack.empty()) std::printf(", %zu DeepStack levels", medium.deepstack.size());
  std::printf(", of %lld x %lld x %lld patches\n", static_cast<long long>(medium.patches.t),
              static_cast<long long>(medium.patches.h), static_cast<long long>(medium.patches.w));
  return 0;
}

}  // namespace

void add_encode(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<EncodeCommand>();
  CLI::App* sub = app.add_subcommand(
      "encode", "Write the features of a picture, which run --image-embeds takes in its place (docs/inputs.md)");
  add_model_options(*sub, command->model, "bf16");
  sub->add_option("IMAGE", command->image, "Picture")->type_name("")->required();
  sub->add_option("-o,--output", command->output,
                  "File to write: .safetensors (features, DeepStack levels, grid) or .npy (features alone)")
      ->type_name("FILE")
      ->required();
  sub->add_flag("--last-hidden-state", command->last_hidden_state,
                "Write the tower's last hidden state of every patch as well (.safetensors)");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Example:\n  azimuth encode models/azimuth-tiny models/azimuth-tiny/demo.png -o picture.safetensors\n"
      "  azimuth run models/azimuth-tiny \"How many shapes are there?\" --image-embeds picture.safetensors");
  sub->callback([command, &exit_code] { exit_code = encode_command(*command); });
}

}  // namespace azimuth::tools
