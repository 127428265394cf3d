#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace espalier::interchange {

// The files of a zip archive (APPNOTE 6.3.3) by name, found through the central directory; stored and
// deflated ones. zip64 and encryption are refused. Untrusted input: anything damaged is an Error, files may
// not overlap, and a file is checked against its CRC-32 when it is read.
class ZipArchive {
 public:
  // REQUIRES: `bytes` outlive the archive.
  explicit ZipArchive(std::span<const std::byte> bytes);
  static bool recognises(std::span<const std::byte> bytes);

  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return entries_.contains(name); }
  // Takes as much memory as the file is large, which is at most 1032 times its part of the archive.
  std::vector<std::byte> read(const std::string& name) const;

 private:
  struct Entry {
    uint16_t method = 0;
    uint32_t crc = 0, size = 0;
    std::span<const std::byte> packed;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace espalier::interchange
