#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/tensor.h"

namespace espalier {

// A set of named tensors with text metadata, as in the safetensors format
// (https://github.com/huggingface/safetensors): a 64-bit little-endian header length, a JSON header {name:
// {dtype, shape, data_offsets}, "__metadata__": {text: text}}, then the bytes of the tensors without gaps.
// Tensors are on the host.
struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Decodes a file from memory. Untrusted input: every length and offset is checked before anything is
// allocated, tensors must tile the data exactly, names must be unique; anything else is an Error that begins
// with `origin`. dtypes: F32, F64, U8, I32, I64.
TensorFile decode_safetensors(std::span<const std::byte> bytes, const std::string& origin);
// The bytes depend only on the contents: names are written in sorted order, offsets aligned to 8 by padding
// the header with spaces.
std::string encode_safetensors(const TensorFile& file);

TensorFile read_safetensors(const std::filesystem::path& path);
// Atomic: see AtomicFile.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace espalier
