#include <algorithm>
#include <charconv>
#include <optional>

#include "interchange/formats.h"

namespace espalier::interchange {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY", kSuffix = ".npy";

struct Array {
  StorageKind kind = StorageKind::float32;
  std::vector<int64_t> extents;
};

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and nothing else, padded by spaces to its end.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Array parse() {
    std::optional<StorageKind> kind;
    std::optional<std::vector<int64_t>> extents;
    bool ordered = false;
    expect("{");
    while (!accept("}")) {
      if (accept("'descr':")) {
        kind = descr();
      } else if (accept("'fortran_order':")) {
        check(accept("False"), "[npy] an array is in Fortran's order; only C's is read");
        ordered = true;
      } else {
        expect("'shape':");
        extents = shape();
      }
      if (!accept(",")) {
        expect("}");
        break;
      }
    }
    skip();
    check(kind && extents && ordered && text_.empty(),
          "[npy] the header needs descr, fortran_order and shape alone");
    return {*kind, std::move(*extents)};
  }

 private:
  void skip() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size())); }
  bool accept(std::string_view token) {
    skip();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    check(accept(token), "[npy] expected {} in the header before '{}'", token, text_.substr(0, 20));
  }
  StorageKind descr() {
    if (accept("'<f4'")) return StorageKind::float32;
    if (accept("'<f8'")) return StorageKind::float64;
    if (accept("'<i8'")) return StorageKind::int64;
    skip();
    fail("[npy] dtype {}; '<f4', '<f8' and '<i8' are read", text_.substr(0, text_.find(',')));
  }
  std::vector<int64_t> shape() {
    std::vector<int64_t> extents;
    expect("(");
    while (!accept(")")) {
      skip();
      int64_t extent = 0;
      const auto [end, problem] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      check(problem == std::errc() && extent >= 0 && extents.size() < size_t{Shape::kMaxRank},
            "[npy] the shape is not up to {} numbers", Shape::kMaxRank);
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      extents.push_back(extent);
      if (!accept(",")) {
        expect(")");
        break;
      }
    }
    return extents;
  }

  std::string_view text_;
};

Tensor decode_npy(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  check(reader.text(kMagic.size()) == kMagic, "[npy] the array does not begin as .npy files do");
  const auto major = reader.number<uint8_t>();
  reader.number<uint8_t>();
  check(major == 1 || major == 2, "[npy] version {}; 1 and 2 are read", major);
  const size_t length = major == 1 ? reader.number<uint16_t>() : reader.number<uint32_t>();
  const Array array = HeaderParser(reader.text(length)).parse();
  const Shape shape(array.extents);
  const size_t item = item_size(array.kind);
  check(reader.left() % item == 0 && static_cast<uint64_t>(shape.numel()) == reader.left() / item,
        "[npy] an array {} of {}-byte numbers has {} bytes", shape.to_string(), item, reader.left());
  std::vector<int64_t> strides(array.extents.size(), 1);
  for (size_t axis = strides.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * std::max<int64_t>(array.extents[axis], 1);
  return gather_view(reader.take(reader.left()), array.kind, 0, shape, strides);
}

}  // namespace

Checkpoint decode_npz(const ZipArchive& archive) {
  Checkpoint result;
  for (const std::string& file : archive.names()) {
    check(file.ends_with(kSuffix), "[npz] '{}' is not an array; expected names that end in {}", file,
          kSuffix);
    try {
      result.tensors[file.substr(0, file.size() - kSuffix.size())] = decode_npy(archive.read(file));
    } catch (const Error& error) {
      fail("[npz] '{}': {}", file, error.what());
    }
  }
  return result;
}

}  // namespace espalier::interchange
