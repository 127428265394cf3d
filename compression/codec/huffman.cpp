#include "compression/codec/huffman.h"

#include <algorithm>

#include "core/error.h"

namespace espalier::compression {
namespace {

constexpr int kTableBits = 11;  // 8 KiB: stays in the first-level cache

using LengthCounts = std::array<uint32_t, kMaxCodeLength + 1>;

// How many codes of each length there are; throws Error unless they form a complete prefix code.
LengthCounts count_lengths(std::span<const uint8_t> lengths) {
  check(lengths.size() <= kMaxAlphabet, "[huffman] an alphabet of {} symbols, at most {} are due",
        lengths.size(), kMaxAlphabet);
  LengthCounts counts{};
  for (const uint8_t length : lengths) {
    check(length <= kMaxCodeLength, "[huffman] a code of {} bits, the longest may have {}", length,
          kMaxCodeLength);
    ++counts[length];
  }
  counts[0] = 0;
  uint64_t used = 0, symbols = 0;
  for (int length = 1; length <= kMaxCodeLength; ++length) {
    used += uint64_t{counts[length]} << (kMaxCodeLength - length);
    symbols += counts[length];
  }
  constexpr uint64_t kWhole = uint64_t{1} << kMaxCodeLength;
  check(used <= kWhole, "[huffman] the code lengths of {} symbols are over-subscribed", symbols);
  check(used == kWhole || (symbols == 1 && counts[1] == 1),
        "[huffman] the code lengths of {} symbols are under-subscribed", symbols);
  return counts;
}

// The first code of each length.
LengthCounts first_codes(const LengthCounts& counts) {
  LengthCounts first{};
  for (int length = 1; length < kMaxCodeLength; ++length) {
    first[length + 1] = (first[length] + counts[length]) << 1;
  }
  return first;
}

}  // namespace

std::vector<uint8_t> huffman_code_lengths(std::span<const uint64_t> counts, int limit) {
  std::vector<uint8_t> lengths(counts.size(), 0);
  std::vector<uint32_t> order;
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] > 0) order.push_back(static_cast<uint32_t>(symbol));
  }
  check(order.size() <= size_t{1} << limit, "[huffman] {} symbols have no codes of at most {} bits",
        order.size(), limit);
  if (order.empty()) return lengths;
  if (order.size() == 1) {
    lengths[order[0]] = 1;
    return lengths;
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return counts[a] < counts[b]; });

  // One list per level, the cheapest first: every symbol as a leaf, and pairs of the list of the level below
  // as packages.
  const int levels = static_cast<int>(std::min<size_t>(limit, order.size() - 1));
  std::vector<std::vector<bool>> is_leaf(levels);
  std::vector<uint64_t> below;
  for (int level = 0; level < levels; ++level) {
    std::vector<uint64_t> list;
    size_t leaf = 0, package = 0;
    while (leaf < order.size() || package + 1 < below.size()) {
      const bool take_leaf =
          package + 1 >= below.size() ||
          (leaf < order.size() && counts[order[leaf]] <= below[package] + below[package + 1]);
      list.push_back(take_leaf ? counts[order[leaf]] : below[package] + below[package + 1]);
      is_leaf[level].push_back(take_leaf);
      take_leaf ? ++leaf : package += 2;
    }
    below = std::move(list);
  }
  // The 2n - 2 cheapest of the top list, with all that their packages hold: each leaf adds a bit to its
  // symbol.
  size_t taken = 2 * order.size() - 2;
  for (int level = levels; level-- > 0;) {
    const auto leaves = static_cast<size_t>(std::count(
        is_leaf[level].begin(), is_leaf[level].begin() + static_cast<std::ptrdiff_t>(taken), true));
    for (size_t leaf = 0; leaf < leaves; ++leaf) ++lengths[order[leaf]];
    taken = 2 * (taken - leaves);
  }
  return lengths;
}

