#include "compression/format/esp.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "compression/codec/deflate.h"
#include "tests/compression/esp_samples.h"
#include "tests/support/catch.h"

using namespace espalier;
using namespace espalier::compression;
using namespace espalier::test;

namespace {

std::vector<uint32_t> bits(const Tensor& tensor) {
  std::vector<uint32_t> result;
  for (const float value : tensor.host<float>()) result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

void check_same(const EspFile& a, const EspFile& b) {
  CHECK(a.description == b.description);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    const EspTensor &x = a.tensors[i], &y = b.tensors[i];
    CAPTURE(i, x.name);
    CHECK(x.name == y.name);
    CHECK(x.sparse == y.sparse);
    CHECK(x.values.shape() == y.values.shape());
    CHECK(bits(x.values) == bits(y.values));
    REQUIRE(x.codebook.has_value() == y.codebook.has_value());
    if (!x.codebook) continue;
    CHECK(bits(x.codebook->centroids) == bits(y.codebook->centroids));
    CHECK(x.codebook->codes.shape() == y.codebook->codes.shape());
    CHECK(x.codebook->codes.to_vector<int32_t>() == y.codebook->codes.to_vector<int32_t>());
  }
}

EspDecoded decode(const std::string& bytes) {
  return decode_esp(bytes_of(bytes), "net.esp");
}

std::string from_hex(const std::string& hex) {
  std::istringstream digits(hex);
  std::string bytes;
  for (int byte; digits >> std::hex >> byte;) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

const std::string kExampleHead =
    "89 45 53 50 01 "                                                // magic, version
    "0f 63 aa ae 65 62 2c 67 62 e2 60 4c 62 64 02 00 8d 0f 24 43 ";  // the directory, deflated
const std::string kExampleTensors =
    "12 03 03 04 02 "           // 18 bytes: sparse | quantized, 3 bits, 4 entries, 2 centroids
    "00 00 80 3f 00 00 40 40 "  // 1, 3
    "48 8c 95 69 68 f0 "        // code lengths and codes, see docs/esp-format.md
    "df 95 4b 55 "              // checksum
    "09 00 00 00 00 3f 00 00 00 c0 36 9f f3 81 ";  // 9 bytes: dense, 0.5, -2

EspTensor sparse_tensor(const std::vector<float>& values) {
  return {.name = "w", .values = Tensor::from(values, {static_cast<int64_t>(values.size())}), .sparse = true};
}

}  // namespace

TEST_CASE("the example's bytes are fixed: files of today can be read tomorrow") {
  check_same(decode(from_hex(kExampleHead + kExampleTensors)).file, example_file());
  // Another zlib may deflate the directory otherwise; all that follows it has one encoding.
  const std::string encoded = encode_esp(example_file()).bytes, tensors = from_hex(kExampleTensors);
  REQUIRE(encoded.size() > tensors.size());
  CHECK(encoded.substr(encoded.size() - tensors.size()) == tensors);
}

TEST_CASE("the example's bytes are those of the document") {
  std::ifstream document(ESPALIER_SOURCE_DIR "/docs/esp-format.md");
  REQUIRE(document);
  std::string hex;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("000000")) hex += line.substr(8, 3 * 16 + 1);
  }
  CHECK(from_hex(hex) == from_hex(kExampleHead + kExampleTensors));
}

TEST_CASE("the example's sizes are those that a hand counts") {
  const auto sizes = encode_esp(example_file()).sizes;
  REQUIRE(sizes.size() == 2);
  CHECK(sizes[0] == EspTensorSize{.name = "w",
                                  .shape = {2, 8},
                                  .weights = 16,
                                  .nonzeros = 3,
                                  .entries = 4,
                                  .centroids = 2,
                                  .weight_bits = 2,
                                  .index_bits = 3,
                                  .huffman_weight_bits = 1.5,
                                  .huffman_index_bits = 1.5,
                                  .codebook_bytes = 8,
                                  .table_bytes = 5,
                                  .section_bytes = 23});
  CHECK(sizes[1] == EspTensorSize{.name = "b",
                                  .shape = {2},
                                  .weights = 2,
                                  .nonzeros = 2,
                                  .entries = 2,
                                  .huffman_weight_bits = 32,
                                  .section_bytes = 14});
}

