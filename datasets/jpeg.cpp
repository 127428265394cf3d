#include "datasets/jpeg.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include "core/error.h"

namespace espalier::datasets {
namespace {

// A progressive JPEG is decoded in scans, each over the whole image, however short its data: a bomb.
constexpr int kMostScans = 500;

// libjpeg's state and what it reports. It leaves a fatal error by longjmp, so that no object with a
// destructor may be made between setjmp and what calls the library; all of them are members here.
class Decoder {
 public:
  Decoder() {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr jpeg) {
      Decoder& decoder = of(jpeg);
      jpeg->err->format_message(jpeg, decoder.reason_);
      std::longjmp(decoder.escape_, 1);
    };
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      // Stray bytes are common and harmless; an image cut short is only partly an image.
      if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) jpeg->err->error_exit(jpeg);
    };
    jpeg_.client_data = this;
  }
  ~Decoder() {
    if (made_) jpeg_destroy_decompress(&jpeg_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // False with reason() set when the header is damaged.
  bool read_header(std::span<const std::byte> bytes) {
    if (setjmp(escape_) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    made_ = true;
    jpeg_.client_data = this;
    monitor_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMostScans) return;
      std::snprintf(of(jpeg).reason_, sizeof of(jpeg).reason_, "more than %d scans", kMostScans);
      std::longjmp(of(jpeg).escape_, 1);
    };
    jpeg_.progress = &monitor_;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  // Fills `pixels`, size().width * channels() bytes a row, or returns false with reason() set.
  bool decode(uint8_t* pixels) {
    if (setjmp(escape_) != 0) return false;
    jpeg_.out_color_space = has_inks() ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = pixels + static_cast<size_t>(jpeg_.output_scanline) * jpeg_.image_width * channels();
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  JpegSize size() const {
    return {static_cast<int>(jpeg_.image_height), static_cast<int>(jpeg_.image_width)};
  }
  bool has_inks() const { return jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK; }
  size_t channels() const { return has_inks() ? 4 : 3; }
  const char* reason() const { return reason_; }

 private:
  static Decoder& of(j_common_ptr jpeg) { return *static_cast<Decoder*>(jpeg->client_data); }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr monitor_{};
  std::jmp_buf escape_{};
  char reason_[JMSG_LENGTH_MAX] = {};
  bool made_ = false;
};

// The inks are stored as the light that they let through, as Adobe's programs do.
std::vector<uint8_t> colours_of(const std::vector<uint8_t>& inks) {
  std::vector<uint8_t> colours(inks.size() / 4 * 3);
  for (size_t i = 0; i < inks.size() / 4; ++i)
    for (size_t c = 0; c < 3; ++c)
      colours[3 * i + c] = static_cast<uint8_t>(inks[4 * i + c] * inks[4 * i + 3] / 255);
  return colours;
}

void read_header(Decoder& decoder, std::span<const std::byte> bytes, const std::string& origin) {
  check(decoder.read_header(bytes), "[image] {}: not a JPEG that can be read ({})", origin, decoder.reason());
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} &&
         bytes[2] == std::byte{0xff};
}

JpegSize read_jpeg_size(std::span<const std::byte> bytes, const std::string& origin) {
  Decoder decoder;
  read_header(decoder, bytes, origin);
  return decoder.size();
}

std::vector<uint8_t> decode_jpeg(std::span<const std::byte> bytes, const std::string& origin) {
  Decoder decoder;
  read_header(decoder, bytes, origin);
  const auto [height, width] = decoder.size();
  std::vector<uint8_t> pixels(static_cast<size_t>(height) * static_cast<size_t>(width) * decoder.channels());
  check(decoder.decode(pixels.data()), "[image] {}: damaged ({})", origin, decoder.reason());
  return decoder.has_inks() ? colours_of(pixels) : pixels;
}

}  // namespace espalier::datasets
