// Decoded frames as RGB, as PyAV's VideoFrame.to_ndarray(format="rgb24") gives them with FFmpeg 8.
#pragma once

#include "azimuth/status.h"
#include "media/ffmpeg/handles.h"
#include "media/image.h"

namespace azimuth::media {

// Keeps what it set up for frames of one kind.
class FrameConverter {
 public:
  // Errors: unsupported for a pixel format that cannot be converted.
  Result<Image> convert(const AVFrame& frame);

 private:
  // `source` into rows of `out` from `first_row` on, `row_step` apart.
  Status convert_rows(const AVFrame& source, Image& out, int first_row, int row_step);
  // Makes scaler_ and rgb_ for frames like `source`.
  Status set_up(const AVFrame& source);

  ScalerHandle scaler_;
  FrameHandle rgb_;  // the scaler writes past the end of short rows, so that it gets rows with a margin
  int source_format_ = -1;
};

}  // namespace azimuth::media
