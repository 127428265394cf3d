#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/memory.h"

namespace espalier::datasets {

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

// Decodes all images, on all cores; they must be of one size and at most 4 GiB in all. Images that cannot be
// read are left out and named in `notes` (the first ten; the rest are counted), or an Error when `strict`.
// Leaves the normalisation empty.
MemoryImages decode_images(const ImageFolder& folder, bool strict, std::vector<std::string>& notes);

}  // namespace espalier::datasets