TEST_CASE("random files come back bit for bit, their sizes add up, and encoding again gives the same bytes") {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const EspFile file = random_file(seed, static_cast<int>(seed % 7));
    const EspEncoded encoded = encode_esp(file);
    const EspDecoded decoded = decode(encoded.bytes);
    check_same(decoded.file, file);
    CHECK(decoded.sizes == encoded.sizes);
    CHECK(encode_esp(decoded.file).bytes == encoded.bytes);
    const size_t directory = split_sections(encoded.bytes)[0].size();
    int64_t total = 5 + (directory < 128 ? 1 : 2) + static_cast<int64_t>(directory) + 4;
    for (const EspTensorSize& size : encoded.sizes) {
      total += size.section_bytes;
      const double parts =
          static_cast<double>(size.entries) * (size.huffman_weight_bits + size.huffman_index_bits) +
          8.0 * static_cast<double>(size.codebook_bytes + size.table_bytes);
      CHECK(8.0 * static_cast<double>(size.section_bytes) > parts - 8);
      CHECK(8.0 * static_cast<double>(size.section_bytes) <= parts + 8 * 16);
    }
    CHECK(total == static_cast<int64_t>(encoded.bytes.size()));
  }
}

TEST_CASE("infinities, NaNs, denormals and the sign of zero survive") {
  using Limits = std::numeric_limits<float>;
  const std::vector<float> odd{0.0f, -0.0f, Limits::infinity(), Limits::quiet_NaN(), -Limits::denorm_min(),
                               1.0f};
  EspFile file;
  for (const bool sparse : {false, true}) {
    for (const bool quantized : {false, true}) {
      EspTensor tensor = sparse_tensor(odd);
      tensor.name = {sparse ? 's' : 'd', quantized ? 'q' : 'f'};
      tensor.sparse = sparse;
      if (quantized) {
        tensor.codebook =
            Codebook{Tensor::from(odd, {6}), Tensor::from(std::vector<int32_t>{0, 1, 2, 3, 4, 5}, {6})};
      }
      file.tensors.push_back(tensor);
    }
  }
  check_same(decode(encode_esp(file).bytes).file, file);
}

TEST_CASE("a file without tensors and one with a long description come back") {
  check_same(decode(encode_esp({}).bytes).file, {});
  const EspFile file{.description = std::string(100000, 'x')};
  const std::string bytes = encode_esp(file).bytes;
  CHECK(bytes.size() < 300);
  check_same(decode(bytes).file, file);
}

TEST_CASE("an all-zero tensor costs eight bytes, whatever its size") {
  EspFile file;
  file.tensors.push_back({.name = "w", .values = Tensor::zeros({1000, 1000}), .sparse = true});
  const EspEncoded encoded = encode_esp(file);
  CHECK(encoded.sizes[0].section_bytes == 8);
  CHECK(encoded.sizes[0].entries == 0);
  CHECK(decode(encoded.bytes).sizes == encoded.sizes);
}

TEST_CASE("the chosen index width is at least as small as every fixed one") {
  for (const int rarity : {1, 3, 12, 100, 3000}) {
    std::mt19937 random(static_cast<uint32_t>(rarity));
    std::vector<float> values(20000, 0.0f);
    std::vector<int32_t> codes(values.size(), -1);
    for (size_t i = 0; i < values.size(); ++i) {
      if (static_cast<int>(random() % static_cast<uint32_t>(rarity)) == 0) codes[i] = 0, values[i] = 1.0f;
    }
    EspTensor tensor = sparse_tensor(values);
    tensor.codebook = Codebook{Tensor::from(std::vector<float>{1.0f}, {1}), Tensor::from(codes, {20000})};
    tensor.index_bits = 0;
    const auto chosen = encode_esp({.tensors = {tensor}}).sizes[0];
    CHECK(chosen.index_bits >= 1);
    for (tensor.index_bits = 1; tensor.index_bits <= 16; ++tensor.index_bits) {
      CAPTURE(rarity, tensor.index_bits, chosen.index_bits);
      CHECK(chosen.section_bytes <= encode_esp({.tensors = {tensor}}).sizes[0].section_bytes);
    }
  }
}

