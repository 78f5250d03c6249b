#include <cmath>
#include <cstdio>

#include "prompt/expansion/expansion.h"
#include "prompt/number_words.h"

namespace azimuth::prompt {
namespace {

constexpr int64_t kMinute = 60;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;

// Whole seconds as Python's timedelta prints them: "0:01:05", "2 days, 3:00:00".
std::string duration_text(int64_t seconds) {
  const int64_t days = seconds / kDay;
  char text[96];
  std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(seconds % kDay / kHour),
                static_cast<long long>(seconds % kHour / kMinute), static_cast<long long>(seconds % kMinute));
  if (days == 0) return text;
  return std::to_string(days) + (days == 1 ? " day, " : " days, ") + text;
}

// "01:05": minutes, which may exceed 59, and seconds.
std::string minutes_text(double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "%02lld:%02lld", static_cast<long long>(std::floor(seconds / kMinute)),
                static_cast<long long>(std::fmod(seconds, kMinute)));
  return text;
}

}  // namespace

Expansion expand_described_frames(const MediaMarkup& markup, int media, const VideoDescription& video) {
  Expansion expansion;
  expansion.text = "You are provided the following series of " + number_words(video.frames_named) + " frames from a " +
                   duration_text(video.seconds) + " [H:MM:SS] video.\n";
  const int64_t features = video.grid.h * video.grid.w;
  const std::string cells = repeated(markup.placeholder, features);
  for (int64_t frame = 0; frame < video.grid.t; ++frame) {
    const double seconds = video.timing.group_seconds[static_cast<size_t>(frame)];
    expansion.text +=
        "\nFrame from " + minutes_text(seconds) + ":" + markup.start + std::string(kGlobalImage) + cells + markup.end;
    Span span;
    span.kind = SpanKind::video;
    span.media = media;
    span.grid = {1, video.grid.h, video.grid.w};
    span.features = features;
    span.start_seconds = seconds;
    span.step_seconds = video.timing.step_seconds;
    expansion.spans.push_back(span);
  }
  expansion.text += "\n\n";
  return expansion;
}

}  // namespace azimuth::prompt
