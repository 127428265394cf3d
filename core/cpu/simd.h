// What files of vector kernels share. Such a file is compiled by Highway once for each instruction set: it
// includes this after
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "core/cpu/<file>.cpp"
// and has its kernels in espalier::cpu::HWY_NAMESPACE. No include guard: it is read for each instruction set.

// On x86-64: AVX-512, AVX2, and scalars for what is older. On AArch64: NEON; vectors of unknown length (SVE)
// cannot be held in arrays.
#ifndef HWY_DISABLED_TARGETS
#ifdef __SANITIZE_ADDRESS__  // which takes minutes over the unrolled kernels of each instruction set
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_AVX2)
#else
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
#endif
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <type_traits>

#include "core/cpu/epilogue.h"

// After a lambda's parameters: it takes the instruction set of its surroundings and becomes part of them.
#ifndef ESPALIER_INLINE_LAMBDA
#define ESPALIER_INLINE_LAMBDA HWY_ATTR __attribute__((always_inline))
#endif

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

HWY_INLINE int64_t vector_width() {
  return static_cast<int64_t>(hn::Lanes(Floats()));
}

#if HWY_MEM_OPS_MIGHT_FAULT
// Half by half, where masked accesses fault or are slow. REQUIRES: lanes < MaxLanes(d).
template <typename D>
HWY_INLINE hn::Vec<D> load_halves(D d, const float* from, int64_t lanes) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::Zero(d);
  } else {
    const hn::Half<D> half;
    constexpr auto kHalf = static_cast<int64_t>(hn::MaxLanes(half));
    if (lanes < kHalf) return hn::ZeroExtendVector(d, load_halves(half, from, lanes));
    return hn::Combine(d, load_halves(half, from + kHalf, lanes - kHalf), hn::LoadU(half, from));
  }
}

template <typename D>
HWY_INLINE void store_halves(D, hn::Vec<D> v, float* to, int64_t lanes) {
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    constexpr auto kHalf = static_cast<int64_t>(hn::MaxLanes(half));
    if (lanes < kHalf) return store_halves(half, hn::LowerHalf(half, v), to, lanes);
    hn::StoreU(hn::LowerHalf(half, v), half, to);
    store_halves(half, hn::UpperHalf(half, v), to + kHalf, lanes - kHalf);
  }
}
#endif

// The first `lanes` lanes, fewer than a vector's, from memory that ends behind them; zeros in the others.
HWY_INLINE Vector load_part(const float* from, int64_t lanes) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  return load_halves(d, from, lanes);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(lanes)), d, from);
#endif
}

HWY_INLINE void store_part(Vector v, float* to, int64_t lanes) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  store_halves(d, v, to, lanes);
#else
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(lanes)), d, to);
#endif
}

// A vector at `to`, or its first lanes where kPart.
template <bool kPart>
HWY_INLINE Vector load(const float* from, int64_t lanes) {
  if constexpr (kPart) return load_part(from, lanes);
  return hn::LoadU(Floats(), from);
}
template <bool kPart>
HWY_INLINE void store(Vector v, float* to, int64_t lanes) {
  if constexpr (kPart)
    store_part(v, to, lanes);
  else
    hn::StoreU(v, Floats(), to);
}

// body(channel, lanes, whether that is a part of a vector, as a type) for vectors of channels. With kOverlap
// the last one overlaps the one before it rather than be a part, if there is one.
template <bool kOverlap, typename Body>
HWY_INLINE void for_each_vector(int64_t channels, Body body) {
  const int64_t width = vector_width();
  int64_t c = 0;
  for (; c + width <= channels; c += width) body(c, width, std::false_type());
  if (c == channels) return;
  if (kOverlap && channels > width)
    body(channels - width, width, std::false_type());
  else
    body(c, channels - c, std::true_type());
}

// Twins are the halves of a vector, whose second lies `twin` floats behind the first in memory: both whole,
// or the first `lanes` lanes of each where kPart. There are none in a vector of one lane.
template <bool kPart>
HWY_INLINE Vector load_twins([[maybe_unused]] const float* from, [[maybe_unused]] int64_t twin,
                             [[maybe_unused]] int64_t lanes) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR
  return hn::Zero(d);
#else
  const hn::Half<Floats> half;
  if constexpr (kPart)
    return hn::Combine(d, hn::LowerHalf(load_part(from + twin, lanes)),
                       hn::LowerHalf(load_part(from, lanes)));
  return hn::Combine(d, hn::LoadU(half, from + twin), hn::LoadU(half, from));
#endif
}
template <bool kPart>
HWY_INLINE void store_twins([[maybe_unused]] Vector v, [[maybe_unused]] float* to,
                            [[maybe_unused]] int64_t twin, [[maybe_unused]] int64_t lanes) {
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  const hn::Half<Floats> half;
  const auto first = hn::LowerHalf(v), second = hn::UpperHalf(half, v);
  if constexpr (kPart) {
    store_part(hn::ZeroExtendVector(d, first), to, lanes);
    store_part(hn::ZeroExtendVector(d, second), to + twin, lanes);
  } else {
    hn::StoreU(first, half, to);
    hn::StoreU(second, half, to + twin);
  }
#endif
}

// A vector, or a part of it, or twins.
template <bool kPart, bool kTwins>
HWY_INLINE Vector load(const float* from, int64_t lanes, int64_t twin) {
  if constexpr (kTwins) return load_twins<kPart>(from, twin, lanes);
  return load<kPart>(from, lanes);
}
template <bool kPart, bool kTwins>
HWY_INLINE void store(Vector v, float* to, int64_t lanes, int64_t twin) {
  if constexpr (kTwins)
    store_twins<kPart>(v, to, twin, lanes);
  else
    store<kPart>(v, to, lanes);
}

// The epilogue of a vector of columns from `column` on, or of twins, which are the same columns.
template <bool kPart, bool kTwins = false>
class ColumnEpilogue {
 public:
  HWY_INLINE ColumnEpilogue(const EpilogueView& view, int64_t column, int64_t lanes, int64_t twin = 0)
      : affine_(view.factor || view.offset),
        clamps_(view.clamps()),
        residual_(view.residual),
        lanes_(lanes),
        twin_(twin),
        factor_(view.factor ? load<kPart, kTwins>(view.factor + column, lanes, 0) : hn::Set(Floats(), 1.0f)),
        offset_(view.offset ? load<kPart, kTwins>(view.offset + column, lanes, 0) : hn::Zero(Floats())),
        lowest_(hn::Set(Floats(), view.lowest)),
        highest_(hn::Set(Floats(), view.highest)) {}

  // Of the elements z at `place` floats into the output.
  HWY_INLINE Vector operator()(Vector z, int64_t place) const { return of<kPart>(z, place); }
  // Likewise; with kPartInMemory false the output has a whole vector there.
  template <bool kPartInMemory>
  HWY_INLINE Vector of(Vector z, int64_t place) const {
    if (affine_) z = hn::MulAdd(z, factor_, offset_);
    if (residual_) z = hn::Add(z, load<kPartInMemory, kTwins>(residual_ + place, lanes_, twin_));
    if (clamps_) {
      z = hn::IfThenElse(hn::Lt(z, lowest_), lowest_, z);
      z = hn::IfThenElse(hn::Gt(z, highest_), highest_, z);
    }
    return z;
  }

 private:
  bool affine_, clamps_;
  const float* residual_;
  int64_t lanes_, twin_;
  Vector factor_, offset_, lowest_, highest_;
};

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
