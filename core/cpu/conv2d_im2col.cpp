#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/cpu/conv2d.h"
#include "core/cpu/gemm.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// Patches of one block take kCachedFloats; more where fewer pixels than this would be left, since every
// block's GEMM packs all weights anew.
constexpr int64_t kLeastPixels = 128;

// Output pixels, counted through all images, that make a block. Large problems have at least 16 blocks.
int64_t block_pixels(const ConvShape& shape, int64_t pixels) {
  const int64_t cached =
      std::clamp<int64_t>(kCachedFloats / std::max<int64_t>(shape.depth(), 1), kLeastPixels, 1024) / 16 * 16;
  return std::min(cached, std::max<int64_t>(64, ceil_div(ceil_div(pixels, 16), 16) * 16));
}

// memcpy for runs of a few floats, where the call would cost more than the copy.
void copy_run(const float* from, int64_t count, float* to) {
  for (; count >= 8; count -= 8, from += 8, to += 8) std::memcpy(to, from, 32);
  for (; count > 0; --count) *to++ = *from++;
}

void add_run(const float* from, int64_t count, float* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// For the kernel rows of output pixels [begin, end), body(input offset, patch offset, taps, first tap,
// count): `count` taps from `first` on lie in the image, side by side from the input offset on; the input
// offset is -1 where none does.
template <typename Body>
void for_each_run(const ConvShape& s, int64_t group, int64_t begin, int64_t end, Body body) {
  // Taps lie side by side when nothing comes between two of them.
  const bool joined = s.dilation_w == 1 && s.groups == 1;
  const int64_t run = joined ? s.kernel_w : 1;
  int64_t q = begin % s.out_w, p = begin / s.out_w % s.out_h, n = begin / (s.out_w * s.out_h), patch = 0;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    for (int64_t r = 0; r < s.kernel_h; ++r) {
      const int64_t h = p * s.stride_h - s.pad_h + r * s.dilation_h;
      for (int64_t tap = 0; tap < s.kernel_w; tap += run, patch += run * s.group_in) {
        const int64_t w = q * s.stride_w - s.pad_w + tap * s.dilation_w;
        const int64_t first = std::min(run, std::max<int64_t>(0, -w));
        const int64_t last = std::max(first, std::min(run, s.in_w - w));
        const bool inside = h >= 0 && h < s.in_h && last > first;
        const int64_t offset = ((n * s.in_h + h) * s.in_w + w + first) * s.in_c + group * s.group_in;
        body(inside ? offset : -1, patch, run, first, last - first);
      }
    }
    if (++q < s.out_w) continue;
    q = 0;
    if (++p < s.out_h) continue;
    p = 0;
    ++n;
  }
}

void gather_patches(const ConvShape& s, const float* x, int64_t group, int64_t begin, int64_t end,
                    float* patches) {
  const int64_t c = s.group_in;
  for_each_run(s, group, begin, end,
               [=](int64_t in, int64_t patch, int64_t taps, int64_t first, int64_t count) {
                 float* to = patches + patch;
                 if (in < 0) {
                   std::fill(to, to + taps * c, 0.0f);
                   return;
                 }
                 std::fill(to, to + first * c, 0.0f);
                 copy_run(x + in, count * c, to + first * c);
                 std::fill(to + (first + count) * c, to + taps * c, 0.0f);
               });
}

void scatter_patches(const ConvShape& s, const float* patches, int64_t group, int64_t begin, int64_t end,
                     float* dx) {
  const int64_t c = s.group_in;
  for_each_run(s, group, begin, end, [=](int64_t in, int64_t patch, int64_t, int64_t first, int64_t count) {
    if (in >= 0) add_run(patches + patch + first * c, count * c, dx + in);
  });
}

}  // namespace

