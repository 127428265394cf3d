#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/memory.h"

namespace espalier::datasets {

constexpr size_t kMostNamed = 10;  // of the images that cannot be read

// A folder of one folder per class, as ImageNet's train/ is laid out.
struct ImageFolder {
  struct Entry {
    std::filesystem::path path;
    int32_t label;  // position in `classes`
  };
  std::vector<std::string> classes;  // sorted
  std::vector<Entry> images;         // by class, then by name: the order of the data set
};

// Lists the files named .jpg, .jpeg, .png or .bmp, in any case. Throws Error beginning with "[images]
// `folder`" when it has no class, or none of its classes has an image.
ImageFolder list_images(const std::filesystem::path& folder);

// The two parts of a data set under `root`: train/, and test/ or else val/.
struct ImageFolders {
  std::filesystem::path root;
  std::string test_name;  // "test" or "val"
  ImageFolder train, test;
};
bool has_image_folders(const std::filesystem::path& root);
// Throws Error beginning with "[images] `root`" when a part is missing or their classes differ.
ImageFolders list_image_folders(const std::filesystem::path& root);

// Decodes all images, on all cores; they must be of one size and at most 4 GiB in all. Images that cannot be
// read are left out and named in `notes` (the first kMostNamed; the rest are counted), or an Error when
// `strict`. Leaves the normalisation empty.
MemoryImages decode_images(const ImageFolder& folder, bool strict, std::vector<std::string>& notes);

// Does work(i) for each i below `count`, on all cores. Returns what each threw, empty for success.
std::vector<std::string> try_each(size_t count, const std::function<void(size_t)>& work);
// Says in `notes` which images are left out (the first kMostNamed) and how many, or throws the first failure
// as an Error when `strict`.
void note_failures(const std::vector<std::string>& failures, bool strict, std::vector<std::string>& notes);

}  // namespace espalier::datasets
