#include "score/scores_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"

namespace azimuth::scoring {
namespace {

using nlohmann::ordered_json;

Status cannot(const std::string& what, const std::string& path) {
  return resource_exhausted("cannot " + what + " " + path + ": " + std::strerror(errno) +
                            "; whole lines stay, so make room or correct the path and run the same command again");
}

// All of `text`, whatever portions the system takes.
bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// JSON has no word for the log-probability of what is impossible.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

ordered_json numbers(const std::vector<double>& values) {
  ordered_json out = ordered_json::array();
  for (const double value : values) out.push_back(number(value));
  return out;
}

void add_top(const SampleScore& score, ordered_json& line) {
  if (score.top.empty()) return;
  ordered_json ids = ordered_json::array();
  ordered_json logprobs = ordered_json::array();
  for (const std::vector<TokenAlternative>& token : score.top) {
    ordered_json some_ids = ordered_json::array();
    ordered_json some_logprobs = ordered_json::array();
    for (const TokenAlternative& each : token) {
      some_ids.push_back(each.id);
      some_logprobs.push_back(number(each.logprob));
    }
    ids.push_back(std::move(some_ids));
    logprobs.push_back(std::move(some_logprobs));
  }
  line["top_ids"] = std::move(ids);
  line["top_logprobs"] = std::move(logprobs);
}

std::string setting_of(const std::string& key) {
  return key.substr(0, key.find('-'));
}

Result<int> open_locked(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    return invalid_argument(path +
                            " expected to be a file or not to be there, found something else; give another --out");
  }
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return cannot("write", path);
  // Some file systems have no locks.
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return descriptor;
  ::close(descriptor);
  return invalid_argument(path + " expected one run at a time, found another one that writes to it");
}

}  // namespace

