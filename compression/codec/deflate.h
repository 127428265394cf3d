#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace espalier::compression {

// A raw DEFLATE stream (RFC 1951) at zlib's highest level: the checksum of zlib's own framing would be a
// second one here.
std::string deflate(std::string_view text);
// Untrusted input: throws Error unless `bytes` is exactly one stream that gives at most `limit` bytes. Memory
// grows with what comes out.
std::string inflate(std::span<const std::byte> bytes, size_t limit);

}  // namespace espalier::compression
