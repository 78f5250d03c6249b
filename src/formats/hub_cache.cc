#include "formats/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "base/mmap.h"

namespace azimuth::formats {
namespace {

namespace fs = std::filesystem;

bool has_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The variable with a leading ~ expanded; empty where it is unset.
std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  if (!value) return "";
  const std::string text(value);
  if (text != "~" && !text.starts_with("~/")) return text;
  const char* const home = std::getenv("HOME");
  return std::string(home ? home : "") + text.substr(1);
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// One part of a repository id, by the hub's rules.
bool is_name(std::string_view part) {
  return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), is_name_character) &&
         part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-' &&
         part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos;
}

bool is_repository(std::string_view model) {
  const size_t slash = model.find('/');
  if (slash == std::string_view::npos) return is_name(model);
  return is_name(model.substr(0, slash)) && is_name(model.substr(slash + 1));
}

// Revisions become parts of paths: each of their parts must be a plain name ("main", "refs/pr/1").
bool is_revision(std::string_view revision) {
  while (!revision.empty()) {
    const size_t slash = revision.find('/');
    const std::string_view part = revision.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255 ||
        !std::all_of(part.begin(), part.end(), is_name_character)) {
      return false;
    }
    if (slash == std::string_view::npos) return true;
    revision.remove_prefix(slash + 1);
  }
  return false;
}

std::string repository_folder(std::string_view model) {
  std::string folder = "models--";
  for (const char c : model) c == '/' ? folder += "--" : folder += c;
  return folder;
}

// The commit that a branch or tag points to; without such a ref, the revision is taken for a commit.
Result<std::string> commit_of(const fs::path& repository, const std::string& revision) {
  const fs::path ref = repository / "refs" / revision;
  std::error_code ignored;
  if (!fs::exists(ref, ignored)) return revision;
  AZ_ASSIGN_OR_RETURN(std::string commit, read_file(ref, 256));
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' ')) commit.pop_back();
  if (is_revision(commit) && commit.find('/') == std::string::npos) return commit;
  return data_loss(ref.string() + " expected the name of a commit, found " + quote_json(commit));
}

Status missing(const std::string& model, const std::string& revision, const std::string& cache) {
  const std::string suffix = revision == "main" ? "" : " --revision " + revision;
  return not_found("expected a model directory or a downloaded repository, found no directory \"" + model +
                   "\" and no revision \"" + revision + "\" of it in " + cache + "; run: hf download " + model +
                   suffix);
}

}  // namespace

std::string hub_cache_directory() {
  if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "hub";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

Result<std::string> find_model_directory(const std::string& model, const std::string& revision) {
  if (has_directory(model)) return model;
  if (!is_repository(model)) {
    return invalid_argument("expected a model directory or a repository such as Qwen/Qwen2-VL-2B-Instruct, found " +
                            quote_json(model) + ", which is neither; check the path");
  }
  if (!is_revision(revision)) {
    return invalid_argument("expected a revision such as main or a commit, found " + quote_json(revision));
  }
  const std::string cache = hub_cache_directory();
  const fs::path repository = fs::path(cache) / repository_folder(model);
  if (!has_directory(repository)) return missing(model, revision, cache);
  AZ_ASSIGN_OR_RETURN(const std::string commit, commit_of(repository, revision));
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!has_directory(snapshot)) return missing(model, revision, cache);
  return snapshot.string();
}

}  // namespace azimuth::formats
