#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "datasets/image_folder.h"

namespace espalier::datasets {

// Both parts of a data set whose images are of one size, as they are held in memory.
struct PackedImages {
  std::vector<std::string> classes;
  MemoryImages train, test;        // their normalisations are empty
  std::vector<std::string> notes;  // the images that were left out
  std::string fingerprint;         // of the folders they were decoded from
};

// What changes when an image comes, goes, or is replaced by one of another size: a hash (FNV-1a, 64 bits, in
// hexadecimal digits) of the names below `root` and the sizes of all files.
std::string fingerprint(const ImageFolders& folders);

// Decodes the folders' images. Throws Error as decode_images() does, and when the two parts differ in shape.
PackedImages pack(const ImageFolders& folders, bool strict);

// The file packed.safetensors beside train/ and test/: the decoded images, which are read several times
// faster than the files they come from. A safetensors file with the tensors "train.images" and "test.images",
// U8 (N, H, W, 3), and "train.labels" and "test.labels", I32 (N), and as metadata "format" (kPackedFormat),
// "fingerprint", "classes", joined by '/', which no folder's name contains, and "notes", joined by line ends.
inline constexpr const char* kPackedName = "packed.safetensors";
inline constexpr const char* kPackedFormat = "espalier packed images 1";
void write_packed(const std::filesystem::path& path, const PackedImages& images);
// Untrusted input: whatever is not as described, labels that name no class included, is an Error with
// `origin` in it.
PackedImages decode_packed(std::span<const std::byte> bytes, const std::string& origin);
PackedImages read_packed(const std::filesystem::path& path);

}  // namespace espalier::datasets
