#include "tests/datasets/image_bytes.h"

#include <cstdint>

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace espalier::test {
namespace {

std::vector<uint8_t> pixels(int height, int width, int red) {
  std::vector<uint8_t> result;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int value : {red, 7 * y, 5 * x}) result.push_back(static_cast<uint8_t>(value));
  return result;
}

void append(void* target, void* data, int size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  auto& result = *static_cast<std::vector<std::byte>*>(target);
  result.insert(result.end(), bytes, bytes + size);
}

}  // namespace

std::vector<std::byte> jpeg_bytes(int height, int width, int red) {
  std::vector<std::byte> result;
  stbi_write_jpg_to_func(append, &result, width, height, 3, pixels(height, width, red).data(), 95);
  return result;
}

std::vector<std::byte> png_bytes(int height, int width, int red) {
  std::vector<std::byte> result;
  stbi_write_png_to_func(append, &result, width, height, 3, pixels(height, width, red).data(), 3 * width);
  return result;
}

}  // namespace espalier::test
