// Source: transformers/video_utils.py, read_video_pyav, and what PyAV does for it.
#include "media/video_decoder.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "media/decoders.h"
#include "media/ffmpeg/byte_stream.h"
#include "media/ffmpeg/frame_to_rgb.h"
#include "media/ffmpeg/handles.h"

namespace azimuth::media {
namespace {

constexpr const char* kContainers = "mov,matroska,avi,gif,mpegts,mpeg,ogg,flv";
constexpr const char* kCodecs =
    "h264,hevc,vp8,vp9,av1,libdav1d,libaom-av1,mpeg4,mpeg2video,mpeg1video,mjpeg,gif,theora,h263,flv,ffv1,png,rawvideo,"
    "prores,msmpeg4";
constexpr const char* kContainerNames = "MP4, MOV, Matroska, WebM, AVI, GIF, MPEG, Ogg or FLV";

std::string reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

Status out_of_memory() {
  return resource_exhausted("memory for decoding a video was expected, found none");
}

Status broken(const std::string& detail) {
  return data_loss("a complete video was expected, but it is damaged: " + detail + "; save or download it again");
}

class FfmpegDecoder : public VideoDecoder {
 public:
  FfmpegDecoder(VideoBytes bytes, const VideoFileOptions& options) : options_(options), stream_(std::move(bytes)) {}

  Status open();
  const ClipFacts& facts() const override { return facts_; }
  Result<int64_t> count_frames() override;
  Result<std::vector<Image>> frames(std::span<const int64_t> indices, const FrameStep& step) override;

 private:
  Status open_container();
  Status find_video();
  void set_rate(const AVStream& stream);
  Result<CodecHandle> open_codec() const;
  // Calls take(index, frame) for frames 0, 1, ... until it returns false or fails.
  template <typename Take>
  Status decode(Take take);
  template <typename Take>
  Status drain(AVCodecContext& codec, int64_t& index, bool& wanted, Take take);
  // Reads the next packet of the video. False at the end.
  Result<bool> next_packet(AVPacket& packet);

  VideoFileOptions options_;
  ByteStream stream_;
  FormatHandle format_;  // reads from stream_
  int video_ = -1;       // index of the stream
  ClipFacts facts_;
};

Status FfmpegDecoder::open() {
  AZ_RETURN_IF_ERROR(load_ffmpeg());
  AZ_RETURN_IF_ERROR(open_container());
  AZ_RETURN_IF_ERROR(find_video());
  return open_codec().status();
}

Status FfmpegDecoder::open_container() {
  AVFormatContext* format = avformat_alloc_context();
  AVIOContext* const input = format ? stream_.open() : nullptr;
  if (!input) {
    avformat_free_context(format);
    return out_of_memory();
  }
  format->pb = input;
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  // Nobody opens anything else, whatever the container refers to.
  format->io_open = [](AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); };
  format->format_whitelist = av_strdup(kContainers);
  format->codec_whitelist = av_strdup(kCodecs);
  format->protocol_whitelist = av_strdup("");
  const int code = avformat_open_input(&format, nullptr, nullptr, nullptr);  // frees `format` where it fails
  if (code < 0) {
    AZ_RETURN_IF_ERROR(stream_.failure());
    return unsupported("a video (" + std::string(kContainerNames) +
                       ") was expected, but this is none, or a damaged one (" + reason(code) + "); convert it first");
  }
  format_.reset(format);
  if (const int found = avformat_find_stream_info(format, nullptr); found < 0) return broken(reason(found));
  return stream_.failure();
}

Status FfmpegDecoder::find_video() {
  for (unsigned i = 0; i < format_->nb_streams && video_ < 0; ++i) {
    if (format_->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) video_ = static_cast<int>(i);
  }
  if (video_ < 0) return unsupported("a video was expected, but the file holds no pictures; name another file");
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    if (static_cast<int>(i) != video_) format_->streams[i]->discard = AVDISCARD_ALL;
  }
  const AVStream& stream = *format_->streams[video_];
  facts_ = {std::max<int64_t>(stream.nb_frames, 0), 0, 1, stream.codecpar->width, stream.codecpar->height};
  set_rate(stream);
  if (facts_.total_num_frames > options_.max_frames * 1024) facts_.total_num_frames = 0;  // a made-up number: count
  return check_picture_size(facts_.width, facts_.height, options_.max_pixels);
}

void FfmpegDecoder::set_rate(const AVStream& stream) {
  const AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
  if (rate.num > 0 && rate.den > 0) {
    facts_.rate_numerator = rate.num;
    facts_.rate_denominator = rate.den;
  }
  // FFmpeg 8 takes a GIF's mean delay in whole hundredths of a second, where FFmpeg 5 takes the nearest of usual rates.
  if (std::string_view(format_->iformat->name) != "gif" || stream.nb_frames <= 0) return;
  const int64_t mean_delay = stream.duration / stream.nb_frames;
  if (mean_delay <= 0 || mean_delay > INT32_MAX) return;
  facts_.rate_numerator = stream.time_base.den;
  facts_.rate_denominator = mean_delay * stream.time_base.num;
}