TEST_CASE("a tensor that its codebook does not reproduce is not encoded") {
  const auto encode = [](auto change) {
    EspFile file = example_file();
    change(file.tensors[0], file);
    return encode_esp(file);
  };
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.values.host<float>()[4] = 1.5f; }),
              "[encode_esp] tensor \"w\" has the value 1.5 at 4, its codebook gives 1");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.values.host<float>()[0] = -0.0f; }), "the value -0 at 0");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.codebook->codes.host<int32_t>()[4] = 2; }),
              "has code 2 at 4, due are -1 to 1");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.sparse = false; }), "has code -1 at 0, due are 0 to 1");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.codebook->codes = t.codebook->codes.reshape({16}); }),
              "is (2, 8), its codes are (16)");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.index_bits = 17; }), "indices of 17 bits");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.values = Tensor(); }), "has no values");
  CHECK_ERROR(encode([](EspTensor& t, EspFile&) { t.codebook->centroids = Tensor(); }), "half a codebook");
  CHECK_ERROR(encode([](EspTensor& t, EspFile& file) { file.tensors[1].name = t.name; }),
              "two tensors are called \"w\"");
  CHECK_ERROR(encode([](EspTensor&, EspFile& file) { file.description.resize(kMaxDirectoryBytes); }),
              "[encode_esp] description and names");
}

TEST_CASE("a file that is cut anywhere, continued, or changed in any bit is rejected") {
  const std::string bytes = encode_esp(random_file(3, 4, 6)).bytes;
  REQUIRE_NOTHROW(decode(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_ERROR(decode(bytes.substr(0, size)), "net.esp: ");
  }
  CHECK_ERROR(decode(bytes + '\0'), "net.esp: ");
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    CAPTURE(bit);
    CHECK_ERROR(decode(damaged), "net.esp: ");
  }
}

TEST_CASE("errors say what is wrong with the file") {
  const std::string bytes = encode_esp(example_file()).bytes;
  const auto with = [&](size_t at, char value) {
    std::string damaged = bytes;
    damaged[at] = value;
    return damaged;
  };
  CHECK_ERROR(decode(""), "do not begin as an .esp file");
  CHECK_ERROR(decode(with(0, 'P')), "do not begin as an .esp file");
  CHECK_ERROR(decode(with(4, 2)), "version 2, this program reads version 1");
  CHECK_ERROR(decode(with(7, 0)), "checksum");
  CHECK_ERROR(decode(with(bytes.size() - 1, 0)), "checksum");
  CHECK_ERROR(decode(bytes.substr(0, bytes.size() - 14)), "the directory names 2 tensors, the file has 1");
}

