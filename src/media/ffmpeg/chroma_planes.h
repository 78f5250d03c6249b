// Chroma at every pixel of a frame that stores it at a lower resolution, interpolated as FFmpeg 8's scaler does.
//
// FFmpeg 5 takes the nearest row or the mean of two instead (libswscale/output.c, yuv2rgb_1). Frames of 8 bits and even
// height need none of this: both versions repeat chroma there.
#pragma once

#include "azimuth/status.h"
#include "media/ffmpeg/handles.h"

namespace azimuth::media {

// Whether `frame` has to go through full_chroma() before FFmpeg converts it.
bool needs_full_chroma(const AVFrame& frame);

// The frame in 16 bits, with chroma on every row, and in every column where the width is odd; at even widths two
// neighbours share theirs. `bottom_field`: of an interlaced frame, the rows 1, 3, ... instead of 0, 2, ...
Result<FrameHandle> full_chroma(const AVFrame& frame, bool interlaced, bool bottom_field);

}  // namespace azimuth::media
