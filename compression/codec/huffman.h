#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "compression/codec/bit_stream.h"

namespace espalier::compression {

// Canonical Huffman codes over the symbols 0 .. alphabet - 1: the code lengths determine the codes. Codes are
// handed out in order of (length, symbol), each the binary successor of the one before, so that only the
// lengths need to be stored. Length 0: the symbol does not occur. An alphabet in which one symbol occurs
// gives it a code of one bit: every symbol in a stream costs at least a bit, which bounds what a stream of a
// given size can decode to.
inline constexpr int kMaxCodeLength = 24;
inline constexpr size_t kMaxAlphabet = size_t{1} << kMaxCodeLength;

// The lengths with the least sum of counts[s] * length[s] among all prefix codes no longer than `limit`, by
// package-merge (Larmore and Hirschberg 1990). Throws Error when 2^limit codes are too few for the symbols
// that occur. REQUIRES: 1 <= limit <= kMaxCodeLength.
std::vector<uint8_t> huffman_code_lengths(std::span<const uint64_t> counts, int limit = kMaxCodeLength);

// The lengths in a stream: runs, alternately of absent and of present symbols, until the alphabet is full. A
// run's size is gamma-coded (the first one plus 1, for it may be empty; no other is); every length of a
// present run follows it as the difference d to the present length before (at first 0), gamma-coded as 2d for
// d > 0 and 1 - 2d otherwise.
void write_code_lengths(std::span<const uint8_t> lengths, BitWriter& writer);
// Untrusted input: throws Error unless the runs fit `alphabet` and the lengths form a complete prefix code.
std::vector<uint8_t> read_code_lengths(size_t alphabet, BitReader& reader);

class HuffmanEncoder {
 public:
  // Throws Error as HuffmanDecoder does.
  explicit HuffmanEncoder(std::span<const uint8_t> lengths);
  // REQUIRES: the symbol has a code.
  void encode(uint32_t symbol, BitWriter& writer) const {
    writer.write(codes_[symbol].bits, codes_[symbol].length);
  }

 private:
  struct Code {
    uint32_t bits = 0;
    int length = 0;
  };
  std::vector<Code> codes_;
};

class HuffmanDecoder {
 public:
  // Throws Error unless the lengths form a complete prefix code: sum of 2^-length = 1, or one symbol of
  // length 1; over at most kMaxAlphabet symbols.
  explicit HuffmanDecoder(std::span<const uint8_t> lengths);
  // The next symbol. Throws Error at the end of the stream and at bits that are no code.
  uint32_t decode(BitReader& reader) const {
    const Entry entry = table_[reader.peek(table_bits_)];
    if (entry.length == 0) [[unlikely]]
      return decode_long(reader);
    reader.skip(static_cast<int>(entry.length));
    return entry.symbol;
  }

 private:
  struct Entry {
    uint32_t symbol : 27;
    uint32_t length : 5;  // 0: the code is longer than the table is wide, or is none
  };
  uint32_t decode_long(BitReader& reader) const;

  int table_bits_ = 0;
  std::vector<Entry> table_;       // by the next table_bits_ bits
  std::vector<uint32_t> symbols_;  // in canonical order
  // By length: the first kMaxCodeLength-bit word past its codes, and the place of its first symbol in
  // symbols_.
  std::array<uint32_t, kMaxCodeLength + 2> end_{}, offset_{};
};

}  // namespace espalier::compression
