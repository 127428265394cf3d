#include "compression/codec/huffman.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <queue>
#include <random>

#include "tests/support/catch.h"

using namespace espalier::compression;

namespace {

using Counts = std::vector<uint64_t>;
using Lengths = std::vector<uint8_t>;

uint64_t cost(const Counts& counts, const Lengths& lengths) {
  uint64_t bits = 0;
  for (size_t s = 0; s < counts.size(); ++s) bits += counts[s] * lengths[s];
  return bits;
}

// The sum of 2^-length, in units of 2^-24.
uint64_t kraft_sum(const Lengths& lengths) {
  uint64_t sum = 0;
  for (const uint8_t length : lengths) sum += length == 0 ? 0 : uint64_t{1} << (24 - length);
  return sum;
}

// Huffman's own construction: the cost is the sum of all merged nodes.
uint64_t huffman_cost(const Counts& counts) {
  std::priority_queue<uint64_t, Counts, std::greater<>> nodes;
  for (const uint64_t count : counts) {
    if (count > 0) nodes.push(count);
  }
  uint64_t bits = 0;
  while (nodes.size() > 1) {
    const uint64_t a = nodes.top();
    nodes.pop();
    const uint64_t b = nodes.top();
    nodes.pop();
    bits += a + b;
    nodes.push(a + b);
  }
  return bits;
}

// The least cost over all complete length assignments within the limit, by trying them all.
uint64_t brute_force_cost(const Counts& counts, int limit) {
  uint64_t best = UINT64_MAX;
  Lengths lengths(counts.size());
  const std::function<void(size_t)> extend = [&](size_t s) {
    if (s == counts.size()) {
      if (kraft_sum(lengths) <= uint64_t{1} << 24) best = std::min(best, cost(counts, lengths));
      return;
    }
    for (int length = 1; length <= limit; ++length) {
      lengths[s] = static_cast<uint8_t>(length);
      extend(s + 1);
    }
  };
  extend(0);
  return best;
}

// Counts of many kinds: flat, skewed, with gaps.
Counts random_counts(std::mt19937& random) {
  Counts counts(2 + random() % 300);
  const int skew = static_cast<int>(random() % 20), absent = static_cast<int>(random() % 4);
  for (uint64_t& count : counts) {
    const bool occurs = absent == 0 || static_cast<int>(random() % 4) >= absent;
    count = occurs ? 1 + (random() >> (32 - skew - 1)) : 0;
  }
  counts.front() = 3;
  counts.back() = 1;
  return counts;
}

}  // namespace

TEST_CASE("the textbook alphabet gets the textbook lengths") {
  CHECK(huffman_code_lengths(Counts{45, 13, 12, 16, 9, 5}) == Lengths{1, 3, 3, 3, 4, 4});
  CHECK(huffman_code_lengths(Counts{0, 7, 0}) == Lengths{0, 1, 0});
  CHECK(huffman_code_lengths(Counts{4, 0, 1}) == Lengths{1, 0, 1});
  CHECK(huffman_code_lengths(Counts{0, 0}) == Lengths{0, 0});
  CHECK(huffman_code_lengths(Counts{}).empty());
}

TEST_CASE("code lengths are as cheap as Huffman's construction, within a bit of the entropy, and complete") {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const Counts counts = random_counts(random);
    const Lengths lengths = huffman_code_lengths(counts);
    CHECK(cost(counts, lengths) == huffman_cost(counts));
    CHECK(kraft_sum(lengths) == uint64_t{1} << 24);
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
    double entropy = 0;
    for (const uint64_t count : counts) {
      const double share = static_cast<double>(count) / total;
      if (count > 0) entropy -= share * std::log2(share);
    }
    const double mean = static_cast<double>(cost(counts, lengths)) / total;
    CHECK(mean >= entropy - 1e-9);
    CHECK(mean < entropy + 1);
  }
}

TEST_CASE("a limit on the lengths costs as little as any code within it") {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    Counts counts(3 + random() % 4);
    for (uint64_t& count : counts) count = 1 + (random() >> (12 + random() % 20));
    const Lengths lengths = huffman_code_lengths(counts, 3);
    CHECK(*std::max_element(lengths.begin(), lengths.end()) <= 3);
    CHECK(cost(counts, lengths) == brute_force_cost(counts, 3));
  }
  Counts fibonacci{1, 1};
  while (fibonacci.size() < 60) fibonacci.push_back(fibonacci.end()[-1] + fibonacci.end()[-2]);
  const Lengths limited = huffman_code_lengths(fibonacci);
  CHECK(*std::max_element(limited.begin(), limited.end()) == kMaxCodeLength);
  CHECK(kraft_sum(limited) == uint64_t{1} << 24);
  CHECK_ERROR(huffman_code_lengths(Counts(9, 1), 3), "9 symbols have no codes of at most 3 bits");
}

