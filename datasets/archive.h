#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace espalier::datasets {

// Unpacks the files `members` ("folder/file") of a tar archive, gzipped or not, below `folder`, each written
// whole or not at all. Other files of the archive are passed over. Untrusted input: an absolute path, one
// with "..", a member that is no regular file, one that is missing, more than `limit` bytes in all, and a
// damaged archive are Errors that name the archive; the paths and the sizes hold for files passed over too.
void unpack(const std::filesystem::path& archive, std::span<const std::string_view> members,
            const std::filesystem::path& folder, uint64_t limit = uint64_t{1} << 30);

}  // namespace espalier::datasets
