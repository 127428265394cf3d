#include "compression/codec/deflate.h"

#include <random>

#include "compression/codec/crc32c.h"
#include "tests/support/bytes.h"
#include "tests/support/catch.h"

using namespace espalier::compression;
using espalier::test::bytes_of;

TEST_CASE("texts of every length come back from their DEFLATE streams") {
  std::mt19937 random(8);
  for (size_t size = 0; size < 20000; size = size * 2 + 1) {
    std::string text(size, ' ');
    for (char& letter : text) letter = static_cast<char>('a' + random() % 20);
    const std::string stream = deflate(text);
    CHECK(inflate(bytes_of(stream), size + 1) == text);
    if (size > 0) CHECK_ERROR(inflate(bytes_of(stream), size - 1), "more than the");
  }
}

TEST_CASE("a stream that is damaged, cut or continued is rejected") {
  const std::string stream = deflate("a text, a text, a text");
  CHECK_ERROR(inflate(bytes_of(stream + "x"), 100), "1 bytes follow the end of the stream");
  for (size_t size = 0; size < stream.size(); ++size) {
    CHECK_ERROR(inflate(bytes_of(stream.substr(0, size)), 100), "a damaged or incomplete stream");
  }
  CHECK_ERROR(inflate(bytes_of("\xff\xff"), 100), "a damaged or incomplete stream of 2 bytes");
}

TEST_CASE("the checksum of the digits is that of RFC 3720") {
  CHECK(crc32c(bytes_of("123456789")) == 0xe3069283);
  CHECK(crc32c(bytes_of(std::string(32, '\0'))) == 0x8a9136aa);
  CHECK(crc32c({}) == 0);
}
