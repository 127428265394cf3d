#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/random.h"
#include "datasets/dataset.h"

namespace espalier::datasets {

// A part of an image of shape (H, W, C) for an area share drawn from [least_area, 1] and an aspect ratio from
// [3/4, 4/3], uniform in its logarithm, anywhere in the image and resized to (height, width). Ten draws that
// do not fit give way to the middle, cut to those ratios. What torchvision's RandomResizedCrop does.
View random_resized_view(const Shape& image, double least_area, int64_t height, int64_t width,
                         RandomStream& random);

// Changes the colours of (N, 1) or (N, 3) pixels in [0, 1] by the three factors, as ColorJitter says. Grey
// pixels have no saturation.
void change_colors(std::span<float> pixels, int64_t channels, const ColorJitter& factors);

// `whole`, whose sample() changes the images as `augmentation` says, in the order of its fields, drawing from
// (seed, epoch, index) alone; get() gives them as they are. Pixels from outside of an image and those that
// are cut out become 0, the mean colour of normalised data; colours are changed as they were before
// `normalisation`, that of `whole`, which only color_jitter needs.
// Throws Error beginning with "[augment]" for values that are out of range, and for color_jitter of images
// that are neither grey nor colour.
std::shared_ptr<const Dataset> augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation,
                                         uint64_t seed, const Normalisation& normalisation = {});

}  // namespace espalier::datasets
