#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "compression/format/esp.h"

// What the encoder and the decoder of docs/esp-format.md share.
namespace espalier::compression {

inline constexpr std::string_view kEspMagic = "\211ESP";  // 89 in hexadecimal: no text file begins so
inline constexpr uint8_t kEspVersion = 1;

// The flags of a tensor's section.
inline constexpr uint8_t kSparseFlag = 1;
inline constexpr uint8_t kQuantizedFlag = 2;

// The fields of a size that follow from the tensor itself.
EspTensorSize describe(const EspTensor& tensor);
// Throws Error when two tensors have the same name.
void check_names(std::span<const EspTensor> tensors);
// ceil(log2(symbols that occur)), at least 1.
int fixed_bits(std::span<const uint8_t> code_lengths);

}  // namespace espalier::compression
