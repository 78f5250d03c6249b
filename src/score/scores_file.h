// The scores of `azimuth score`: a JSONL file that grows by whole lines, in the order of the samples, and survives
// whatever ends the program.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "azimuth/score.h"
#include "score/samples_file.h"

namespace azimuth::scoring {

// What a line says besides its numbers. Its key is "setting-content": the same key stands for the same numbers.
struct ScoredLine {
  std::string id;  // as JSON
  std::string key;
  bool failed = false;  // an error in place of numbers
};

// One line without its line end. Errors: none; a failure of the sample becomes a line with "error".
std::string line_of_score(const SampleLine& sample, const std::string& key, const SampleScore& score);
// Errors: no JSON object with id and key; `where` starts them.
Result<ScoredLine> parse_scored_line(std::string_view text, const std::string& where);

// Three files at most: OUT, whose lines are those of the first samples; OUT.kept, which holds lines of later samples
// that an earlier run wrote in another order, and is removed at the end; and OUT.new, which becomes one of them by
// renaming. OUT is locked against other runs.
class ScoresFile {
 public:
  // `keys`: of `samples`, whose scores they stand for. Finds out what `path` has of them already. What is of no use is
  // dropped: the part of a line that a killed run left at the end, lines with errors, lines of samples whose content
  // has changed. Errors: a file that is no scores, has samples that are not among `samples`, was written under another
  // setting, or is being written by another run; one that cannot be written.
  static Result<ScoresFile> open(const std::string& path, const std::vector<SampleLine>& samples,
                                 std::vector<std::string> keys);
  ScoresFile(ScoresFile&& other) noexcept;
  ScoresFile& operator=(ScoresFile&&) = delete;
  ~ScoresFile();

  size_t written() const { return written_; }  // samples whose lines stand in the file
  bool has(size_t index) const { return index < written_ || kept_.contains(index); }
  int64_t reused() const { return reused_; }

  // The line of the next sample. A line that cannot be written whole is taken back.
  Status append(const std::string& line);
  // The lines of the next samples, as far as they were there.
  Status append_kept();
  // After the last line: everything on the disk, and nothing beside it.
  Status finish();

 private:
  struct Place {
    std::string file;
    uint64_t offset = 0;
    size_t bytes = 0;
  };

  ScoresFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Status read_lines(const std::string& file, bool main);
  Status rearrange();
  Status cut(uint64_t bytes);
  std::string kept_path() const { return path_ + ".kept"; }
  std::string new_path() const { return path_ + ".new"; }

  std::string path_;
  int descriptor_ = -1;
  std::vector<std::string> keys_;
  std::map<std::string, size_t> index_of_;  // by id
  std::map<size_t, Place> kept_;            // lines of samples behind `written_`
  size_t lines_ = 0;                        // whole ones in OUT
  size_t written_ = 0;
  uint64_t bytes_ = 0;  // of these
  int64_t reused_ = 0;
};

}  // namespace azimuth::scoring
