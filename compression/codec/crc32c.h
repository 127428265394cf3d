#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier::compression {

// The Castagnoli checksum of iSCSI (RFC 3720, appendix B.4): the ASCII bytes "123456789" give e3069283.
uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace espalier::compression
