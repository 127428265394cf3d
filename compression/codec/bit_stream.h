#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace espalier::compression {

// Bits in the order in which they are written: the first bit is the most significant of the first byte, a
// number is written most significant bit first. The last byte is filled up with zeros.
class BitWriter {
 public:
  // Appends the lowest `count` bits of `value`. REQUIRES: 0 <= count <= 32, value < 2^count.
  void write(uint32_t value, int count) {
    pending_ = pending_ << count | value;
    pending_bits_ += count;
    bits_ += count;
    while (pending_bits_ >= 8) {
      pending_bits_ -= 8;
      bytes_.push_back(static_cast<char>(pending_ >> pending_bits_));
    }
  }
  // Elias's gamma code: as many zeros as `value` has bits after its first, then `value`. REQUIRES: value
  // >= 1.
  void write_gamma(uint32_t value);

  int64_t bits() const { return bits_; }
  // The bytes written; the writer is empty afterwards.
  std::string finish();

 private:
  std::string bytes_;
  uint64_t pending_ = 0;
  int pending_bits_ = 0;
  int64_t bits_ = 0;
};

// Reads what BitWriter wrote. Untrusted input: reading past the end throws Error.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes)
      : bytes_(bytes), end_(static_cast<int64_t>(bytes.size()) * 8) {}

  // The next `count` bits, zeros past the end, without moving. REQUIRES: 0 <= count <= 32.
  uint32_t peek(int count) const { return static_cast<uint32_t>(window() >> 32 >> (32 - count)); }
  void skip(int count) {
    if (count > end_ - position_) [[unlikely]]
      fail_at_end(count);
    position_ += count;
  }
  uint32_t read(int count) {
    const uint32_t value = peek(count);
    skip(count);
    return value;
  }
  uint32_t read_gamma();

  int64_t position() const { return position_; }
  int64_t remaining() const { return end_ - position_; }
  // Throws Error unless all that remains is the zero bits that fill up the last byte.
  void finish() const;

 private:
  // At least 57 bits from position_ on, the next one on top.
  uint64_t window() const;
  [[noreturn]] void fail_at_end(int count) const;

  std::span<const std::byte> bytes_;
  int64_t end_;
  int64_t position_ = 0;
};

}  // namespace espalier::compression
