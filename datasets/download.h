#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace espalier::datasets {

// A file at an address, known before it comes.
struct Download {
  std::string url;  // http or https; redirects are followed
  std::filesystem::path target;
  uint64_t bytes = 0;  // its size
  std::string md5;     // its checksum, 32 lower-case hexadecimal digits
};

// Fetches the file into <target>.part, checks size and checksum, and renames it to `target`. What an earlier
// attempt left in <target>.part is kept and the rest asked for; a server that sends the whole file instead is
// taken at its word. Calls `progress` with how many bytes are there. Tries once. Throws Error, naming the
// address: when the transfer breaks off (<target>.part stays, for the next attempt), when the server answers
// with an error or another size, and when the checksum is not the one expected (<target>.part is removed).
void download(const Download& file, const std::function<void(uint64_t bytes)>& progress = {});

// The MD5 of a file, as Download::md5.
std::string file_md5(const std::filesystem::path& path);

}  // namespace espalier::datasets
