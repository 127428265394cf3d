#include "datasets/idx.h"

#include <numeric>

#include "tests/datasets/idx_bytes.h"
#include "tests/support/catch.h"

namespace espalier::datasets {
namespace {

using test::Bytes;
using test::gzip;
using test::idx_bytes;

Bytes sample() {
  std::vector<uint8_t> values(24);
  std::iota(values.begin(), values.end(), uint8_t{232});
  return idx_bytes({2, 3, 4}, values);
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST_CASE("an IDX file decodes to its shape and its elements in order, plain and gzip alike") {
  for (const Bytes& bytes : {sample(), gzip(sample())}) {
    const IdxArray array = decode_idx(bytes, "a");
    CHECK(array.shape == Shape{2, 3, 4});
    CHECK(array.values.size() == 24);
    CHECK(array.values.front() == 232);
    CHECK(array.values.back() == 255);
  }
}

TEST_CASE("an IDX array may be empty") {
  CHECK(decode_idx(idx_bytes({0, 28, 28}, {}), "a").values.empty());
  CHECK(decode_idx(gzip(idx_bytes({0}, {})), "a").shape == Shape{0});
}

TEST_CASE("an IDX file cut short anywhere is an error that names the file") {
  for (const Bytes& whole : {sample(), gzip(sample())})
    for (size_t size = 0; size < whole.size(); ++size)
      CHECK_ERROR(decode_idx(std::span(whole).first(size), "cut.idx"), "cut.idx");
}

TEST_CASE("bytes after an IDX array are an error, before, inside and after compression") {
  const Bytes more{std::byte{7}};
  CHECK_ERROR(decode_idx(joined(sample(), more), "a"), "41 bytes, the header promises 40");
  CHECK_ERROR(decode_idx(gzip(joined(sample(), more)), "a"), "inflates to more than the 40 bytes");
  CHECK_ERROR(decode_idx(joined(gzip(sample()), more), "a"), "1 trailing bytes after the gzip data");
}

TEST_CASE("a gzip stream that ends before the array does is an error") {
  Bytes shorter = sample();
  shorter.resize(30);
  CHECK_ERROR(decode_idx(gzip(shorter), "a"), "inflates to 30 bytes, at least 40 are due");
}

TEST_CASE("a damaged gzip checksum is an error") {
  Bytes bytes = gzip(sample());
  bytes[bytes.size() - 6] ^= std::byte{1};
  CHECK_ERROR(decode_idx(bytes, "a.gz"), "[idx] a.gz: damaged gzip data (incorrect data check)");
}

TEST_CASE("a file that is no IDX file of bytes is told what was expected") {
  Bytes other = sample();
  other[0] = std::byte{0x89};
  CHECK_ERROR(decode_idx(other, "a.png"), "begins with 89 00; an IDX file begins with 00 00");
  Bytes floats = sample();
  floats[2] = std::byte{0x0d};
  CHECK_ERROR(decode_idx(floats, "a"), "element type 0x0d");
  Bytes flat = sample();
  flat[3] = std::byte{0};
  CHECK_ERROR(decode_idx(flat, "a"), "rank 0; expected 1 to 6");
  Bytes deep = sample();
  deep[3] = std::byte{7};
  CHECK_ERROR(decode_idx(deep, "a"), "rank 7");
}

TEST_CASE("extents whose product overflows 64 bits are an error, not an allocation") {
  const uint32_t huge = 0xffffffff;
  for (const Bytes& bytes :
       {idx_bytes({huge, huge, huge, huge, huge, huge}, {}), idx_bytes({1u << 16, 1u << 16}, {})}) {
    CHECK_ERROR(decode_idx(bytes, "a"), "the header promises at least");
    CHECK_ERROR(decode_idx(gzip(bytes), "a"), "the header promises at least");
  }
}

TEST_CASE("an IDX file is read from disk, and a missing one is named") {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.path() / "x", gzip(sample()));
  CHECK(read_idx(folder.path() / "x").shape == Shape{2, 3, 4});
  CHECK_ERROR(read_idx(folder.path() / "missing"), "missing");
}

}  // namespace
}  // namespace espalier::datasets
