#include "tests/datasets/image_bytes.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
// jpeglib.h needs FILE declared before it.
#include <jpeglib.h>

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

// Rows of `channels` bytes a pixel, coded in the colour space in which they come but for red, green and blue.
std::vector<std::byte> compress(std::vector<uint8_t> from, int height, int width, J_COLOR_SPACE space,
                                int channels, bool progressive) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = channels;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = &from[static_cast<size_t>(jpeg.next_scanline) * static_cast<size_t>(width * channels)];
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::vector<std::byte> result;
  append(&result, bytes, static_cast<int>(size));
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return result;
}

}  // namespace

std::vector<std::byte> progressive_jpeg_bytes(int height, int width) {
  return compress(pixels(height, width, 40), height, width, JCS_RGB, 3, true);
}

std::vector<std::byte> grey_jpeg_bytes(int height, int width, uint8_t grey) {
  return compress(std::vector<uint8_t>(static_cast<size_t>(height * width), grey), height, width,
                  JCS_GRAYSCALE, 1, false);
}

std::vector<std::byte> cmyk_jpeg_bytes(int height, int width, std::array<uint8_t, 4> inks) {
  std::vector<uint8_t> all;
  for (int i = 0; i < height * width; ++i) all.insert(all.end(), inks.begin(), inks.end());
  return compress(all, height, width, JCS_CMYK, 4, false);
}

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
