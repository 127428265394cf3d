#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"

// IDX files for the tests, made by hand.
namespace espalier::test {

using Bytes = std::vector<std::byte>;

inline Bytes idx_bytes(const std::vector<uint32_t>& extents, const std::vector<uint8_t>& values) {
  Bytes bytes{std::byte{0}, std::byte{0}, std::byte{8}, static_cast<std::byte>(extents.size())};
  for (uint32_t extent : extents)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(extent >> shift));
  for (uint8_t value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

inline Bytes gzip(const Bytes& plain) {
  z_stream stream{};
  check(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
        "[test] deflateInit2");
  Bytes packed(deflateBound(&stream, static_cast<uLong>(plain.size())));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  check(result == Z_STREAM_END, "[test] deflate");
  return packed;
}

}  // namespace espalier::test
