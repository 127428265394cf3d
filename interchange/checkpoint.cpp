#include "interchange/checkpoint.h"

#include <algorithm>

#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "interchange/formats.h"

namespace espalier::interchange {
namespace {

constexpr std::string_view kPickle = "data.pkl";

Checkpoint decode_zip(std::span<const std::byte> bytes) {
  const ZipArchive archive(bytes);
  for (const std::string& name : archive.names())
    if (name == kPickle || name.ends_with("/data.pkl")) return decode_torch_zip(archive, name);
  return decode_npz(archive);
}

Checkpoint decode(std::span<const std::byte> bytes, const std::string& origin) {
  if (ZipArchive::recognises(bytes)) return decode_zip(bytes);
  if (is_torch_legacy(bytes)) return decode_torch_legacy(bytes);
  Checkpoint result{decode_safetensors(bytes, origin).tensors, {}};
  for (auto& [name, tensor] : result.tensors)
    if (tensor.dtype() == DType::float64) {
      const auto values = tensor.to_vector<double>();
      tensor = Tensor::from(std::vector<float>(values.begin(), values.end()), tensor.shape());
    }
  return result;
}

}  // namespace

Checkpoint decode_checkpoint(std::span<const std::byte> bytes, const std::string& origin) {
  try {
    return decode(bytes, origin);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.starts_with(origin)) throw;
    fail("{}: {}", origin, message);
  }
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  return decode_checkpoint(read_file(path), path.string());
}

}  // namespace espalier::interchange
