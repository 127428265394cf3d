#include "datasets/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/io/file.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

using Reader = std::unique_ptr<struct archive, int (*)(struct archive*)>;

bool escapes(const fs::path& path) {
  return path.is_absolute() || std::ranges::find(path, "..") != path.end();
}

// The entry's bytes: exactly `size` of them.
void copy(struct archive* reader, uint64_t size, const fs::path& target, const std::string& where) {
  fs::create_directories(target.parent_path());
  AtomicFile file(target);
  std::array<std::byte, 1 << 16> block;
  uint64_t done = 0;
  for (;;) {
    const la_ssize_t count = archive_read_data(reader, block.data(), block.size());
    if (count < 0) fail("[unpack] {}: {}", where, archive_error_string(reader));
    if (count == 0) break;
    done += static_cast<uint64_t>(count);
    file.write(std::span(block).first(static_cast<size_t>(count)));
  }
  check(done == size, "[unpack] {}: {} bytes came, {} were due", where, done, size);
  file.commit();
}

}  // namespace

void unpack(const fs::path& path, std::span<const std::string_view> members, const fs::path& folder,
            uint64_t limit) {
  const Reader reader(archive_read_new(), archive_read_free);
  check(reader != nullptr, "[unpack] libarchive cannot be initialised");
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_tar(reader.get());
  const auto require = [&](int code) {
    if (code < ARCHIVE_WARN) fail("[unpack] {}: {}", path.string(), archive_error_string(reader.get()));
  };
  require(archive_read_open_filename(reader.get(), path.c_str(), 1 << 16));
  std::vector<std::string_view> missing(members.begin(), members.end());
  uint64_t total = 0;
  for (archive_entry* entry = nullptr;;) {
    const int code = archive_read_next_header(reader.get(), &entry);
    if (code == ARCHIVE_EOF) break;
    require(code);
    const char* const raw = archive_entry_pathname(entry);
    const fs::path given = raw != nullptr ? raw : "";  // null: not text in this locale, so none of ours
    check(!escapes(given), "[unpack] {}: '{}' would lie outside of the folder", path.string(),
          given.string());
    const std::string name = given.lexically_normal();
    const auto size = static_cast<uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
    check(size <= limit - total, "[unpack] {}: more than {} bytes with '{}'", path.string(), limit, name);
    total += size;
    const auto member = std::ranges::find(missing, name);
    if (member == missing.end()) continue;
    check(archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr,
          "[unpack] {}: '{}' is no regular file", path.string(), name);
    copy(reader.get(), size, folder / name, fmt::format("{}: '{}'", path.string(), name));
    missing.erase(member);
  }
  check(missing.empty(), "[unpack] {} lacks {}", path.string(), fmt::join(missing, ", "));
}

}  // namespace espalier::datasets
