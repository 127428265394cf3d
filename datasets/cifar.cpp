#include "datasets/cifar.h"

#include "core/error.h"
#include "core/io/file.h"
#include "datasets/image.h"

namespace espalier::datasets {
namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 30;
constexpr size_t kPlane = static_cast<size_t>(kCifarSide * kCifarSide);

}  // namespace

void decode_cifar(std::span<const std::byte> bytes, CifarFormat format, const std::string& origin,
                  CifarImages& images) {
  check(bytes.size() <= kLargestFile, "[cifar] {}: {} bytes; at most {} are read", origin, bytes.size(),
        kLargestFile);
  const size_t record = format.label_bytes + kChannels * kPlane;
  check(!bytes.empty() && bytes.size() % record == 0,
        "[cifar] {}: {} bytes; expected a positive multiple of {}, the bytes of a record", origin,
        bytes.size(), record);

  const size_t count = bytes.size() / record;
  images.labels.reserve(images.labels.size() + count);
  size_t target = images.pixels.size();
  images.pixels.resize(target + count * kChannels * kPlane);
  for (size_t i = 0; i < count; ++i) {
    const auto label = std::to_integer<int32_t>(bytes[i * record + format.label_bytes - 1]);
    check(label < format.classes, "[cifar] {}: label {} of record {}; expected 0 to {}", origin, label, i,
          format.classes - 1);
    images.labels.push_back(label);
    const std::byte* planes = &bytes[i * record + format.label_bytes];
    for (size_t pixel = 0; pixel < kPlane; ++pixel)
      for (size_t channel = 0; channel < kChannels; ++channel)
        images.pixels[target++] = std::to_integer<uint8_t>(planes[channel * kPlane + pixel]);
  }
}

void read_cifar(const std::filesystem::path& path, CifarFormat format, CifarImages& images) {
  decode_cifar(read_file(path, kLargestFile), format, path.string(), images);
}

}  // namespace espalier::datasets
