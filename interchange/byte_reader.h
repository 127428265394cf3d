#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "core/error.h"

namespace espalier::interchange {

// A cursor over little-endian bytes that throws Error instead of leaving them.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes, size_t position = 0)
      : bytes_(bytes), position_(position) {
    check(position <= bytes.size(), "byte {} was due; there are {}", position, bytes.size());
  }

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(size_t count) {
    check(count <= left(), "{} bytes were due at byte {}; {} are left", count, position_, left());
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }
  std::string_view text(size_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), count};
  }
  // Up to the next newline, which is passed over.
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, left());
    const size_t length = rest.find('\n');
    check(length != rest.npos, "the line at byte {} has no end", position_);
    position_ += length + 1;
    return rest.substr(0, length);
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

}  // namespace espalier::interchange
