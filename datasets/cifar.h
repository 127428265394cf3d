#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace espalier::datasets {

inline constexpr int64_t kCifarSide = 32;

// One file of CIFAR's binary version (Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html): records
// of a class byte (two in CIFAR-100: the coarse and the fine class) and 3 x 32 x 32 bytes, one plane for each
// of red, green and blue.
struct CifarFormat {
  size_t label_bytes;  // the last of them is the label
  int classes;
};
inline constexpr CifarFormat kCifar10Format{.label_bytes = 1, .classes = 10};
inline constexpr CifarFormat kCifar100Format{.label_bytes = 2, .classes = 100};

struct CifarImages {
  std::vector<uint8_t> pixels;  // (N, 32, 32, 3), channels last
  std::vector<int32_t> labels;  // in [0, classes)
};

// Appends the records of `bytes` to `images`. Untrusted input: no records, a record cut short, a label out of
// range and more than 1 GiB are Errors that begin with "[cifar] `origin`".
void decode_cifar(std::span<const std::byte> bytes, CifarFormat format, const std::string& origin,
                  CifarImages& images);
void read_cifar(const std::filesystem::path& path, CifarFormat format, CifarImages& images);

}  // namespace espalier::datasets
