#include "compression/format/esp_layout.h"

#include <algorithm>
#include <bit>
#include <set>

#include "core/error.h"

namespace espalier::compression {

EspTensorSize describe(const EspTensor& tensor) {
  EspTensorSize size{.name = tensor.name, .shape = tensor.values.shape(), .weights = tensor.values.numel()};
  const auto values = tensor.values.host<float>();
  size.nonzeros = std::count_if(values.begin(), values.end(), [](float value) { return value != 0.0f; });
  if (tensor.codebook) {
    size.centroids = static_cast<int>(tensor.codebook->centroids.numel());
    size.codebook_bytes = static_cast<int64_t>(tensor.codebook->centroids.bytes());
  }
  return size;
}

void check_names(std::span<const EspTensor> tensors) {
  std::set<std::string_view> names;
  for (const EspTensor& tensor : tensors) {
    check(names.insert(tensor.name).second, "[esp] two tensors are called \"{}\"", tensor.name);
  }
}

int fixed_bits(std::span<const uint8_t> code_lengths) {
  const auto symbols =
      std::count_if(code_lengths.begin(), code_lengths.end(), [](uint8_t n) { return n > 0; });
  return std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(symbols - 1))));
}

}  // namespace espalier::compression
