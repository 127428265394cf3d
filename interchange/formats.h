#pragma once

#include "interchange/checkpoint.h"
#include "interchange/pickle.h"
#include "interchange/zip.h"

// The readers behind checkpoint.cpp, each defined in the file of its name.
namespace espalier::interchange {

Checkpoint decode_torch_zip(const ZipArchive& archive, const std::string& pickle_name);
bool is_torch_legacy(std::span<const std::byte> bytes);
Checkpoint decode_torch_legacy(std::span<const std::byte> bytes);
// Every file of the archive is one array: <name>.npy of little-endian float32, float64 or int64 in C order.
Checkpoint decode_npz(const ZipArchive& archive);

// The elements of `bytes` at `offset` + Σ index·stride. Floating-point kinds become float32. Throws Error for
// what lies outside of them.
Tensor gather_view(std::span<const std::byte> bytes, StorageKind kind, int64_t offset, const Shape& shape,
                   std::span<const int64_t> strides);

}  // namespace espalier::interchange