std::string line_of_score(const SampleLine& sample, const std::string& key, const SampleScore& score) {
  ordered_json line;
  line["id"] = ordered_json::parse(sample.id);
  if (!score.status.ok()) {
    line["error"] = score.status.message();
  } else {
    line["completion_ids"] = score.completion_ids;
    line["logprobs"] = numbers(score.logprobs);
    line["entropies"] = numbers(score.entropies);
    add_top(score, line);
  }
  line["key"] = key;
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<ScoredLine> parse_scored_line(std::string_view text, const std::string& where) {
  JsonLimits limits;
  limits.bytes = text.size();
  AZ_ASSIGN_OR_RETURN(const nlohmann::json root, parse_json(text, where, limits));
  const JsonView view(root, where);
  if (!root.is_object() || !view.has("id") || !view.has("key")) {
    return view.expected("a line of scores with \"id\" and \"key\"");
  }
  ScoredLine line;
  line.id = root["id"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  AZ_ASSIGN_OR_RETURN(line.key, view.string("key"));
  line.failed = view.has("error");
  return line;
}

ScoresFile::ScoresFile(ScoresFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      keys_(std::move(other.keys_)),
      index_of_(std::move(other.index_of_)),
      kept_(std::move(other.kept_)),
      lines_(other.lines_),
      written_(other.written_),
      bytes_(other.bytes_),
      reused_(other.reused_) {}

ScoresFile::~ScoresFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<ScoresFile> ScoresFile::open(const std::string& path, const std::vector<SampleLine>& samples,
                                    std::vector<std::string> keys) {
  AZ_ASSIGN_OR_RETURN(const int descriptor, open_locked(path));
  ScoresFile file(path, descriptor);
  file.keys_ = std::move(keys);
  for (size_t i = 0; i < samples.size(); ++i) file.index_of_.emplace(samples[i].id, i);
  AZ_RETURN_IF_ERROR(file.read_lines(path, true));
  if (std::filesystem::exists(file.kept_path())) AZ_RETURN_IF_ERROR(file.read_lines(file.kept_path(), false));
  for (auto place = file.kept_.begin(); place != file.kept_.end();)
    place = place->first < file.written_ ? file.kept_.erase(place) : std::next(place);
  file.reused_ = static_cast<int64_t>(file.written_ + file.kept_.size());
  if (file.lines_ == file.written_) {
    AZ_RETURN_IF_ERROR(file.cut(file.bytes_));
  } else {
    AZ_RETURN_IF_ERROR(file.rearrange());
  }
  return file;
}

// Notes where the lines of `file` stand. Of the file itself (`main`) also how many of the first samples it begins with.
Status ScoresFile::read_lines(const std::string& file, bool main) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return cannot("read", file);
  uint64_t offset = 0;
  size_t number = 0;
  for (std::string text; std::getline(in, text);) {
    const std::string where = file + ":" + std::to_string(++number);
    const bool cut_short = in.eof();  // no line end
    const uint64_t end = offset + text.size() + (cut_short ? 0 : 1);
    Result<ScoredLine> line = parse_scored_line(text, where);
    if (!line.ok() && cut_short) break;
    if (!line.ok()) return line.status().with_context("--out expected a file of scores or none");
    const auto found = index_of_.find(line->id);
    if (found == index_of_.end()) {
      return invalid_argument(where + " expected a sample of the file of samples, found " + line->id +
                              ", which it does not have; give another --out, or remove this one");
    }
    const std::string& key = keys_[found->second];
    if (setting_of(line->key) != setting_of(key)) {
      return invalid_argument(where +
                              " expected scores of the same model under the same options, found others; give another "
                              "--out, or remove this one");
    }
    const bool useful = line->key == key && !line->failed;
    if (useful) kept_[found->second] = {file, offset, text.size()};
    if (main) {
      const bool in_order = useful && number == written_ + 1 && found->second == written_;
      // A whole line without its end: the end alone was lost.
      if (in_order && !cut_short) {
        ++written_;
        bytes_ = end;
      }
      ++lines_;
    }
    offset = end;
  }
  return ok_status();
}

// Lines that later samples can use go to OUT.kept, before OUT is cut down to those of the first samples: at no moment
// does a line stand nowhere.
Status ScoresFile::rearrange() {
  const std::string fresh = new_path();
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  std::map<size_t, Place> places;
  uint64_t offset = 0;
  for (const auto& [index, place] : kept_) {
    std::ifstream in(place.file, std::ios::binary);
    std::string text(place.bytes, '\0');
    in.seekg(static_cast<std::streamoff>(place.offset));
    if (!in.read(text.data(), static_cast<std::streamsize>(text.size()))) return cannot("read", place.file);
    out << text << '\n';
    places[index] = {kept_path(), offset, text.size()};
    offset += text.size() + 1;
  }
  out.close();
  if (!out || ::rename(fresh.c_str(), kept_path().c_str()) != 0) {
    const Status status = cannot("write", fresh);
    ::unlink(fresh.c_str());
    return status;
  }
  kept_ = std::move(places);
  return cut(bytes_);
}

Status ScoresFile::cut(uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) == 0 &&
      ::lseek(descriptor_, static_cast<off_t>(bytes), SEEK_SET) >= 0) {
    return ok_status();
  }
  return cannot("write", path_);
}

Status ScoresFile::append(const std::string& line) {
  if (!write_all(descriptor_, line + "\n")) {
    const Status status = cannot("write", path_);
    AZ_RETURN_IF_ERROR(cut(bytes_));
    return status;
  }
  bytes_ += line.size() + 1;
  ++written_;
  return ok_status();
}

Status ScoresFile::append_kept() {
  while (kept_.contains(written_)) {
    const Place place = kept_[written_];
    std::ifstream in(place.file, std::ios::binary);
    std::string text(place.bytes, '\0');
    in.seekg(static_cast<std::streamoff>(place.offset));
    if (!in.read(text.data(), static_cast<std::streamsize>(text.size()))) return cannot("read", place.file);
    kept_.erase(written_);
    AZ_RETURN_IF_ERROR(append(text));
  }
  return ok_status();
}

Status ScoresFile::finish() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) return cannot("write", path_);
  ::unlink(kept_path().c_str());
  ::unlink(new_path().c_str());
  return ok_status();
}

}  // namespace azimuth::scoring
