#include "tests/support/mutate.h"

#include <algorithm>

namespace espalier::test {

std::vector<std::byte> mutate(std::span<const std::byte> bytes, uint64_t seed) {
  std::vector<std::byte> result(bytes.begin(), bytes.end());
  std::mt19937_64 random(seed);
  const auto below = [&](size_t bound) { return bound == 0 ? 0 : static_cast<size_t>(random() % bound); };
  // Half of all changes fall into the first 256 bytes, where headers stand.
  const auto position = [&] {
    return below(random() % 2 ? result.size() : std::min<size_t>(result.size(), 256));
  };
  const size_t changes = 1 + below(4);
  for (size_t change = 0; change < changes && !result.empty(); ++change) {
    const size_t begin = position();
    const size_t length = std::min(result.size() - begin, 1 + below(16));
    const auto first = result.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(length);
    switch (random() % 6) {
      case 0:
        *first ^= std::byte{1} << below(8);
        break;
      case 1: {
        constexpr std::byte kExtremes[] = {std::byte{0x00}, std::byte{0x01}, std::byte{0x7f}, std::byte{0x80},
                                           std::byte{0xff}};
        std::fill(first, last, kExtremes[below(5)]);
        break;
      }
      case 2:
        result.resize(begin);
        break;
      case 3:
        result.erase(first, last);
        break;
      case 4: {
        const std::vector<std::byte> copy(first, last);
        result.insert(last, copy.begin(), copy.end());
        break;
      }
      default:
        *first = static_cast<std::byte>(random());
        break;
    }
  }
  return result;
}

}  // namespace espalier::test
