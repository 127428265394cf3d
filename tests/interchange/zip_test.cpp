#include "interchange/zip.h"

#include <zlib.h>

#include <functional>

#include "interchange/checkpoint.h"
#include "tests/support/bytes.h"
#include "tests/support/catch.h"

namespace espalier::interchange {
namespace {

// One file of an archive, as its entry in the directory describes it.
struct File {
  std::string name, contents;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0, packed = 0, size = 0, offset = 0;
};

void put(std::string& to, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i));
}

// Stored files; `damage` may change an entry before it is written.
std::string archive(std::vector<std::pair<std::string, std::string>> contents,
                    const std::function<void(File&)>& damage = {}) {
  std::string bytes, directory;
  for (const auto& [name, text] : contents) {
    File file{.name = name, .contents = text};
    file.crc = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
    file.packed = file.size = static_cast<uint32_t>(text.size());
    file.offset = static_cast<uint32_t>(bytes.size());
    bytes += std::string("PK\x03\x04") + std::string(22, '\0');
    put(bytes, name.size(), 2);
    put(bytes, 0, 2);
    bytes += name + text;
    if (damage) damage(file);
    directory += std::string("PK\x01\x02") + std::string(4, '\0');
    put(directory, file.flags, 2);
    put(directory, file.method, 2);
    put(directory, 0, 4);
    put(directory, file.crc, 4);
    put(directory, file.packed, 4);
    put(directory, file.size, 4);
    put(directory, file.name.size(), 2);
    directory += std::string(2 + 2 + 8, '\0');
    put(directory, file.offset, 4);
    directory += file.name;
  }
  const size_t begin = bytes.size();
  bytes += directory + std::string("PK\x05\x06") + std::string(4, '\0');
  put(bytes, contents.size(), 2);
  put(bytes, contents.size(), 2);
  put(bytes, directory.size(), 4);
  put(bytes, begin, 4);
  put(bytes, 0, 2);
  return bytes;
}

TEST_CASE("the files of an archive are found by name and read") {
  const std::string bytes = archive({{"a", "first"}, {"b/c", ""}});
  const ZipArchive zip(test::bytes_of(bytes));
  CHECK(zip.names() == std::vector<std::string>{"a", "b/c"});
  CHECK(zip.read("a").size() == 5);
  CHECK(zip.read("b/c").empty());
  CHECK_ERROR(zip.read("c"), "[zip] there is no file 'c'");
}

TEST_CASE("each fault of an archive is an error of its own") {
  const auto open = [](const std::function<void(File&)>& damage) {
    const std::string bytes = archive({{"a", "first"}, {"b", "second"}}, damage);
    const ZipArchive zip(test::bytes_of(bytes));
    static_cast<void>(zip.read("a"));
  };
  CHECK_ERROR(open([](File& file) { file.crc ^= 1; }), "[zip] 'a' has CRC-32");
  CHECK_ERROR(open([](File& file) { file.flags = 1; }), "[zip] 'a' is encrypted");
  CHECK_ERROR(open([](File& file) { file.method = 12; }),
              "[zip] 'a' is compressed by method 12; stored (0) and deflated (8) are read");
  CHECK_ERROR(open([](File& file) { file.size += 1; }), "[zip] 'a' claims 6 bytes from 5");
  CHECK_ERROR(open([](File& file) {
                file.method = 8;
                file.size = 1'000'000;
              }),
              "[zip] 'a' claims 1000000 bytes from 5");
  CHECK_ERROR(open([](File& file) { file.method = 8; }), "[zip] 'a' does not inflate to its 5 bytes");
  CHECK_ERROR(open([](File& file) { file.size = file.packed = UINT32_MAX; }), "[zip] 'a' is a zip64 entry");
  CHECK_ERROR(open([](File& file) { file.offset += 1; }), "[zip] 'a' has no local header at byte 1");
  CHECK_ERROR(open([](File& file) { file.offset = 1'000'000; }), "byte 1000000 was due");
  CHECK_ERROR(open([](File& file) { file.size = file.packed = 1000; }), "1000 bytes were due");
  CHECK_ERROR(open([](File& file) { file.name = "a"; }), "[zip] the name 'a' comes twice");
  CHECK_ERROR(open([](File& file) {
                file.offset = 0;
                file.size = file.packed = 100;
              }),
              "[zip] files overlap");
}

TEST_CASE("an archive without its end, or whose directory is elsewhere, is an error") {
  const std::string bytes = archive({{"a", "first"}});
  const auto open = [](const std::string& text) { ZipArchive zip(test::bytes_of(text)); };
  CHECK_ERROR(open(bytes.substr(0, bytes.size() - 22)), "[zip]");
  std::string elsewhere = bytes;
  elsewhere[bytes.size() - 6] = 3;  // the directory's place
  CHECK_ERROR(open(elsewhere), "[zip] entry 0 of the central directory is damaged");
}

// An archive of one array: the version, the header's text and the data.
Checkpoint decode_npy(const std::string& header, size_t bytes, const std::string& magic = "\x93NUMPY",
                      const std::string& name = "x.npy", char version = 1) {
  std::string npy = magic + version + '\0';
  put(npy, header.size(), 2);
  npy += header + std::string(bytes, '\0');
  const std::string file = archive({{name, npy}});
  return decode_checkpoint(test::bytes_of(file), "a.npz");
}

TEST_CASE("each fault of an .npz is an error of its own") {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  CHECK(decode_npy(good, 24).tensors.at("x").shape() == Shape{2, 3});
  CHECK_ERROR(decode_npy(good, 20),
              "a.npz: [npz] 'x.npy': [npy] an array (2, 3) of 4-byte numbers has 20 bytes");
  CHECK_ERROR(decode_npy(good, 23), "has 23 bytes");
  CHECK_ERROR(decode_npy(good, 24, "NUMPY?"), "does not begin as .npy files do");
  CHECK_ERROR(decode_npy(good, 24, "\x93NUMPY", "x.txt"),
              "'x.txt' is not an array; expected names that end in .npy");
  CHECK_ERROR(decode_npy(good, 24, "\x93NUMPY", "x.npy", 3), "[npy] version 3; 1 and 2 are read");
  CHECK_ERROR(decode_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24),
              "Fortran's order");
  CHECK_ERROR(decode_npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", 24),
              "[npy] dtype '|O'");
  CHECK_ERROR(decode_npy("{'descr': '<f4', 'fortran_order': False, }", 24),
              "needs descr, fortran_order and shape");
  CHECK_ERROR(decode_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }", 24),
              "the shape is not");
  CHECK_ERROR(decode_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4),
              "the shape is not");
  CHECK_ERROR(decode_npy("{'descr': '<f4' 'shape'", 24), "[npy] expected }");
}

}  // namespace
}  // namespace espalier::interchange
