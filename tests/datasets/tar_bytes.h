#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace espalier::test {

struct TarEntry {
  std::string path, content;
  std::string link = {};  // a symbolic link to this instead of a file
};

// A gzipped tar archive.
inline std::string tar_gz(const std::vector<TarEntry>& entries) {
  size_t size = 1 << 16;
  for (const TarEntry& entry : entries) size += 2048 + entry.content.size();
  std::string bytes(size, '\0');
  size_t used = 0;
  struct archive* writer = archive_write_new();
  archive_write_set_format_ustar(writer);
  archive_write_add_filter_gzip(writer);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const TarEntry& entry : entries) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.path.c_str());
    archive_entry_set_perm(header, 0644);
    archive_entry_set_filetype(header, entry.link.empty() ? AE_IFREG : AE_IFLNK);
    if (!entry.link.empty()) archive_entry_set_symlink(header, entry.link.c_str());
    archive_entry_set_size(header, static_cast<la_int64_t>(entry.content.size()));
    check(archive_write_header(writer, header) == ARCHIVE_OK, "[test] tar");
    archive_write_data(writer, entry.content.data(), entry.content.size());
    archive_entry_free(header);
  }
  check(archive_write_close(writer) == ARCHIVE_OK, "[test] tar");
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

}  // namespace espalier::test
