#include "datasets/jpeg.h"

#include <turbojpeg.h>

#include <memory>
#include <string_view>
#include <type_traits>

#include "core/error.h"

namespace espalier::datasets {
namespace {

class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, const std::string& origin)
      : handle_(tjInitDecompress(), tjDestroy), bytes_(bytes), origin_(origin) {
    check(handle_ != nullptr, "[image] {}: no memory for a JPEG decoder", origin);
    int subsampling = 0;
    const int result = tjDecompressHeader3(handle_.get(), data(), size(), &size_.width, &size_.height,
                                           &subsampling, &colorspace_);
    check(result == 0 || is_warning(), "[image] {}: not a JPEG that can be read ({})", origin, reason());
  }

  const JpegSize& image_size() const { return size_; }

  std::vector<uint8_t> decode() {
    const bool cmyk = colorspace_ == TJCS_CMYK || colorspace_ == TJCS_YCCK;
    const size_t pixels = static_cast<size_t>(size_.width) * static_cast<size_t>(size_.height);
    std::vector<uint8_t> decoded(pixels * (cmyk ? 4 : 3));
    const int result =
        tjDecompress2(handle_.get(), data(), size(), decoded.data(), size_.width, 0, size_.height,
                      cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS);
    // Stray bytes are common and harmless; an image cut short is only partly an image.
    const bool harmless = is_warning() && reason().find("Premature end") == std::string_view::npos;
    check(result == 0 || harmless, "[image] {}: damaged ({})", origin_, reason());
    return cmyk ? from_cmyk(decoded) : decoded;
  }

 private:
  static std::vector<uint8_t> from_cmyk(const std::vector<uint8_t>& inks) {
    std::vector<uint8_t> colours(inks.size() / 4 * 3);
    for (size_t i = 0; i < inks.size() / 4; ++i)
      // Stored as the light that an ink lets through, as Adobe's programs do.
      for (size_t c = 0; c < 3; ++c)
        colours[3 * i + c] = static_cast<uint8_t>(inks[4 * i + c] * inks[4 * i + 3] / 255);
    return colours;
  }

  const unsigned char* data() const { return reinterpret_cast<const unsigned char*>(bytes_.data()); }
  unsigned long size() const { return static_cast<unsigned long>(bytes_.size()); }
  bool is_warning() const { return tjGetErrorCode(handle_.get()) == TJERR_WARNING; }
  std::string_view reason() const { return tjGetErrorStr2(handle_.get()); }

  std::unique_ptr<std::remove_pointer_t<tjhandle>, int (*)(tjhandle)> handle_;
  std::span<const std::byte> bytes_;
  const std::string& origin_;
  JpegSize size_;
  int colorspace_ = 0;
};

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} &&
         bytes[2] == std::byte{0xff};
}

JpegSize read_jpeg_size(std::span<const std::byte> bytes, const std::string& origin) {
  return Decoder(bytes, origin).image_size();
}

std::vector<uint8_t> decode_jpeg(std::span<const std::byte> bytes, const std::string& origin) {
  return Decoder(bytes, origin).decode();
}

}  // namespace espalier::datasets
