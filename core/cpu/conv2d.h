#pragma once

#include <cstdint>

#include "core/backend.h"
#include "core/cpu/column_moments.h"
#include "core/cpu/epilogue.h"

namespace espalier::cpu {

// What is derived from tensors (Tensor::derived): by convolutions from their weights, by batch norm from its
// input, or by the convolution before it from its output.
enum Derived : int {
  kPacked,
  kPackedForPatches,
  kWinograd,
  kWinogradTurned,
  kWinogradScattered,
  kPackedForRows,
  kPackedForRowsTurned,
  kPackedForPixels,
  kPackedForPixelsTurned,
  kMoments,
};

// The numbers of one convolution: images (batch, in_h, in_w, in_c), kernels (out_c, kernel_h, kernel_w,
// group_in), outputs (batch, out_h, out_w, out_c).
struct ConvShape {
  ConvShape(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& options);

  int64_t pixels() const { return batch * out_h * out_w; }
  int64_t depth() const { return kernel_h * kernel_w * group_in; }  // what one output sums
  int64_t weights() const { return out_c * depth(); }
  // A matrix product of pixels as they lie and weights.
  bool is_pointwise() const;
  bool is_depthwise() const { return group_in == 1 && out_c == groups && groups > 1; }
  // The gradient of the input is itself a convolution, of dy with the weights turned, and not much larger
  // than this one.
  bool turns() const;
  ConvShape turned() const;

  int64_t batch, in_h, in_w, in_c, kernel_h, kernel_w, out_h, out_w, out_c;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, group_in, group_out;
};

enum class ConvPass { forward, input_gradient, weight_gradient };

// Through a matrix of patches, in blocks that stay in L2, and GEMM: any shape.
void im2col_forward(const ConvShape& shape, const float* x, const Tensor& weight, float* y,
                    const EpilogueView& epilogue = {});
void im2col_backward_data(const ConvShape& shape, const float* dy, const float* weight, float* dx);
void im2col_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight);

// Winograd's minimal filtering, F(4x4, 3x3) and F(2x2, 5x5), and F(3x3, 4x4) and F(5x5, 2x2) for the weights.
// REQUIRES: a 3x3 or 5x5 window, stride and dilation 1, one group.
// With `turned`, forward computes the gradient of the input: `shape` is shape.turned() of the convolution
// whose `weight` this is.
// Whether the shape is one of these and it is faster than to multiply directly; the shape of an input's
// gradient is that of the convolution that computes it.
bool winograd_pays(const ConvShape& shape, ConvPass pass = ConvPass::forward);
void winograd_forward(const ConvShape& shape, const float* x, const Tensor& weight, bool turned, float* y,
                      const EpilogueView& epilogue = {}, OutputMoments* moments = nullptr);
void winograd_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight);
// The input's gradient of a convolution that does not turn, and whether it is the faster for it. `addend` may
// be null.
bool winograd_scatter_pays(const ConvShape& shape);
void winograd_backward_data(const ConvShape& shape, const float* dy, const Tensor& weight, float* dx,
                            const float* addend);
// Forward and the weights' gradient for many channels and few tiles.
void winograd_forward_by_channels(const ConvShape& shape, const float* x, const Tensor& weight, bool turned,
                                  float* y, const EpilogueView& epilogue);
void winograd_backward_weight_by_channels(const ConvShape& shape, const float* x, const float* dy,
                                          float* dweight);

// Products that read the images in place, a row of outputs at a time. REQUIRES: direct_fits(shape). `addend`,
// of the shape of dx, may be null.
bool direct_fits(const ConvShape& shape);
// Whether an input's gradient is faster through patches: the rows of a window, of `run` floats, are so short
// that they wait for one another's sums for longer than the products take.
bool rows_are_short(int64_t kernel_h, int64_t run);
void direct_forward(const ConvShape& shape, const float* x, const Tensor& weight, float* y,
                    const EpilogueView& epilogue, OutputMoments* moments);
void direct_backward_data(const ConvShape& shape, const float* dy, const Tensor& weight, float* dx,
                          const float* addend);
void direct_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight);

// Products over the batch, one for each pair of pixels. REQUIRES: pixelwise_fits(shape).
bool pixelwise_fits(const ConvShape& shape);
void pixelwise_forward(const ConvShape& shape, const float* x, const Tensor& weight, float* y,
                       const EpilogueView& epilogue);
void pixelwise_backward_data(const ConvShape& shape, const float* dy, const Tensor& weight, float* dx,
                             const float* addend);
void pixelwise_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight);

// Direct loops over channels. REQUIRES: shape.is_depthwise().
void depthwise_forward(const ConvShape& shape, const float* x, const float* weight, float* y,
                       const EpilogueView& epilogue, OutputMoments* moments);
void depthwise_backward_data(const ConvShape& shape, const float* dy, const float* weight, float* dx,
                             const float* addend);
void depthwise_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight);

// to[i] = the sum over parts, in their order, of partial[part * size + i]; `to` may be `partial`.
void sum_parts(const float* partial, int64_t parts, int64_t size, float* to);

}  // namespace espalier::cpu
