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

// The first `lanes` lanes from memory that ends behind them, zeros in the others.
HWY_INLINE Vector load_part(const float* from, int64_t lanes) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float values[hn::MaxLanes(d)] = {};
  for (int64_t i = 0; i < lanes; ++i) values[i] = from[i];
  return hn::Load(d, values);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(lanes)), d, from);
#endif
}

HWY_INLINE void store_part(Vector v, float* to, int64_t lanes) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float values[hn::MaxLanes(d)];
  hn::Store(v, d, values);
  for (int64_t i = 0; i < lanes; ++i) to[i] = values[i];
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

// The epilogue of an element z in column `column`, `offset` floats into the output.
template <bool kPart>
HWY_INLINE Vector finish(Vector z, const EpilogueView& epilogue, int64_t column, int64_t offset,
                         int64_t lanes) {
  const Floats d;
  if (epilogue.factor) z = hn::Mul(z, load<kPart>(epilogue.factor + column, lanes));
  if (epilogue.offset) z = hn::Add(z, load<kPart>(epilogue.offset + column, lanes));
  if (epilogue.residual) z = hn::Add(z, load<kPart>(epilogue.residual + offset, lanes));
  if (epilogue.clamps()) {
    const Vector lowest = hn::Set(d, epilogue.lowest), highest = hn::Set(d, epilogue.highest);
    z = hn::IfThenElse(hn::Lt(z, lowest), lowest, z);
    z = hn::IfThenElse(hn::Gt(z, highest), highest, z);
  }
  return z;
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
