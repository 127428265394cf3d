#include "datasets/image.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "core/error.h"
#include "core/io/file.h"

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
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

namespace espalier::datasets {
namespace {

constexpr int kChannels = 3;

// A progressive JPEG is decoded in scans, each over the whole image, however short its data: a bomb.
constexpr int kMostScans = 200;
constexpr size_t kMostSymbols = 256;

// Where a JPEG's markers must be looked for: behind the application data and comments at its beginning, whose
// bytes may look like anything.
size_t skip_metadata(std::span<const std::byte> bytes) {
  size_t at = 2;
  while (at + 4 <= bytes.size() && bytes[at] == std::byte{0xff}) {
    const auto marker = std::to_integer<unsigned>(bytes[at + 1]);
    const auto length = std::to_integer<size_t>(bytes[at + 2]) << 8 | std::to_integer<size_t>(bytes[at + 3]);
    if (!((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe) || length < 2) break;
    at += 2 + length;
  }
  return at;
}

// stb_image 2.27 writes past its table when a Huffman code has more than 256 symbols (CVE-2021-37789). Looks
// at every place that it could take for such a table, within a scan too.
void check_jpeg(std::span<const std::byte> bytes, const std::string& origin) {
  const auto byte = [&](size_t at) {
    return at < bytes.size() ? std::to_integer<size_t>(bytes[at]) : size_t{0};
  };
  int scans = 0;
  for (size_t at = skip_metadata(bytes); at + 1 < bytes.size(); ++at) {
    if (byte(at) != 0xff) continue;
    if (byte(at + 1) == 0xda)
      check(++scans <= kMostScans, "[image] {}: a JPEG of more than {} scans", origin, kMostScans);
    if (byte(at + 1) != 0xc4) continue;
    const size_t end = at + 2 + (byte(at + 2) << 8 | byte(at + 3));
    for (size_t table = at + 4; table < std::min(end, bytes.size());) {
      size_t symbols = 0;
      for (size_t length = 1; length <= 16; ++length) symbols += byte(table + length);
      check(symbols <= kMostSymbols, "[image] {}: damaged (a Huffman code of {} symbols; at most {})", origin,
            symbols, kMostSymbols);
      table += 17 + symbols;
    }
  }
}

// stb_image refuses some files without a word.
const char* reason() {
  const char* text = stbi_failure_reason();
  return text != nullptr ? text : "no reason given";
}

struct Header {
  int width = 0, height = 0;
};

// Leaves stb_image the memory that a header may take.
Header decode_header(std::span<const std::byte> bytes, const std::string& origin, const ImageLimits& limits) {
  const uint64_t most = std::min<uint64_t>(limits.bytes, INT32_MAX);
  check(bytes.size() <= most, "[image] {}: {} bytes; at most {} are read", origin, bytes.size(), most);
  largest_allocation = 2 * bytes.size() + (size_t{1} << 20);
  if (bytes.size() >= 2 && bytes[0] == std::byte{0xff}) check_jpeg(bytes, origin);
  Header header;
  int channels = 0;
  check(stbi_info_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                              &header.width, &header.height, &channels) == 1,
        "[image] {}: not a JPEG, PNG or BMP image that can be read ({})", origin, reason());
  const auto& [width, height] = header;
  check(width > 0 && height > 0 && width <= limits.side && height <= limits.side &&
            int64_t{width} * height <= limits.pixels,
        "[image] {}: {} x {} pixels; at most {} a side and {} in all are read", origin, width, height,
        limits.side, limits.pixels);
  return header;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& origin, const ImageLimits& limits) {
  const auto [width, height] = decode_header(bytes, origin, limits);
  // 16-bit pixels of four channels take 8 bytes, and buffers double as they grow.
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  largest_allocation += 16 * pixels;
  int decoded_width = 0, decoded_height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&std::free)> decoded(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                            &decoded_width, &decoded_height, &channels, kChannels),
      &std::free);
  check(decoded != nullptr, "[image] {}: damaged ({})", origin, reason());
  check(decoded_width == width && decoded_height == height,
        "[image] {}: decodes to {} x {} pixels, its header promises {} x {}", origin, decoded_width,
        decoded_height, width, height);
  return {height, width, {decoded.get(), decoded.get() + pixels * kChannels}};
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  return decode_image(read_file(path, limits.bytes), path.string(), limits);
}

void check_image_header(const std::filesystem::path& path, const ImageLimits& limits) {
  constexpr size_t kBeginning = 16 << 10;
  std::vector<std::byte> beginning(kBeginning);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(beginning.data()), kBeginning);
  beginning.resize(static_cast<size_t>(file.gcount()));
  try {
    static_cast<void>(decode_header(beginning, path.string(), limits));
  } catch (const Error&) {
    static_cast<void>(decode_header(read_file(path, limits.bytes), path.string(), limits));
  }
}

}  // namespace espalier::datasets