TEST_CASE("sections with a right checksum and wrong contents are rejected") {
  const std::vector<std::string> sections = split_sections(encode_esp(example_file()).bytes);
  const auto with_tensor = [&](const std::string& hex) {
    return join_sections({sections[0], from_hex(hex), sections[2]});
  };
  const std::string centroids = "00 00 80 3f 00 00 40 40 ";
  REQUIRE_NOTHROW(decode(with_tensor("03 03 04 02 " + centroids + "48 8c 95 69 68 f0")));
  CHECK_ERROR(decode(with_tensor("")),
              "net.esp: tensor \"w\": [byte_stream] 1 bytes were due where 0 remain");
  CHECK_ERROR(decode(with_tensor("04 03 04 02 " + centroids)), "flags 04");
  CHECK_ERROR(decode(with_tensor("03 00 04 02 " + centroids)), "indices of 0 bits");
  CHECK_ERROR(decode(with_tensor("03 11 04 02 " + centroids)), "indices of 17 bits");
  CHECK_ERROR(decode(with_tensor("03 03 11 02 " + centroids)), "17 entries in a tensor of 16");
  CHECK_ERROR(decode(with_tensor("03 03 04 03 " + centroids)), "3 numbers do not fit into 8 bytes");
  CHECK_ERROR(decode(with_tensor("03 03 05 02 " + centroids + "48")), "5 entries do not fit into 1 bytes");
  CHECK_ERROR(decode(with_tensor("03 03 80 00 02 " + centroids)), "in a long form");
  CHECK_ERROR(decode(with_tensor("03 03 04 02 " + centroids + "48 8c 95 69 68 f1")),
              "not filled up with zeros");
  CHECK_ERROR(decode(with_tensor("03 03 04 02 " + centroids + "48 8c 95 69 68 f0 00")), "bits are left over");
  // A fifth entry, read from the zeros at the end, passes the end of the tensor.
  CHECK_ERROR(decode(with_tensor("03 03 05 02 " + centroids + "48 8c 95 69 68 f0")), "[relative_index]");
  // The third entry skips 2 ("0") instead of 7 ("11") to its filler ("11").
  CHECK_ERROR(decode(with_tensor("03 03 04 02 " + centroids + "48 8c 95 69 68 60")),
              "the filler at 7 skips 2");
  CHECK_ERROR(decode(with_tensor("03 03 00 02 " + centroids + "00")), "1 bytes are left over");
  CHECK_ERROR(decode(with_tensor("00 00 00 80 3f")), "16 numbers do not fit");
}

TEST_CASE("directories with a right checksum and wrong contents are rejected") {
  std::vector<std::string> sections = split_sections(encode_esp(example_file()).bytes);
  const auto with_text = [&](const std::string& text) {
    sections[0] = deflate(text);
    return join_sections(sections);
  };
  const std::string description = "\x02{}", w = "\x01w\x02\x02\x08",
                    b = "\x01"
                        "b\x01\x02";
  REQUIRE_NOTHROW(decode(with_text(description + "\x02" + w + b)));
  CHECK_ERROR(decode(with_text(description + "\x03" + w + b)),
              "the directory names 3 tensors, the file has 2");
  CHECK_ERROR(decode(with_text(description + "\x02" + w)), "[byte_stream]");
  CHECK_ERROR(decode(with_text(description + "\x02" + w + b + "!")), "1 bytes follow the last name");
  CHECK_ERROR(decode(with_text(description + "\x02\x01w\x07")), "has rank 7, at most 6");
  CHECK_ERROR(decode(with_text(description + "\x02" + w + "\x01w\x01\x02")), "two tensors are called \"w\"");
  CHECK_ERROR(decode(with_text("\x09{}")), "9 bytes were due where 2 remain");
  CHECK_ERROR(decode(with_text(std::string(kMaxDirectoryBytes + 1, '\0'))), "[inflate]");
  sections[0] = deflate(description + "\x02" + w + b) + "!";
  CHECK_ERROR(decode(join_sections(sections)), "1 bytes follow the end of the stream");
}

TEST_CASE("the caller's limit bounds what a few bytes can decode to") {
  EspFile file;
  file.tensors.push_back({.name = "zeros", .values = Tensor::zeros({100, 100}), .sparse = true});
  file.tensors.push_back({.name = "more", .values = Tensor::zeros({10}), .sparse = true});
  const std::string bytes = encode_esp(file).bytes;
  CHECK_NOTHROW(decode_esp(bytes_of(bytes), "net.esp", 40040));
  CHECK_ERROR(decode_esp(bytes_of(bytes), "net.esp", 40039),
              "net.esp: tensor \"more\": [decode_esp] 10 elements, the limit leaves room for 9");
  const std::string all = std::string("\x00\x01\x01z\x02\xff\xff\xff\x7f\xff\xff\x7f", 12);
  CHECK_ERROR(decode(join_sections({deflate(all), std::string("\x01\x05\x00", 3)})),
              "the limit leaves room for");
}
