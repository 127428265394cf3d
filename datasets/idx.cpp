#include "datasets/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/io/file.h"

namespace espalier::datasets {
namespace {

// Keeps every size within the 32 bits that zlib counts in.
constexpr uint64_t kLargest = uint64_t{1} << 31;
constexpr uint64_t kLargestInflation = 1032;
constexpr uint8_t kUnsignedByte = 0x08;

// The two readers share a shape: read() fills `target` or throws, finish() throws unless all was read, and
// capacity() bounds what the reads can yield in all.
class PlainReader {
 public:
  PlainReader(std::span<const std::byte> bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}

  uint64_t capacity() const { return bytes_.size(); }

  void read(std::span<uint8_t> target) {
    check(target.size() <= bytes_.size() - position_, "[idx] {}: truncated: {} bytes, at least {} are due",
          origin_, bytes_.size(), position_ + target.size());
    std::transform(bytes_.begin() + static_cast<std::ptrdiff_t>(position_),
                   bytes_.begin() + static_cast<std::ptrdiff_t>(position_ + target.size()), target.begin(),
                   [](std::byte byte) { return std::to_integer<uint8_t>(byte); });
    position_ += target.size();
  }

  void finish() const {
    check(position_ == bytes_.size(), "[idx] {}: {} bytes, the header promises {}", origin_, bytes_.size(),
          position_);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& origin_;
  size_t position_ = 0;
};

class GzipReader {
 public:
  GzipReader(std::span<const std::byte> bytes, const std::string& origin)
      : compressed_(bytes.size()), origin_(origin) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    check(inflateInit2(&stream_, kGzipOnly) == Z_OK, "[idx] {}: zlib could not start", origin_);
    // zlib reads through a pointer to non-const unless it is built with ZLIB_CONST.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
  }
  ~GzipReader() { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  uint64_t capacity() const { return compressed_ * kLargestInflation; }

  void read(std::span<uint8_t> target) {
    const size_t missing = inflate_into(target);
    check(missing == 0, "[idx] {}: inflates to {} bytes, at least {} are due", origin_, stream_.total_out,
          stream_.total_out + missing);
  }

  void finish() {
    const auto promised = stream_.total_out;
    uint8_t beyond = 0;
    check(inflate_into({&beyond, 1}) == 1,
          "[idx] {}: inflates to more than the {} bytes that the header promises", origin_, promised);
    check(stream_.avail_in == 0, "[idx] {}: {} trailing bytes after the gzip data", origin_,
          stream_.avail_in);
  }

 private:
  // Returns how much of `target` the stream left unfilled because it ended.
  size_t inflate_into(std::span<uint8_t> target) {
    stream_.next_out = target.data();
    stream_.avail_out = static_cast<uInt>(target.size());
    // One call goes on until the input or the output is used up.
    if (!ended_ && !target.empty()) {
      const int result = inflate(&stream_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      check(ended_ || result == Z_OK || result == Z_BUF_ERROR, "[idx] {}: damaged gzip data ({})", origin_,
            stream_.msg != nullptr ? stream_.msg : zError(result));
      check(ended_ || stream_.avail_out == 0, "[idx] {}: truncated gzip data: {} bytes", origin_,
            compressed_);
    }
    return stream_.avail_out;
  }

  z_stream stream_{};
  uint64_t compressed_;
  const std::string& origin_;
  bool ended_ = false;
};

template <typename Reader>
IdxArray decode(Reader reader, const std::string& origin) {
  std::array<uint8_t, 4> magic{};
  reader.read(magic);
  check(magic[0] == 0 && magic[1] == 0, "[idx] {}: begins with {:02x} {:02x}; an IDX file begins with 00 00",
        origin, magic[0], magic[1]);
  check(magic[2] == kUnsignedByte, "[idx] {}: element type 0x{:02x}; only 0x{:02x}, unsigned byte, is read",
        origin, magic[2], kUnsignedByte);
  const size_t rank = magic[3];
  check(rank >= 1 && rank <= Shape::kMaxRank, "[idx] {}: rank {}; expected 1 to {}", origin, rank,
        Shape::kMaxRank);

  std::array<uint8_t, 4 * Shape::kMaxRank> header{};
  reader.read(std::span(header).first(4 * rank));
  std::array<int64_t, Shape::kMaxRank> extents{};
  const uint64_t most = std::min(reader.capacity(), kLargest);
  uint64_t count = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    const uint8_t* word = &header[4 * axis];
    const uint32_t extent =
        uint32_t{word[0]} << 24 | uint32_t{word[1]} << 16 | uint32_t{word[2]} << 8 | word[3];
    extents[axis] = extent;
    count *= extent;  // no overflow: count <= kLargest = 2^31 before, extent < 2^32
    check(count <= most, "[idx] {}: the header promises at least {} elements; the file holds {} at most",
          origin, count, most);
  }

  // Grown as the elements come, so that a header's promise alone takes no memory.
  IdxArray array{Shape(std::span(extents).first(rank)), {}};
  std::vector<uint8_t>& values = array.values;
  while (values.size() < count) {
    const size_t read = values.size();
    values.resize(std::min<uint64_t>(count, std::max<size_t>(2 * read, 1 << 16)));
    reader.read(std::span(values).subspan(read));
  }
  reader.finish();
  return array;
}

}  // namespace

IdxArray decode_idx(std::span<const std::byte> bytes, const std::string& origin) {
  check(bytes.size() <= kLargest, "[idx] {}: {} bytes; at most {} are read", origin, bytes.size(), kLargest);
  const bool gzip = bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
  return gzip ? decode<GzipReader>({bytes, origin}, origin) : decode<PlainReader>({bytes, origin}, origin);
}

IdxArray read_idx(const std::filesystem::path& path) {
  return decode_idx(read_file(path, kLargest), path.string());
}

}  // namespace espalier::datasets
