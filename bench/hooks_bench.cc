// What hooks cost: prefill and decoding without any, with read taps at every stage, and with write hooks at every
// stage, in turns, so that a machine that slows down does so for all. The first line is a second run without hooks: its
// ratio is the noise.
//
//   hooks_bench MODEL [ROUNDS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "azimuth/session.h"

namespace {

using namespace azimuth;

constexpr int64_t kAnswer = 64;

struct Setting {
  const char* name;
  Hooks hooks;
  std::vector<double> prefill;  // seconds per token
  std::vector<double> decode;
};

std::vector<Setting> settings() {
  Hooks read;
  read.on_read = [](const TapPoint&, const ReadTensor&) {};
  read.on_rotary_ids = [](const RotaryIds&) {};
  Hooks write;
  write.on_decoder_input = [](DecoderEntry&) { return ok_status(); };
  write.on_layer_input = [](LayerEntry&) { return ok_status(); };
  write.on_rotary = [](RotaryRows&) { return ok_status(); };
  write.on_write = [](const TapPoint&, WriteTensor&) { return ok_status(); };
  return {
      {"none", {}, {}, {}}, {"none again", {}, {}, {}}, {"read taps", read, {}, {}}, {"write hooks", write, {}, {}}};
}

Status measure(const Engine& engine, const Request& prompt, Setting& setting) {
  Request request = prompt;
  request.hooks = setting.hooks;
  GenerateOptions options;
  options.max_new_tokens = kAnswer;
  options.temperature = 0.0;
  options.ignore_eos = true;
  Session session(engine);
  AZ_ASSIGN_OR_RETURN(const Generation generation, session.generate(request, options));
  for (const StageTime& stage : generation.stages) {
    const double each = stage.seconds / static_cast<double>(stage.items);
    if (stage.name == "prefill") setting.prefill.push_back(each);
    if (stage.name == "decode") setting.decode.push_back(each);
  }
  return ok_status();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Status run(const std::string& model, int rounds) {
  EngineOptions options;
  options.threads = 1;
  AZ_ASSIGN_OR_RETURN(const Engine engine, Engine::load(model, options));
  std::string words;
  for (int i = 0; i < 120; ++i) words += "How many red circles are there? ";
  Request prompt;
  prompt.messages = R"([{"role":"user","content":")" + words + R"("}])";
  std::vector<Setting> all = settings();
  for (int round = 0; round <= rounds; ++round) {
    for (Setting& setting : all) AZ_RETURN_IF_ERROR(measure(engine, prompt, setting));
    if (round > 0) continue;
    for (Setting& setting : all) {  // the warm-up does not count
      setting.prefill.clear();
      setting.decode.clear();
    }
  }
  std::printf("%-12s %12s %7s %12s %7s\n", "", "prefill us", "ratio", "decode us", "ratio");
  for (const Setting& setting : all) {
    std::printf("%-12s %12.2f %7.3f %12.2f %7.3f\n", setting.name, median(setting.prefill) * 1e6,
                median(setting.prefill) / median(all[0].prefill), median(setting.decode) * 1e6,
                median(setting.decode) / median(all[0].decode));
  }
  return ok_status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "hooks_bench expected MODEL, found nothing\n");
    return 2;
  }
  const azimuth::Status status = run(argv[1], argc > 2 ? std::max(1, std::atoi(argv[2])) : 15);
  if (status.ok()) return 0;
  std::fprintf(stderr, "hooks_bench: %s\n", status.message().c_str());
  return 2;
}
