#include "compression/codec/bit_stream.h"

#include <bit>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace espalier::compression {

static_assert(std::endian::native == std::endian::little, "window() swaps the bytes of a little-endian load");

void BitWriter::write_gamma(uint32_t value) {
  const int length = std::bit_width(value);
  write(0, length - 1);
  write(value, length);
}

std::string BitWriter::finish() {
  if (pending_bits_ > 0) write(0, 8 - pending_bits_);
  bits_ = 0;
  return std::exchange(bytes_, {});
}

uint64_t BitReader::window() const {
  const auto first = static_cast<size_t>(position_ / 8);
  const size_t available = bytes_.size() - first;
  uint64_t loaded = 0;
  if (available >= 8) [[likely]] {
    std::memcpy(&loaded, bytes_.data() + first, 8);
  } else if (available > 0) {
    std::memcpy(&loaded, bytes_.data() + first, available);
  }
  return __builtin_bswap64(loaded) << (position_ % 8);
}

uint32_t BitReader::read_gamma() {
  const int zeros = std::countl_zero(peek(32));
  check(zeros < 32, "[bit_stream] no number has 32 leading zeros, as at bit {} of {}", position_, end_);
  skip(zeros);
  return read(zeros + 1);
}

void BitReader::finish() const {
  check(remaining() < 8, "[bit_stream] {} bits are left over after the last symbol", remaining());
  check(peek(8) == 0, "[bit_stream] the last byte is not filled up with zeros");
}

void BitReader::fail_at_end(int count) const {
  fail("[bit_stream] {} bits were due at bit {} of {}", count, position_, end_);
}

}  // namespace espalier::compression
