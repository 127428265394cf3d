#include "compression/codec/relative_index.h"

namespace espalier::compression {

std::vector<RelativeEntry> encode_relative(std::span<const int64_t> positions, int bits) {
  check(bits >= 1 && bits <= kMaxIndexBits, "[relative_index] an index of {} bits, due are 1 to {}", bits,
        kMaxIndexBits);
  const int64_t reach = int64_t{1} << bits;
  std::vector<RelativeEntry> entries;
  entries.reserve(positions.size());
  int64_t before = -1;
  for (const int64_t position : positions) {
    check(position > before, "[relative_index] position {} does not ascend from {}", position, before);
    for (; position - before > reach; before += reach)
      entries.push_back({static_cast<uint32_t>(reach - 1), true});
    entries.push_back({static_cast<uint32_t>(position - before - 1), false});
    before = position;
  }
  return entries;
}

}  // namespace espalier::compression
