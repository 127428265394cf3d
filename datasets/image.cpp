#include "datasets/image.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "core/io/file.h"
#include "datasets/jpeg.h"

namespace {

// The most that stb_image may ask for at once on this thread: a PNG's data can inflate without end.
thread_local size_t largest_allocation = 0;

void* bounded_realloc(void* block, size_t size) {
  return size <= largest_allocation ? std::realloc(block, size) : nullptr;
}

}  // namespace

#define STBI_MALLOC(size) bounded_realloc(nullptr, size)
#define STBI_REALLOC(block, size) bounded_realloc(block, size)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

namespace espalier::datasets {
namespace {

// stb_image refuses some files without a word, and keeps the last one of the thread: forget() comes first.
void forget() {
  stbi__g_failure_reason = nullptr;
}
const char* reason() {
  const char* text = stbi_failure_reason();
  return text != nullptr ? text : "no reason given";
}

JpegSize read_size(std::span<const std::byte> bytes, const std::string& origin) {
  largest_allocation = 2 * bytes.size() + (size_t{1} << 20);
  int width = 0, height = 0, channels = 0;
  forget();
  check(stbi_info_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                              &width, &height, &channels) == 1,
        "[image] {}: not a JPEG, PNG or BMP image that can be read ({})", origin, reason());
  return {height, width};
}

std::vector<uint8_t> decode(std::span<const std::byte> bytes, int width, int height,
                            const std::string& origin) {
  // 16-bit pixels of four channels take 8 bytes, and buffers double as they grow.
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  largest_allocation = 2 * bytes.size() + (size_t{1} << 20) + 16 * pixels;
  int decoded_width = 0, decoded_height = 0, channels = 0;
  forget();
  const std::unique_ptr<stbi_uc, decltype(&std::free)> decoded(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                            &decoded_width, &decoded_height, &channels, kChannels),
      &std::free);
  check(decoded != nullptr, "[image] {}: damaged ({})", origin, reason());
  check(decoded_width == width && decoded_height == height,
        "[image] {}: decodes to {} x {} pixels, its header promises {} x {}", origin, decoded_width,
        decoded_height, width, height);
  return {decoded.get(), decoded.get() + pixels * kChannels};
}

JpegSize checked_size(std::span<const std::byte> bytes, const std::string& origin,
                      const ImageLimits& limits) {
  const uint64_t most = std::min<uint64_t>(limits.bytes, INT32_MAX);
  check(bytes.size() <= most, "[image] {}: {} bytes; at most {} are read", origin, bytes.size(), most);
  const JpegSize size = is_jpeg(bytes) ? read_jpeg_size(bytes, origin) : read_size(bytes, origin);
  const auto& [height, width] = size;
  check(width > 0 && height > 0 && width <= limits.side && height <= limits.side &&
            int64_t{width} * height <= limits.pixels,
        "[image] {}: {} x {} pixels; at most {} a side and {} in all are read", origin, width, height,
        limits.side, limits.pixels);
  return size;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& origin, const ImageLimits& limits) {
  const auto [height, width] = checked_size(bytes, origin, limits);
  return {height, width, is_jpeg(bytes) ? decode_jpeg(bytes, origin) : decode(bytes, width, height, origin)};
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  return decode_image(read_file(path, limits.bytes), path.string(), limits);
}

void check_image_header(const std::filesystem::path& path, const ImageLimits& limits) {
  const std::vector<std::byte> beginning = read_beginning(path, 16 << 10);
  try {
    static_cast<void>(checked_size(beginning, path.string(), limits));
  } catch (const Error&) {
    static_cast<void>(checked_size(read_file(path, limits.bytes), path.string(), limits));
  }
}

}  // namespace espalier::datasets
