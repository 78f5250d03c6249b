// Answers tests/oracle/real_tokenizers.py: one JSON request per line of stdin, one JSON answer per line of stdout.
//   azimuth_text_oracle [FOLDER]      FOLDER holds tokenizer.json and tokenizer_config.json
//   {"text": ..., "special": bool}                                  -> {"ids": [...], "decoded": ..., "skipped": ...}
//   {"template": ..., "messages": [...], "variables": {...}}        -> {"text": ...}
// A failure is {"error": ...}.
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "text/chat_template.h"
#include "text/detokenizer.h"

namespace {

using namespace azimuth;
using nlohmann::ordered_json;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

Result<ordered_json> encode(const text::Tokenizer& tokenizer, const ordered_json& request) {
  AZ_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                      tokenizer.encode(request["text"].get<std::string>(), {.add_special_tokens = request["special"]}));
  AZ_ASSIGN_OR_RETURN(const std::string decoded, tokenizer.decode(ids, false));
  AZ_ASSIGN_OR_RETURN(const std::string skipped, tokenizer.decode(ids, true));
  AZ_ASSIGN_OR_RETURN(auto detokenizer, text::Detokenizer::create(tokenizer, false));
  std::string streamed;
  for (const int32_t id : ids) {
    AZ_ASSIGN_OR_RETURN(const std::string_view piece, detokenizer.push(id));
    streamed += piece;
  }
  AZ_ASSIGN_OR_RETURN(const std::string rest, detokenizer.finish());
  if (streamed + rest != decoded) return internal_error("the streamed text differs from the decoded text");
  return ordered_json{{"ids", ids}, {"decoded", decoded}, {"skipped", skipped}};
}

Result<ordered_json> render(const ordered_json& request) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const char* name : {"bos_token", "eos_token"}) {
    if (request["variables"].contains(name)) named.emplace_back(name, request["variables"][name].get<std::string>());
  }
  AZ_ASSIGN_OR_RETURN(const auto chat, text::ChatTemplate::create(request["template"].get<std::string>(), named, {}));
  ordered_json variables = request["variables"];
  const bool generation = variables.value("add_generation_prompt", false);
  variables.erase("add_generation_prompt");
  AZ_ASSIGN_OR_RETURN(const auto rendered,
                      chat.render(request["messages"], variables, {.add_generation_prompt = generation}));
  return ordered_json{{"text", rendered.text}};
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<text::Tokenizer> tokenizer;
  if (argc > 1) {
    const std::string folder = argv[1];
    auto created = text::Tokenizer::create(read(folder + "/tokenizer.json"), read(folder + "/tokenizer_config.json"));
    if (!created.ok()) {
      std::cerr << created.status().message() << "\n";
      return 2;
    }
    tokenizer = std::move(created).value();
  }
  for (std::string line; std::getline(std::cin, line);) {
    const ordered_json request = ordered_json::parse(line);
    const auto answer = request.contains("text") && tokenizer ? encode(*tokenizer, request) : render(request);
    std::cout << (answer.ok() ? *answer : ordered_json{{"error", answer.status().message()}}).dump() << "\n";
  }
  return 0;
}