void write_code_lengths(std::span<const uint8_t> lengths, BitWriter& writer) {
  bool present = false;
  int before = 0;
  for (size_t begin = 0; begin < lengths.size(); present = !present) {
    size_t end = begin;
    while (end < lengths.size() && (lengths[end] != 0) == present) ++end;
    writer.write_gamma(static_cast<uint32_t>(end - begin) + (begin == 0 && !present ? 1 : 0));
    for (; begin < end; ++begin) {
      if (!present) continue;
      const int difference = lengths[begin] - before;
      writer.write_gamma(static_cast<uint32_t>(difference > 0 ? 2 * difference : 1 - 2 * difference));
      before = lengths[begin];
    }
  }
}

std::vector<uint8_t> read_code_lengths(size_t alphabet, BitReader& reader) {
  std::vector<uint8_t> lengths;
  lengths.reserve(alphabet);
  bool present = false;
  int64_t before = 0;
  for (bool first = true; lengths.size() < alphabet; present = !present, first = false) {
    const size_t run = reader.read_gamma() - (first ? 1 : 0);
    check(run <= alphabet - lengths.size(), "[huffman] a run of {} code lengths, room is for {}", run,
          alphabet - lengths.size());
    if (!present) {
      lengths.resize(lengths.size() + run, 0);
      continue;
    }
    for (size_t i = 0; i < run; ++i) {
      const int64_t step = reader.read_gamma();
      before += step % 2 == 0 ? step / 2 : -(step / 2);
      check(before >= 1 && before <= kMaxCodeLength, "[huffman] a code of {} bits, due are 1 to {}", before,
            kMaxCodeLength);
      lengths.push_back(static_cast<uint8_t>(before));
    }
  }
  count_lengths(lengths);
  return lengths;
}

HuffmanEncoder::HuffmanEncoder(std::span<const uint8_t> lengths) : codes_(lengths.size()) {
  LengthCounts next = first_codes(count_lengths(lengths));
  for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    if (lengths[symbol] > 0) codes_[symbol] = {next[lengths[symbol]]++, lengths[symbol]};
  }
}

HuffmanDecoder::HuffmanDecoder(std::span<const uint8_t> lengths) {
  const LengthCounts counts = count_lengths(lengths);
  const LengthCounts first = first_codes(counts);
  int longest = 1;
  for (int length = 1; length <= kMaxCodeLength; ++length) {
    offset_[length + 1] = offset_[length] + counts[length];
    end_[length] = (first[length] + counts[length]) << (kMaxCodeLength - length);
    if (counts[length] > 0) longest = length;
  }
  table_bits_ = std::min(longest, kTableBits);
  table_.assign(size_t{1} << table_bits_, Entry{0, 0});
  symbols_.resize(offset_[kMaxCodeLength + 1]);
  auto place = offset_;
  for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    const int length = lengths[symbol];
    if (length == 0) continue;
    const uint32_t code = first[length] + place[length] - offset_[length];
    symbols_[place[length]++] = static_cast<uint32_t>(symbol);
    if (length > table_bits_) continue;
    const int free = table_bits_ - length;
    std::fill_n(table_.begin() + (static_cast<std::ptrdiff_t>(code) << free), std::ptrdiff_t{1} << free,
                Entry{static_cast<uint32_t>(symbol), static_cast<uint32_t>(length)});
  }
}

uint32_t HuffmanDecoder::decode_long(BitReader& reader) const {
  const uint32_t word = reader.peek(kMaxCodeLength);
  int length = table_bits_ + 1;
  while (length <= kMaxCodeLength && word >= end_[length]) ++length;
  check(length <= kMaxCodeLength && !symbols_.empty(), "[huffman] no code begins at bit {}",
        reader.position());
  reader.skip(length);
  // Canonical codes of one length are consecutive, so the distance to the end of their range tells the
  // symbol.
  const uint32_t from_end = (end_[length] - 1 - word) >> (kMaxCodeLength - length);
  return symbols_[offset_[length + 1] - 1 - from_end];
}

}  // namespace espalier::compression
