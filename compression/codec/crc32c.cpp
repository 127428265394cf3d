#include "compression/codec/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace espalier::compression {

uint32_t crc32c(std::span<const std::byte> bytes) {
  uint32_t state = 0xffffffff;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min<size_t>(bytes.size(), size_t{1} << 30));  // isa-l counts in int
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(part.data()));
    state = crc32_iscsi(data, static_cast<int>(part.size()), state);
    bytes = bytes.subspan(part.size());
  }
  return ~state;  // isa-l leaves the final inversion to its caller
}

}  // namespace espalier::compression
