#include "datasets/get.h"

#include <vector>

#include "core/error.h"
#include "datasets/archive.h"
#include "datasets/download.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

// What the loader reads of a published file, below its folder, and does not find there.
std::vector<std::string_view> missing_parts(const PublishedFile& file, const fs::path& folder) {
  const std::span<const std::string_view> wanted =
      file.members.empty() ? std::span(&file.name, 1) : file.members;
  std::vector<std::string_view> missing;
  for (const std::string_view name : wanted)
    if (!fs::is_regular_file(folder / name)) missing.push_back(name);
  return missing;
}

}  // namespace

bool get(const Source& source, const fs::path& data_dir, const std::string& mirror,
         const GetProgress& progress) {
  const Published& published = source.published;
  check(!published.files.empty(), "[data] '{}' is not published as files that could be fetched", source.name);
  std::string url(mirror.empty() ? published.url : mirror);
  if (!url.ends_with('/')) url += '/';
  const fs::path folder = data_dir / published.folder;
  bool missing = false;
  for (const PublishedFile& file : published.files) {
    const std::vector<std::string_view> absent = missing_parts(file, folder);
    if (absent.empty()) continue;
    missing = true;
    fs::create_directories(folder);
    const fs::path target = folder / file.name;
    const bool was_there = fs::is_regular_file(target);
    if (was_there) {  // an archive that was not unpacked to its end, or came another way
      const std::string md5 = file_md5(target);
      check(md5 == file.md5, "[data] {}: the checksum (MD5) is {}, expected {}; remove it to fetch it anew",
            target.string(), md5, file.md5);
    } else {
      download({.url = url + std::string(file.name),
                .target = target,
                .bytes = file.bytes,
                .md5 = std::string(file.md5)},
               [&](uint64_t bytes) {
                 if (progress) progress(file.name, bytes, file.bytes);
               });
    }
    if (file.members.empty()) continue;
    unpack(target, absent, folder);
    if (!was_there) fs::remove(target);
  }
  return missing;
}

}  // namespace espalier::datasets
