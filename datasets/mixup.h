#pragma once

#include <cstdint>
#include <span>

#include "core/random.h"

namespace espalier::datasets {

// Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018): a network sees convex
// combinations of pairs of images, and learns their labels by the same shares.

// A draw from Beta(alpha, alpha), the share of the first of two images. REQUIRES: alpha > 0.
double mixup_share(double alpha, RandomStream& random);

// Replaces each of `count` images x_i by lambda x_i + (1 - lambda) x_(count - 1 - i): the batch is mixed with
// itself, reversed. REQUIRES: images.size() is a multiple of count.
void mix_reversed(std::span<float> images, int64_t count, float lambda);

}  // namespace espalier::datasets
