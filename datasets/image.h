#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace espalier::datasets {

constexpr int kChannels = 3;  // of every image: red, green, blue

struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;  // (height, width, kChannels)
};

// What an image may cost before it is refused.
struct ImageLimits {
  uint64_t bytes = uint64_t{64} << 20;  // of the file
  int64_t side = 16384;                 // height and width
  int64_t pixels = int64_t{64} << 20;   // height x width
};

// Decodes a JPEG image through libjpeg-turbo, a PNG or BMP through stb_image, whose other readers (GIF, PSD,
// HDR, ...) have a history of memory errors and are left out. Grey and palette images become colour,
// transparency is dropped. Untrusted input: damage and what exceeds the limits are Errors that begin with
// "[image] `origin`".
Image decode_image(std::span<const std::byte> bytes, const std::string& origin,
                   const ImageLimits& limits = {});
Image read_image(const std::filesystem::path& path, const ImageLimits& limits = {});
// Throws what read_image() would for faults that the file's beginning shows: no image, or one beyond the
// limits. Reads 16 KiB, and more only where they are not enough.
void check_image_header(const std::filesystem::path& path, const ImageLimits& limits = {});

}  // namespace espalier::datasets
