#include "base/mmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <mutex>
#include <utility>

namespace azimuth {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// initial-exec: the signal handler must reach it without the dynamic linker allocating memory.
__attribute__((tls_model("initial-exec"))) thread_local sigjmp_buf* active_guard = nullptr;
struct sigaction earlier_action;

void chain(int signal, siginfo_t* info, void* context) {
  if (earlier_action.sa_flags & SA_SIGINFO) {
    earlier_action.sa_sigaction(signal, info, context);
  } else if (earlier_action.sa_handler != SIG_DFL && earlier_action.sa_handler != SIG_IGN) {
    earlier_action.sa_handler(signal);
  } else {
    // Returning repeats the faulting access, which now ends the process as it would have without us.
    ::signal(SIGBUS, SIG_DFL);
  }
}

// A map whose lost pages read as zeros. The signal handler reads it while others come and go.
struct WatchedMap {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> lost{false};
};
std::array<WatchedMap, 4096> watched_maps;
std::mutex watched_mutex;
std::atomic<uintptr_t> page_size{4096};

int watch(std::span<const std::byte> bytes) {
  const std::lock_guard lock(watched_mutex);
  for (size_t i = 0; i < watched_maps.size(); ++i) {
    WatchedMap& map = watched_maps[i];
    if (map.begin != 0) continue;
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
    map.lost = false;
    map.end = begin + bytes.size();
    map.begin = begin;
    return static_cast<int>(i);
  }
  return -1;
}

void stop_watching(int place) {
  const std::lock_guard lock(watched_mutex);
  watched_maps[static_cast<size_t>(place)].begin = 0;
}

// Puts zeros in place of a page that was lost, where a watched map has it.
bool replace_page(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (WatchedMap& map : watched_maps) {
    const uintptr_t begin = map.begin;
    if (begin == 0 || at < begin || at >= map.end) continue;
    const uintptr_t size = page_size;
    const int code = errno;
    void* const page = reinterpret_cast<void*>(at / size * size);
    const bool replaced = ::mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    errno = code;
    map.lost = true;
    return replaced;
  }
  return false;
}

void on_sigbus(int signal, siginfo_t* info, void* context) {
  if (active_guard) siglongjmp(*active_guard, 1);
  if (replace_page(info->si_addr)) return;
  chain(signal, info, context);
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &earlier_action);
  });
}

// Kept apart from objects with destructors, which a jump would skip.
__attribute__((noinline)) bool run_guarded(const std::function<void()>& body) {
  sigjmp_buf here;
  sigjmp_buf* const outer = active_guard;
  if (sigsetjmp(here, 1) != 0) {
    active_guard = outer;
    return false;
  }
  active_guard = &here;
  body();
  active_guard = outer;
  return true;
}

std::string system_error(int code) {
  return std::strerror(code);
}

// O_NONBLOCK: a named pipe in place of a file must not make us wait for a writer.
int open_for_reading(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

Result<size_t> regular_file_size(int fd, const std::string& path, size_t max_bytes) {
  if (fd < 0) {
    const std::string message = "expected to read the file " + path + ", found: " + system_error(errno);
    return errno == ENOENT || errno == ENOTDIR ? not_found(message) : invalid_argument(message);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) return invalid_argument("cannot read the size of " + path + ": " + system_error(errno));
  if (!S_ISREG(info.st_mode)) return invalid_argument(path + " expected a regular file, found something else");
  const auto size = static_cast<size_t>(info.st_size);
  if (size > max_bytes) {
    return resource_exhausted(path + " expected at most " + std::to_string(max_bytes) + " bytes, found " +
                              std::to_string(size));
  }
  return size;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path, size_t max_bytes) {
  const FileDescriptor file(open_for_reading(path));
  AZ_ASSIGN_OR_RETURN(const size_t size, regular_file_size(file.get(), path, max_bytes));
  if (size == 0) return MappedFile(path, {});
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) {
    return resource_exhausted("cannot map " + std::to_string(size) + " bytes of " + path + ": " + system_error(errno));
  }
  return MappedFile(path, {static_cast<const std::byte*>(address), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(std::exchange(other.bytes_, {})),
      watched_(std::exchange(other.watched_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(watched_, other.watched_);
  return *this;
}

MappedFile::~MappedFile() {
  if (watched_ >= 0) stop_watching(watched_);
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::advise(Access access, size_t offset, size_t length) const {
  if (offset >= bytes_.size()) return;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t begin = offset / page * page;
  size_t end = offset + std::min(length, bytes_.size() - offset);
  int advice = MADV_WILLNEED;
  switch (access) {
    case Access::sequential: advice = MADV_SEQUENTIAL; break;
    case Access::random: advice = MADV_RANDOM; break;
    case Access::soon: break;
    case Access::done:  // pages that are shared with a neighbour stay
      advice = MADV_DONTNEED;
      begin = (offset + page - 1) / page * page;
      if (end < bytes_.size()) end = end / page * page;
      if (begin >= end) return;
      break;
  }
  ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, advice);
}

void MappedFile::read_lost_pages_as_zeros() {
  if (bytes_.empty() || watched_ >= 0) return;
  page_size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  install_handler();
  watched_ = watch(bytes_);
}

bool MappedFile::lost() const {
  return watched_ >= 0 && watched_maps[static_cast<size_t>(watched_)].lost;
}

Status MappedFile::copy(size_t offset, std::span<std::byte> out) const {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
    return out_of_range(path_ + " expected a range within " + std::to_string(bytes_.size()) + " bytes, found " +
                        std::to_string(out.size()) + " bytes at " + std::to_string(offset));
  }
  return guarded_read(path_, [&] { std::copy_n(bytes_.data() + offset, out.size(), out.data()); });
}

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  const FileDescriptor file(open_for_reading(path));
  AZ_ASSIGN_OR_RETURN(const size_t size, regular_file_size(file.get(), path, max_bytes));
  std::string text(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    const ssize_t count = ::read(file.get(), text.data() + filled, size - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return data_loss("cannot read " + path + ": " + system_error(errno));
    if (count == 0) {
      return data_loss(path + " expected " + std::to_string(size) + " bytes, found " + std::to_string(filled) +
                       "; it was cut short while it was read");
    }
    filled += static_cast<size_t>(count);
  }
  return text;
}

Status guarded_read(std::string_view what, const std::function<void()>& body) {
  install_handler();
  if (run_guarded(body)) return ok_status();
  return data_loss(std::string(what) +
                   " expected to stay as it was while mapped, found pages missing; it was cut short "
                   "or its disk failed, load it again");
}

}  // namespace azimuth
