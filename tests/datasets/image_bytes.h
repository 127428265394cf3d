#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

// Images for the tests, encoded by stb_image_write. Pixel (y, x) is (red, 7 y, 5 x), each modulo 256.
namespace espalier::test {

std::vector<std::byte> jpeg_bytes(int height, int width, int red = 40);
std::vector<std::byte> progressive_jpeg_bytes(int height, int width);
// Of one colour.
std::vector<std::byte> grey_jpeg_bytes(int height, int width, uint8_t grey);
std::vector<std::byte> cmyk_jpeg_bytes(int height, int width, std::array<uint8_t, 4> inks);
std::vector<std::byte> png_bytes(int height, int width, int red = 40);

}  // namespace espalier::test