void im2col_forward(const ConvShape& s, const float* x, const Tensor& weight, float* y,
                    const EpilogueView& epilogue) {
  const int64_t block = block_pixels(s, s.pixels());
  ThreadBuffers buffers(block * s.depth());
  using Weights = std::vector<std::unique_ptr<PackedMatrix>>;  // one for each group
  const auto weights = weight.derived<Weights>(kPackedForPatches, [&] {
    Weights made;
    for (int64_t group = 0; group < s.groups; ++group)
      made.push_back(std::make_unique<PackedMatrix>(
          MatrixView{weight.data<float>() + group * s.group_out * s.depth(), s.depth(), true}, s.depth(),
          s.group_out));
    return made;
  });
  for_each_chunk(
      s.pixels(), block,
      [&](int64_t, int64_t begin, int64_t end) {
        float* patches = buffers.own();
        for (int64_t group = 0; group < s.groups; ++group) {
          gather_patches(s, x, group, begin, end, patches);
          const int64_t column = group * s.group_out, offset = begin * s.out_c + column;
          (*weights)[static_cast<size_t>(group)]->multiply({.m = end - begin,
                                                            .n = s.group_out,
                                                            .k = s.depth(),
                                                            .a = {patches, s.depth()},
                                                            .c = y + offset,
                                                            .c_stride = s.out_c,
                                                            .epilogue = epilogue.from(column, offset)});
        }
      },
      1);
}

void im2col_backward_data(const ConvShape& s, const float* dy, const float* weight, float* dx) {
  const int64_t image = s.out_h * s.out_w, block = block_pixels(s, s.pixels()),
                in_size = s.in_h * s.in_w * s.in_c;
  ThreadBuffers buffers(block * s.depth());
  // Patches overlap, so that an image is one thread's.
  for_each_chunk(
      s.batch, 1,
      [&](int64_t n, int64_t, int64_t) {
        float* patches = buffers.own();
        std::fill(dx + n * in_size, dx + (n + 1) * in_size, 0.0f);
        for (int64_t begin = n * image; begin < (n + 1) * image; begin += block) {
          const int64_t end = std::min(begin + block, (n + 1) * image);
          for (int64_t group = 0; group < s.groups; ++group) {
            gemm_serial({.m = end - begin,
                         .n = s.depth(),
                         .k = s.group_out,
                         .a = {dy + begin * s.out_c + group * s.group_out, s.out_c},
                         .b = {weight + group * s.group_out * s.depth(), s.depth()},
                         .c = patches,
                         .c_stride = s.depth()});
            scatter_patches(s, patches, group, begin, end, dx);
          }
        }
      },
      1);
}

void im2col_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  // At most 16 parts, fewer (but 4) where their sums would take more than 32 MiB.
  constexpr int64_t kPartialFloats = 8 << 20;
  const int64_t block = block_pixels(s, s.pixels()), size = s.weights();
  const int64_t wanted = std::clamp<int64_t>(kPartialFloats / std::max<int64_t>(size, 1), 4, 16);
  const int64_t part = std::max<int64_t>(1, ceil_div(ceil_div(s.pixels(), block), wanted)) * block;
  const int64_t parts = ceil_div(s.pixels(), part);
  ThreadBuffers buffers(block * s.depth());
  Workspace<float> partial(parts * size);
  float* sums = partial.data();
  for_each_chunk(
      s.pixels(), part,
      [&](int64_t index, int64_t part_begin, int64_t part_end) {
        float* patches = buffers.own();
        for (int64_t begin = part_begin; begin < part_end; begin += block) {
          const int64_t end = std::min(begin + block, part_end);
          for (int64_t group = 0; group < s.groups; ++group) {
            gather_patches(s, x, group, begin, end, patches);
            gemm_serial({.m = s.group_out,
                         .n = s.depth(),
                         .k = end - begin,
                         .a = {dy + begin * s.out_c + group * s.group_out, s.out_c, true},
                         .b = {patches, s.depth()},
                         .c = sums + index * size + group * s.group_out * s.depth(),
                         .c_stride = s.depth(),
                         .beta = begin == part_begin ? 0.0f : 1.0f});
          }
        }
      },
      1);
  sum_parts(sums, parts, size, dweight);
}

}  // namespace espalier::cpu
