#pragma once

#include <cstddef>
#include <vector>

// Images for the tests, encoded by stb_image_write. Pixel (y, x) is (red, 7 y, 5 x), each modulo 256.
namespace espalier::test {

std::vector<std::byte> jpeg_bytes(int height, int width, int red = 40);
std::vector<std::byte> png_bytes(int height, int width, int red = 40);

}  // namespace espalier::test
