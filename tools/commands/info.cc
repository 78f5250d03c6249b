// azimuth info: what a checkpoint is, and what it needs.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"
#include "commands/families.h"
#include "commands/policy_matrix.h"

namespace azimuth::tools {
namespace {

struct InfoCommand {
  ModelOptions model;
  bool kernels = false;
  bool policies = false;
  bool families = false;
  bool json = false;
};

std::string section_text(const std::vector<int>& section) {
  std::string text;
  for (const int count : section) text += (text.empty() ? "[" : ",") + std::to_string(count);
  return text.empty() ? "" : text + "]";
}

void print_text(const ModelInfo& info) {
  std::printf("model        %s (%s)\n", info.model_type.c_str(), info.directory.c_str());
  std::printf("decoder      %lld layers, hidden %lld, %lld heads (%lld key-value) of %lld, vocabulary %lld\n",
              static_cast<long long>(info.layers), static_cast<long long>(info.hidden),
              static_cast<long long>(info.heads), static_cast<long long>(info.kv_heads),
              static_cast<long long>(info.head_dim), static_cast<long long>(info.vocab));
  if (info.has_vision) {
    std::printf("tower        %lld layers, hidden %lld, patch %lld, merge %lld, %lld DeepStack levels\n",
                static_cast<long long>(info.tower_layers), static_cast<long long>(info.tower_hidden),
                static_cast<long long>(info.patch), static_cast<long long>(info.merge),
                static_cast<long long>(info.deepstack_levels));
  }
  std::printf("positions    %s%s%s, base %g\n", info.policy.c_str(), info.section.empty() ? "" : " ",
              section_text(info.section).c_str(), info.rope_theta);
  if (info.frequencies_follow_length) {
    std::puts("             frequencies follow the length: computed again as it grows (--frequencies rerotate)");
  }
  std::printf("context      %lld tokens\n", static_cast<long long>(info.context_length));
  std::printf("parameters   %.2f M decoder, %.2f M tower\n", static_cast<double>(info.text_parameters) / 1e6,
              static_cast<double>(info.vision_parameters) / 1e6);
  std::printf("memory       %.1f MB of weights in %s, %.1f kB of cache per token in %s\n",
              static_cast<double>(info.weight_bytes) / 1e6, info.dtype.c_str(),
              static_cast<double>(info.cache_bytes_per_token) / 1e3, info.cache.c_str());
}

nlohmann::json to_json(const ModelInfo& info) {
  return {{"directory", info.directory},
          {"model_type", info.model_type},
          {"policy", info.policy},
          {"section", info.section},
          {"rope_theta", info.rope_theta},
          {"frequencies_follow_length", info.frequencies_follow_length},
          {"vocab", info.vocab},
          {"hidden", info.hidden},
          {"layers", info.layers},
          {"heads", info.heads},
          {"kv_heads", info.kv_heads},
          {"head_dim", info.head_dim},
          {"context_length", info.context_length},
          {"has_vision", info.has_vision},
          {"tower_layers", info.tower_layers},
          {"tower_hidden", info.tower_hidden},
          {"patch", info.patch},
          {"merge", info.merge},
          {"deepstack_levels", info.deepstack_levels},
          {"text_parameters", info.text_parameters},
          {"vision_parameters", info.vision_parameters},
          {"weight_bytes", info.weight_bytes},
          {"cache_bytes_per_token", info.cache_bytes_per_token},
          {"dtype", info.dtype},
          {"quantised", info.quantised},
          {"cache", info.cache}};
}

int info_command(InfoCommand& command) {
  if (command.policies) return print_policy_matrix(command.json);
  if (command.families) return print_families(command.json);
  if (command.model.model.empty()) return report(invalid_argument("info expected a MODEL, --families or --policies"));
  command.model.engine.load_weights = false;
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  const ModelInfo info = engine->info();
  if (command.json) {
    nlohmann::json out = to_json(info);
    if (command.kernels) out["kernels"] = kernel_report();
    std::puts(out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  print_text(info);
  if (!command.kernels) return 0;
  std::puts("kernels");
  for (const std::string& line : kernel_report()) std::printf("  %s\n", line.c_str());
  return 0;
}

}  // namespace

void add_info(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<InfoCommand>();
  CLI::App* sub =
      app.add_subcommand("info", "Describe a checkpoint: architecture, parameters, memory, position policy");
  add_model_options(*sub, command->model, "bf16");
  sub->get_option("MODEL")->required(false);
  sub->add_flag("--families", command->families, "What the model families of this build are made of; needs no MODEL");
  sub->add_flag("--policies", command->policies, "Which position policy runs on which family; needs no MODEL");
  sub->add_flag("--kernels", command->kernels, "Also list the kernels chosen for this processor");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->callback([command, &exit_code] { exit_code = info_command(*command); });
}

}  // namespace azimuth::tools
