#include "interchange/zip.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "interchange/byte_reader.h"

namespace espalier::interchange {
namespace {

constexpr std::string_view kEnd = "PK\x05\x06", kCentral = "PK\x01\x02", kLocal = "PK\x03\x04";
constexpr size_t kEndBytes = 22, kMaxComment = 65535;
constexpr uint32_t kDeflateRatio = 1032;  // deflate's greatest: 258 bytes from two bits
constexpr uint16_t kStored = 0, kDeflated = 8, kEncrypted = 1;

size_t find_end(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t earliest = bytes.size() > kEndBytes + kMaxComment ? bytes.size() - kEndBytes - kMaxComment : 0;
  const size_t at = text.rfind(kEnd);
  check(at != text.npos && at >= earliest,
        "[zip] there is no end of the central directory: not a zip, or cut short");
  return at;
}

std::vector<std::byte> inflate_raw(std::span<const std::byte> packed, size_t size, const std::string& name) {
  std::vector<std::byte> result(std::max<size_t>(size, 1));
  z_stream stream{};
  check(inflateInit2(&stream, -MAX_WBITS) == Z_OK, "[zip] zlib has no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(size);
  const int status = inflate(&stream, Z_FINISH);
  const size_t written = stream.total_out;
  inflateEnd(&stream);
  check(status == Z_STREAM_END && written == size, "[zip] '{}' does not inflate to its {} bytes", name, size);
  result.resize(size);
  return result;
}

}  // namespace

bool ZipArchive::recognises(std::span<const std::byte> bytes) {
  return bytes.size() >= kLocal.size() && std::memcmp(bytes.data(), kLocal.data(), kLocal.size()) == 0;
}

ZipArchive::ZipArchive(std::span<const std::byte> bytes) {
  ByteReader end(bytes, find_end(bytes) + kEnd.size());
  end.take(6);  // numbers of disks, files on this disk
  const auto files = end.number<uint16_t>();
  end.number<uint32_t>();  // the directory's length
  const auto begin = end.number<uint32_t>();
  check(files != UINT16_MAX && begin != UINT32_MAX,
        "[zip] this is a zip64 archive; only archives below 4 GiB are read");
  ByteReader directory(bytes, begin);
  size_t packed_bytes = 0;
  for (int file = 0; file < files; ++file) {
    check(directory.text(4) == kCentral, "[zip] entry {} of the central directory is damaged", file);
    directory.take(4);  // versions
    const auto flags = directory.number<uint16_t>();
    Entry entry;
    entry.method = directory.number<uint16_t>();
    directory.take(4);  // time
    entry.crc = directory.number<uint32_t>();
    const auto packed = directory.number<uint32_t>();
    entry.size = directory.number<uint32_t>();
    const auto name_length = directory.number<uint16_t>();
    const auto extra_length = directory.number<uint16_t>();
    const auto comment_length = directory.number<uint16_t>();
    directory.take(8);  // disk, attributes
    const auto offset = directory.number<uint32_t>();
    const std::string name(directory.text(name_length));
    directory.take(size_t{extra_length} + comment_length);

    check(packed != UINT32_MAX && entry.size != UINT32_MAX && offset != UINT32_MAX,
          "[zip] '{}' is a zip64 entry; only archives below 4 GiB are read", name);
    check((flags & kEncrypted) == 0, "[zip] '{}' is encrypted", name);
    check(entry.method == kStored || entry.method == kDeflated,
          "[zip] '{}' is compressed by method {}; stored (0) and deflated (8) are read", name, entry.method);
    check(entry.method == kStored ? entry.size == packed : entry.size / kDeflateRatio <= packed,
          "[zip] '{}' claims {} bytes from {}", name, entry.size, packed);
    ByteReader local(bytes, offset);
    check(local.text(4) == kLocal, "[zip] '{}' has no local header at byte {}", name, offset);
    local.take(22);
    const auto local_name = local.number<uint16_t>();
    const auto local_extra = local.number<uint16_t>();
    local.take(size_t{local_name} + local_extra);
    entry.packed = local.take(packed);
    packed_bytes += packed;
    check(packed_bytes <= bytes.size(), "[zip] files overlap: they claim more bytes than the archive's {}",
          bytes.size());
    check(entries_.emplace(name, entry).second, "[zip] the name '{}' comes twice", name);
  }
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> result;
  for (const auto& [name, entry] : entries_) result.push_back(name);
  return result;
}

std::vector<std::byte> ZipArchive::read(const std::string& name) const {
  const auto found = entries_.find(name);
  check(found != entries_.end(), "[zip] there is no file '{}'", name);
  const Entry& entry = found->second;
  auto contents = entry.method == kStored ? std::vector<std::byte>(entry.packed.begin(), entry.packed.end())
                                          : inflate_raw(entry.packed, entry.size, name);
  const auto crc =
      static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(contents.data()), contents.size()));
  check(crc == entry.crc, "[zip] '{}' has CRC-32 {:08x}; its entry says {:08x}", name, crc, entry.crc);
  return contents;
}

}  // namespace espalier::interchange
