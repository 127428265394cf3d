#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Writes a whole file or nothing: the bytes go to a temporary name beside `path`, are synced, and renamed
// over it; then the folder is synced. On any failure (full disk, no permission) the temporary is removed, the
// earlier file stands as it was, and Error names the path and the reason. A path that is a folder or a device
// is an error too.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  // removes the temporary unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

// The end of an AtomicFile for a file that was written under a name of its own, in the same folder: syncs
// `from`, renames it over `to`, and syncs the folder.
void sync_and_rename(const std::filesystem::path& from, const std::filesystem::path& to);

void write_file(const std::filesystem::path& path, std::string_view text);
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

// The whole file. Throws Error naming the path and the reason; a file larger than `limit` bytes is an error
// before it is read.
std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 34);
// Its first `most` bytes, or all of them where they are fewer.
std::vector<std::byte> read_beginning(const std::filesystem::path& path, uint64_t most);
// The lines that hold anything, without their ends ("\n" or "\r\n").
std::vector<std::string> read_lines(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 30);
std::string read_text(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 30);

}  // namespace espalier
