#pragma once

#include <memory>

#include "datasets/dataset.h"

namespace espalier::datasets {

// `whole`, whose sample() changes the images as `augmentation` says, in the order of its fields, drawing from
// (seed, epoch, index) alone; get() gives them as they are. Pixels from outside of an image and those that
// are cut out become 0, the mean colour of normalised data.
// Throws Error beginning with "[augment]" for negative sizes.
std::shared_ptr<const Dataset> augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation,
                                         uint64_t seed);

}  // namespace espalier::datasets
