#include "compression/codec/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/error.h"

namespace espalier::compression {
namespace {

constexpr int kRawStream = -15;  // no zlib header, a window of 2^15 bytes

uInt checked_size(size_t bytes) {
  check(bytes <= std::numeric_limits<uInt>::max(), "[deflate] {} bytes, zlib takes 4 GiB at a time", bytes);
  return static_cast<uInt>(bytes);
}

}  // namespace

std::string deflate(std::string_view text) {
  z_stream stream{};
  check(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kRawStream, 9, Z_DEFAULT_STRATEGY) == Z_OK,
        "[deflate] zlib has no memory");
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> owner(&stream, deflateEnd);
  stream.avail_in = checked_size(text.size());
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  std::string result(deflateBound(&stream, stream.avail_in), '\0');
  stream.avail_out = checked_size(result.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  const int status = ::deflate(&stream, Z_FINISH);
  check(status == Z_STREAM_END, "[deflate] zlib reports {}", status);
  result.resize(stream.total_out);
  return result;
}

std::string inflate(std::span<const std::byte> bytes, size_t limit) {
  z_stream stream{};
  check(inflateInit2(&stream, kRawStream) == Z_OK, "[inflate] zlib has no memory");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, inflateEnd);
  stream.avail_in = checked_size(bytes.size());
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  std::string result;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    check(result.size() < limit, "[inflate] the stream gives more than the {} bytes allowed", limit);
    const size_t room = std::min(limit - result.size(), std::max<size_t>(result.size(), 1024));
    result.resize(result.size() + room);
    stream.avail_out = checked_size(room);
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + result.size() - room);
    status = ::inflate(&stream, Z_NO_FLUSH);
    result.resize(stream.total_out);
    // With room left and no end reached the input ran out, which zlib calls Z_OK or Z_BUF_ERROR.
    const bool more = status == Z_OK && stream.avail_out == 0;
    check(status == Z_STREAM_END || more, "[inflate] a damaged or incomplete stream of {} bytes",
          bytes.size());
  }
  check(stream.avail_in == 0, "[inflate] {} bytes follow the end of the stream", stream.avail_in);
  return result;
}

}  // namespace espalier::compression