TEST_CASE("codes are canonical: successors of one another in order of length and symbol") {
  const HuffmanEncoder encoder(Lengths{2, 0, 3, 1, 3});  // 10, -, 110, 0, 111
  BitWriter writer;
  for (const uint32_t symbol : {0, 2, 3, 4}) encoder.encode(symbol, writer);
  CHECK(writer.bits() == 9);
  CHECK(writer.finish() == std::string("\xb3\x80", 2));  // 10 110 0 11|1
}

TEST_CASE("symbols and code lengths come back from a stream") {
  std::mt19937 random(4);
  for (int round = 0; round < 100; ++round) {
    Counts counts = random_counts(random);
    if (round % 10 == 0) counts = {0, 0, 5, 0};  // one symbol
    if (round % 10 == 1) {                       // codes longer than the decoder's table
      counts.assign(40, 1);
      for (size_t s = 2; s < counts.size(); ++s) counts[s] = counts[s - 1] + counts[s - 2];
    }
    const Lengths lengths = huffman_code_lengths(counts);
    std::vector<uint32_t> symbols;
    for (size_t s = 0; s < counts.size(); ++s) {
      symbols.insert(symbols.end(), std::min<uint64_t>(counts[s], 20), static_cast<uint32_t>(s));
    }
    std::shuffle(symbols.begin(), symbols.end(), random);
    BitWriter writer;
    write_code_lengths(lengths, writer);
    const HuffmanEncoder encoder(lengths);
    for (const uint32_t symbol : symbols) encoder.encode(symbol, writer);
    const std::string bytes = writer.finish();

    BitReader reader(std::as_bytes(std::span(bytes)));
    REQUIRE(read_code_lengths(counts.size(), reader) == lengths);
    const HuffmanDecoder decoder(lengths);
    std::vector<uint32_t> decoded;
    for (size_t i = 0; i < symbols.size(); ++i) decoded.push_back(decoder.decode(reader));
    CHECK(decoded == symbols);
    CHECK_NOTHROW(reader.finish());
  }
}

TEST_CASE("smooth code lengths are stored in about two bits each") {
  Counts geometric;
  for (int s = 0; s < 32; ++s) geometric.push_back(static_cast<uint64_t>(10000 * std::pow(0.92, s)));
  BitWriter writer;
  write_code_lengths(huffman_code_lengths(geometric), writer);
  CHECK(writer.bits() <= 64);
}

TEST_CASE("code lengths that are no complete prefix code are rejected") {
  CHECK_ERROR(HuffmanDecoder(Lengths{1, 1, 2}), "over-subscribed");
  CHECK_ERROR(HuffmanDecoder(Lengths{1, 2}), "under-subscribed");
  CHECK_ERROR(HuffmanDecoder(Lengths{2}), "under-subscribed");
  CHECK_ERROR(HuffmanDecoder(Lengths{0, 0}), "under-subscribed");
  CHECK_ERROR(HuffmanDecoder(Lengths{25, 1}), "25 bits");
  CHECK_ERROR(HuffmanDecoder(Lengths(kMaxAlphabet + 1, 1)), "an alphabet of 16777217 symbols");
  CHECK_ERROR(HuffmanEncoder(Lengths{1, 1, 1}), "over-subscribed");

  const auto read = [](std::initializer_list<uint32_t> gammas, size_t alphabet) {
    BitWriter writer;
    for (const uint32_t value : gammas) writer.write_gamma(value);
    const std::string bytes = writer.finish();
    BitReader reader(std::as_bytes(std::span(bytes)));
    return read_code_lengths(alphabet, reader);
  };
  CHECK(read({1, 2, 2, 1}, 2) == Lengths{1, 1});
  CHECK_ERROR(read({1, 3, 2, 1, 1}, 2), "a run of 3 code lengths, room is for 2");
  CHECK_ERROR(read({4, 1, 2}, 2), "a run of 3 code lengths");
  CHECK_ERROR(read({1, 2, 1, 1}, 2), "a code of 0 bits");
  CHECK_ERROR(read({1, 2, 50, 1}, 2), "a code of 25 bits");
  CHECK_ERROR(read({1, 2, 0xffffffff, 1}, 2), "[huffman]");
  CHECK_ERROR(read({1, 2, 2, 2}, 2), "under-subscribed");
  CHECK_ERROR(read({1, 3, 2, 1, 1}, 3), "over-subscribed");
  CHECK_ERROR(read({1, 3, 2}, 3), "[bit_stream]");
}

TEST_CASE("bits that are no code are rejected") {
  const HuffmanDecoder decoder(Lengths{0, 1});
  const std::string bytes = "\x40";
  BitReader reader(std::as_bytes(std::span(bytes)));
  CHECK(decoder.decode(reader) == 1);
  CHECK_ERROR(decoder.decode(reader), "no code begins at bit 1");
}