Result<CodecHandle> FfmpegDecoder::open_codec() const {
  const AVStream& stream = *format_->streams[video_];
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  const std::string name = avcodec_get_name(stream.codecpar->codec_id);
  if (!codec) {
    return unsupported("a video codec that this build decodes was expected, found " + name + "; convert it to H.264");
  }
  CodecHandle handle(avcodec_alloc_context3(codec));
  if (!handle) return out_of_memory();
  if (const int code = avcodec_parameters_to_context(handle.get(), stream.codecpar); code < 0)
    return broken(reason(code));
  handle->pkt_timebase = stream.time_base;
  handle->codec_whitelist = av_strdup(kCodecs);
  handle->max_pixels = options_.max_pixels;
  // Below half a megapixel, waking threads costs more than they save.
  handle->thread_count = facts_.width * facts_.height < int64_t{1} << 19 ? 1 : 0;
  handle->thread_type = FF_THREAD_SLICE;  // as PyAV
  if (const int code = avcodec_open2(handle.get(), codec, nullptr); code < 0) {
    return unsupported("a video codec that is read was expected, found " + name + " (" + reason(code) +
                       "); convert it to H.264");
  }
  return handle;
}

Result<bool> FfmpegDecoder::next_packet(AVPacket& packet) {
  for (;;) {
    av_packet_unref(&packet);
    const int code = av_read_frame(format_.get(), &packet);
    if (code == AVERROR(EAGAIN)) continue;
    AZ_RETURN_IF_ERROR(stream_.failure());
    if (code == AVERROR_EOF) return false;
    if (code < 0) return broken(reason(code));
    if (packet.stream_index == video_) return true;
  }
}

template <typename Take>
Status FfmpegDecoder::drain(AVCodecContext& codec, int64_t& index, bool& wanted, Take take) {
  FrameHandle frame(av_frame_alloc());
  if (!frame) return out_of_memory();
  while (wanted) {
    const int code = avcodec_receive_frame(&codec, frame.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return ok_status();
    if (code < 0) return broken("frame " + std::to_string(index) + ": " + reason(code));
    const int64_t pixels = int64_t{frame->width} * frame->height;
    if (index >= options_.max_frames || pixels > options_.max_coded_pixels / (index + 1)) {
      return resource_exhausted("a video of at most " + std::to_string(options_.max_frames) + " frames or " +
                                std::to_string(options_.max_coded_pixels) +
                                " pixels in all was expected, found more at frame " + std::to_string(index) +
                                "; cut it first");
    }
    AZ_ASSIGN_OR_RETURN(wanted, take(index, *frame));
    ++index;
  }
  return ok_status();
}

template <typename Take>
Status FfmpegDecoder::decode(Take take) {
  if (const int code = av_seek_frame(format_.get(), -1, 0, AVSEEK_FLAG_BACKWARD); code < 0) {
    return broken("its beginning cannot be found (" + reason(code) + ")");
  }
  AZ_ASSIGN_OR_RETURN(const CodecHandle codec, open_codec());
  PacketHandle packet(av_packet_alloc());
  if (!packet) return out_of_memory();
  int64_t index = 0;
  bool wanted = true;
  for (bool more = true; more && wanted;) {
    AZ_ASSIGN_OR_RETURN(more, next_packet(*packet));
    const int code = avcodec_send_packet(codec.get(), more ? packet.get() : nullptr);
    if (code < 0 && code != AVERROR_EOF) return broken("frame " + std::to_string(index) + ": " + reason(code));
    AZ_RETURN_IF_ERROR(drain(*codec, index, wanted, take));
  }
  return ok_status();
}

Result<int64_t> FfmpegDecoder::count_frames() {
  int64_t count = 0;
  AZ_RETURN_IF_ERROR(decode([&](int64_t, const AVFrame&) -> Result<bool> {
    ++count;
    return true;
  }));
  if (count == 0) return broken("it holds no frame");
  return count;
}

Result<std::vector<Image>> FfmpegDecoder::frames(std::span<const int64_t> indices, const FrameStep& step) {
  std::vector<Image> kept;
  if (indices.empty()) return kept;
  FrameConverter converter;
  int64_t pixels = 0;
  const auto take = [&](int64_t index, const AVFrame& frame) -> Result<bool> {
    if (index != indices[kept.size()]) return true;
    AZ_RETURN_IF_ERROR(check_picture_size(frame.width, frame.height, options_.max_pixels));
    AZ_ASSIGN_OR_RETURN(Image image, converter.convert(frame));
    if (step) {
      AZ_ASSIGN_OR_RETURN(image, step(std::move(image)));
    }
    pixels += image.width * image.height;
    if (pixels > options_.max_kept_pixels) {
      return resource_exhausted("video frames of at most " + std::to_string(options_.max_kept_pixels) +
                                " pixels together were expected, found more at frame " + std::to_string(index) +
                                "; take fewer frames (num_frames, fps) or a smaller video");
    }
    kept.push_back(std::move(image));
    return kept.size() < indices.size();
  };
  AZ_RETURN_IF_ERROR(decode(take));
  return kept;
}

}  // namespace

bool can_read_video_files() {
  return load_ffmpeg().ok();
}

Result<std::unique_ptr<VideoDecoder>> open_decoder(VideoBytes bytes, const VideoFileOptions& options) {
  auto decoder = std::make_unique<FfmpegDecoder>(std::move(bytes), options);
  AZ_RETURN_IF_ERROR(decoder->open());
  return std::unique_ptr<VideoDecoder>(std::move(decoder));
}

}  // namespace azimuth::media
