#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace espalier::compression {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied into files as they lie in memory");

// Appends a number that is mostly small (LEB128): seven bits a byte, the lowest first, the top bit set on all
// but the last.
inline void append_varint(uint64_t value, std::string& bytes) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
}

template <typename T>
void append_raw(std::span<const T> values, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

// Takes a file apart from the front. Untrusted input: taking more than remains throws Error.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> take(uint64_t count) {
    check(count <= bytes_.size(), "[byte_stream] {} bytes were due where {} remain", count, bytes_.size());
    const auto taken = bytes_.first(static_cast<size_t>(count));
    bytes_ = bytes_.subspan(static_cast<size_t>(count));
    return taken;
  }
  std::string_view take_text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  template <typename T>
  T take_number() {
    T number;
    std::memcpy(&number, take(sizeof(T)).data(), sizeof(T));
    return number;
  }
  // A varint of at most 63 bits, in its shortest form.
  int64_t take_varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = take_number<uint8_t>();
      check(shift < 63 && (byte != 0 || shift == 0),
            "[byte_stream] a number of more than 63 bits or in a long form");
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return static_cast<int64_t>(value);
    }
  }
  size_t remaining() const { return bytes_.size(); }
  std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace espalier::compression
