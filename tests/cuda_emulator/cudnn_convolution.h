#pragma once

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {

// A convolution whose descriptors agree: y = x * w.
struct Geometry {
  Layout x, w, y;
  Convolution convolution;
};

// Throws Misuse where the descriptors contradict each other, Refusal for types and modes that are not
// emulated.
Geometry geometry(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                  cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y);
// What y's shape must be.
Layout output_shape(const Layout& x, const Layout& w, const Convolution& convolution);

// One of cuDNN's algorithms, as the emulator knows it for a geometry.
struct Algorithm {
  int number;
  bool supported;
  bool deterministic;
  size_t workspace;
  float time;
};
enum class Direction { forward, backward_data, backward_filter };
// Fastest first, unsupported ones last. The one that needs no workspace is not the fastest, and neither is
// the deterministic one, so that a caller that does not choose is found out.
std::vector<Algorithm> algorithms(Direction direction, const Geometry& geometry);
// Throws Refusal where it is not supported.
Algorithm algorithm(Direction direction, const Geometry& geometry, int number);

}  // namespace espalier::cuda_emulator
