#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::datasets {

// JPEG through libjpeg-turbo, with its accurate inverse transform and smooth upsampling: the pixels that PIL,
// and so torchvision, reads from the same file.
struct JpegSize {
  int height = 0, width = 0;
};

bool is_jpeg(std::span<const std::byte> bytes);
// Both throw Error beginning with "[image] `origin`" for what is damaged; decode_jpeg also for what is cut
// short and for more than 500 scans. Returns (height, width, 3); grey and CMYK images become colour.
JpegSize read_jpeg_size(std::span<const std::byte> bytes, const std::string& origin);
std::vector<uint8_t> decode_jpeg(std::span<const std::byte> bytes, const std::string& origin);

}  // namespace espalier::datasets
