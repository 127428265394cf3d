#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/image_folder.h"

namespace espalier::datasets {

struct ImageFilesOptions {
  int64_t image_size = 224;
  int64_t resize = 256;  // of the shorter side, before the middle image_size x image_size pixels are kept
  Normalisation normalisation;
  bool strict = false;
  std::function<void(const std::string&)> warn = {};
};

// Images of any size that are decoded whenever they are read, by the thread that reads them: each reader
// holds one at a time, and the data set their names. get() shows the middle of an image (see centre_view),
// get_view() what is asked for of the whole file's pixels.
//
// All headers are checked at once, on all cores: files that are no images are left out as by decode_images.
// An image whose header is sound and whose pixels turn out not to be is the mean colour everywhere, under its
// own label, and named to `warn` (the first ten, once each): so it is counted once in every evaluation, is no
// other image's double, and a held-out image never takes its place. With `strict` either is an Error.
// Throws Error beginning with "[images]" for sizes that are out of range and when no image is left.
std::shared_ptr<const Dataset> open_images(ImageFolder folder, ImageFilesOptions options,
                                           std::vector<std::string>& notes);

}  // namespace espalier::datasets
