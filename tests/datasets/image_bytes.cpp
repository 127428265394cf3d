#include "tests/datasets/image_bytes.h"

#include <turbojpeg.h>

#include <cstdint>
#include <memory>
#include <type_traits>

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

std::vector<std::byte> compress(const std::vector<uint8_t>& from, int height, int width, int format,
                                int subsampling, int flags) {
  const std::unique_ptr<std::remove_pointer_t<tjhandle>, int (*)(tjhandle)> handle(tjInitCompress(),
                                                                                   tjDestroy);
  unsigned char* jpeg = nullptr;
  unsigned long size = 0;
  tjCompress2(handle.get(), from.data(), width, 0, height, format, &jpeg, &size, subsampling, 95, flags);
  std::vector<std::byte> result;
  append(&result, jpeg, static_cast<int>(size));
  tjFree(jpeg);
  return result;
}

}  // namespace

std::vector<std::byte> progressive_jpeg_bytes(int height, int width) {
  return compress(pixels(height, width, 40), height, width, TJPF_RGB, TJSAMP_444, TJFLAG_PROGRESSIVE);
}

std::vector<std::byte> grey_jpeg_bytes(int height, int width, uint8_t grey) {
  return compress(std::vector<uint8_t>(static_cast<size_t>(height * width), grey), height, width, TJPF_GRAY,
                  TJSAMP_GRAY, 0);
}

std::vector<std::byte> cmyk_jpeg_bytes(int height, int width, std::array<uint8_t, 4> inks) {
  std::vector<uint8_t> all;
  for (int i = 0; i < height * width; ++i) all.insert(all.end(), inks.begin(), inks.end());
  return compress(all, height, width, TJPF_CMYK, TJSAMP_444, 0);
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
