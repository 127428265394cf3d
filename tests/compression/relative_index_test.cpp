#include "compression/codec/relative_index.h"

#include <algorithm>
#include <random>

#include "tests/support/catch.h"

using namespace espalier::compression;

namespace {

using Entries = std::vector<RelativeEntry>;
using Positions = std::vector<int64_t>;

}  // namespace

TEST_CASE("the vector of figure 2 needs one filler") {
  CHECK(encode_relative(Positions{1, 4, 15}, 3) == Entries{{1, false}, {2, false}, {7, true}, {2, false}});
}

TEST_CASE("a filler stands only where a gap exceeds its field") {
  CHECK(encode_relative(Positions{0}, 1) == Entries{{0, false}});
  CHECK(encode_relative(Positions{7}, 3) == Entries{{7, false}});
  CHECK(encode_relative(Positions{8}, 3) == Entries{{7, true}, {0, false}});
  CHECK(encode_relative(Positions{16}, 3) == Entries{{7, true}, {7, true}, {0, false}});
  CHECK(encode_relative(Positions{}, 5).empty());
}

TEST_CASE("following the entries gives the positions back, and every filler reaches as far as it can") {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const int bits = 1 + round % kMaxIndexBits;
    const int64_t size = 1 + random() % 3000;
    Positions positions;
    const uint32_t rarity = 1 + random() % 200;
    for (int64_t i = 0; i < size; ++i) {
      if (random() % rarity == 0) positions.push_back(i);
    }
    Positions followed;
    RelativeCursor cursor(size);
    bool fillers_are_full = true;
    for (const RelativeEntry& entry : encode_relative(positions, bits)) {
      const int64_t position = cursor.advance(entry.skipped);
      if (!entry.filler) followed.push_back(position);
      fillers_are_full = fillers_are_full && (!entry.filler || entry.skipped + 1 == uint32_t{1} << bits);
    }
    CHECK(followed == positions);
    CHECK(fillers_are_full);
  }
}

TEST_CASE("positions and widths that make no sense are rejected") {
  CHECK_ERROR(encode_relative(Positions{3, 3}, 4), "position 3 does not ascend from 3");
  CHECK_ERROR(encode_relative(Positions{-1}, 4), "position -1");
  CHECK_ERROR(encode_relative(Positions{1}, 0), "0 bits");
  CHECK_ERROR(encode_relative(Positions{1}, 17), "17 bits");
}

TEST_CASE("an entry outside the vector is rejected") {
  RelativeCursor cursor(4);
  CHECK(cursor.advance(2) == 2);
  CHECK_ERROR(cursor.advance(1), "an entry 1 positions past 3 lies outside a vector of 4");
  CHECK(cursor.advance(0) == 3);
  CHECK_ERROR(cursor.advance(0), "outside a vector of 4");
  CHECK_ERROR(RelativeCursor(0).advance(0), "outside a vector of 0");
}
