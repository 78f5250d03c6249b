#include "media/ffmpeg/functions.h"

#include <dlfcn.h>

#include <cstdarg>
#include <string>

namespace azimuth::media {

#define AZIMUTH_DEFINE(name) decltype(&::name) name = nullptr;
AZIMUTH_AVUTIL_FUNCTIONS(AZIMUTH_DEFINE)
AZIMUTH_AVCODEC_FUNCTIONS(AZIMUTH_DEFINE)
AZIMUTH_AVFORMAT_FUNCTIONS(AZIMUTH_DEFINE)
AZIMUTH_SWSCALE_FUNCTIONS(AZIMUTH_DEFINE)
#undef AZIMUTH_DEFINE

namespace {

std::string file_name(const std::string& library, int major) {
#ifdef __APPLE__
  return "lib" + library + "." + std::to_string(major) + ".dylib";
#else
  return "lib" + library + ".so." + std::to_string(major);
#endif
}

// One shared library, which stays loaded.
class Library {
 public:
  Library(const std::string& name, int major)
      : file_(file_name(name, major)), handle_(dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  template <typename Function>
  void find(const char* name, Function& function) {
    if (handle_ == nullptr) return;
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr) missing_ = name;
  }

  Status status() const {
    if (handle_ != nullptr && missing_.empty()) return ok_status();
    return unsupported("a video file needs FFmpeg's library " + file_ +
                       (missing_.empty() ? "" : " with the function " + missing_) +
                       ", found none; install FFmpeg, or give the video as a list of frames");
  }

 private:
  std::string file_;
  void* handle_;
  std::string missing_;
};

Status load() {
#define AZIMUTH_FIND(name) library.find(#name, name);
  {
    Library library("avutil", LIBAVUTIL_VERSION_MAJOR);
    AZIMUTH_AVUTIL_FUNCTIONS(AZIMUTH_FIND)
    AZ_RETURN_IF_ERROR(library.status());
  }
  {
    Library library("avcodec", LIBAVCODEC_VERSION_MAJOR);
    AZIMUTH_AVCODEC_FUNCTIONS(AZIMUTH_FIND)
    AZ_RETURN_IF_ERROR(library.status());
  }
  {
    Library library("avformat", LIBAVFORMAT_VERSION_MAJOR);
    AZIMUTH_AVFORMAT_FUNCTIONS(AZIMUTH_FIND)
    AZ_RETURN_IF_ERROR(library.status());
  }
  {
    Library library("swscale", LIBSWSCALE_VERSION_MAJOR);
    AZIMUTH_SWSCALE_FUNCTIONS(AZIMUTH_FIND)
    AZ_RETURN_IF_ERROR(library.status());
  }
#undef AZIMUTH_FIND
  av_log_set_callback([](void*, int, const char*, va_list) {});
  return ok_status();
}

}  // namespace

Status load_ffmpeg() {
  static const Status status = load();
  return status;
}

}  // namespace azimuth::media
