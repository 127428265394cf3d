#include "compression/codec/bit_stream.h"

#include <random>
#include <vector>

#include "tests/support/bytes.h"
#include "tests/support/catch.h"

using namespace espalier::compression;
using espalier::test::bytes_of;

TEST_CASE("the first bit written is the top bit of the first byte") {
  BitWriter writer;
  writer.write(0b1, 1);
  writer.write(0b01, 2);
  writer.write(0b111100, 6);
  CHECK(writer.bits() == 9);
  CHECK(writer.finish() == std::string("\xbe\x00", 2));
  CHECK(writer.bits() == 0);
}

TEST_CASE("a gamma code is as many zeros as follow its first bit, then the number") {
  BitWriter writer;
  writer.write_gamma(1);  // 1
  writer.write_gamma(2);  // 010
  writer.write_gamma(5);  // 00101
  CHECK(writer.bits() == 9);
  CHECK(writer.finish() == std::string("\xa2\x80", 2));
}

TEST_CASE("numbers of every width come back as they were written") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<uint32_t, int>> written;
    BitWriter writer;
    for (int i = 0; i < round; ++i) {
      const int width = static_cast<int>(random() % 34) - 1;  // -1: a gamma code
      const uint32_t value = width <= 0 ? 0 : static_cast<uint32_t>(random()) >> (32 - width);
      written.emplace_back(width < 0 ? static_cast<uint32_t>(random()) >> random() % 32 | 1 : value, width);
      width < 0 ? writer.write_gamma(written.back().first) : writer.write(value, width);
    }
    const std::string bytes = writer.finish();
    BitReader reader(bytes_of(bytes));
    bool same = true;
    for (const auto& [value, width] : written) {
      same = same && (width < 0 ? reader.read_gamma() : reader.read(width)) == value;
    }
    CHECK(same);
    CHECK_NOTHROW(reader.finish());
  }
}

TEST_CASE("reading past the end is an error, peeking past it sees zeros") {
  const std::string bytes = "\xff";
  BitReader reader(bytes_of(bytes));
  CHECK(reader.read(5) == 31);
  CHECK(reader.peek(8) == 0b11100000);
  CHECK(reader.remaining() == 3);
  CHECK_ERROR(reader.read(4), "4 bits were due at bit 5 of 8");
  CHECK(reader.read(3) == 7);
  CHECK(reader.peek(32) == 0);
  CHECK_ERROR(reader.read(1), "[bit_stream]");
  CHECK_ERROR(reader.read_gamma(), "32 leading zeros");
}

TEST_CASE("what follows the last symbol must be less than a byte of zeros") {
  const std::string whole("\x80\x00", 2), dirty = "\x81";
  BitReader left(bytes_of(whole));
  left.skip(8);
  CHECK_ERROR(left.finish(), "8 bits are left over");
  BitReader ones(bytes_of(dirty));
  ones.skip(1);
  CHECK_ERROR(ones.finish(), "not filled up with zeros");
}
