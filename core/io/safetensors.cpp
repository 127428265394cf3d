#include "core/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/io/file.h"

namespace espalier {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied to and from little-endian files");

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the format says
constexpr std::string_view kMetadata = "__metadata__";

struct DTypeCode {
  DType dtype;
  std::string_view code;
};
constexpr DTypeCode kDTypes[] = {{DType::float32, "F32"},
                                 {DType::float64, "F64"},
                                 {DType::uint8, "U8"},
                                 {DType::int32, "I32"},
                                 {DType::int64, "I64"}};

std::string_view code_of(DType dtype) {
  for (const DTypeCode& row : kDTypes)
    if (row.dtype == dtype) return row.code;
  fail("[safetensors] dtype {} has no code", name(dtype));
}

struct Entry {
  std::optional<DType> dtype;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;
};

struct Header {
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Reads the header event by event. A document tree would keep only the last of two equal names and cost
// memory before anything is checked; here whatever the format does not allow at its place is an error at
// once, nesting included.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Header take() { return std::move(header_); }

  bool start_object(size_t) override {
    switch (place_) {
      case Place::document:
        place_ = Place::names;
        return true;
      case Place::name:
        place_ = name_ == kMetadata ? Place::metadata : Place::fields;
        return true;
      default:
        unexpected("an object");
    }
  }

  bool key(std::string& text) override {
    if (place_ == Place::names) {
      const bool is_new =
          text == kMetadata ? !std::exchange(has_metadata_, true) : header_.entries.try_emplace(text).second;
      check(is_new, "[safetensors] the name '{}' comes twice", text);
      name_ = text;
      place_ = Place::name;
    } else if (place_ == Place::metadata) {
      check(!header_.metadata.contains(text), "[safetensors] the metadata key '{}' comes twice", text);
      key_ = text;
      place_ = Place::metadata_value;
    } else {
      start_field(text);
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::fields) {
      const Entry& entry = header_.entries[name_];
      check(entry.dtype && entry.shape && entry.offsets,
            "[safetensors] tensor '{}' lacks one of dtype, shape and data_offsets", name_);
    }
    place_ = place_ == Place::names ? Place::document : Place::names;
    return true;
  }

  bool start_array(size_t) override {
    Entry* entry = place_ == Place::shape || place_ == Place::offsets ? &header_.entries[name_] : nullptr;
    if (entry == nullptr || numbers_ != nullptr) unexpected("an array");
    numbers_ = &(place_ == Place::shape ? entry->shape : entry->offsets).emplace();
    return true;
  }

  bool end_array() override {
    numbers_ = nullptr;
    place_ = Place::fields;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (numbers_ == nullptr) unexpected(fmt::format("the number {}", value));
    const size_t most = place_ == Place::shape ? Shape::kMaxRank : 2;
    check(numbers_->size() < most, "[safetensors] tensor '{}' has more than {} numbers in its {}", name_,
          most, key_);
    check(value <= INT64_MAX, "[safetensors] tensor '{}' has {} in its {}, beyond 63 bits", name_, value,
          key_);
    numbers_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::metadata_value) {
      header_.metadata.emplace(key_, std::move(text));
      place_ = Place::metadata;
    } else if (place_ == Place::dtype) {
      const auto* row = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                     [&](const DTypeCode& r) { return r.code == text; });
      check(row != std::end(kDTypes),
            "[safetensors] tensor '{}' has dtype '{}'; this program reads F32, F64, U8, I32 and I64", name_,
            text);
      header_.entries[name_].dtype = row->dtype;
      place_ = Place::fields;
    } else {
      unexpected("a text");
    }
    return true;
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(int64_t value) override { unexpected(fmt::format("the negative number {}", value)); }
  bool number_float(double, const std::string& text) override {
    unexpected(fmt::format("{}, which is not an integer of 64 bits,", text));
  }
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) override {
    fail("[safetensors] the header is not JSON at its byte {}: {}", position, error.what());
  }

 private:
  enum class Place { document, names, name, fields, dtype, shape, offsets, metadata, metadata_value };

  void start_field(const std::string& text) {
    const Entry& entry = header_.entries[name_];
    bool is_new = false;
    if (text == "dtype") {
      place_ = Place::dtype;
      is_new = !entry.dtype;
    } else if (text == "shape") {
      place_ = Place::shape;
      is_new = !entry.shape;
    } else if (text == "data_offsets") {
      place_ = Place::offsets;
      is_new = !entry.offsets;
    } else {
      fail("[safetensors] tensor '{}' has the field '{}'; expected dtype, shape and data_offsets", name_,
           text);
    }
    check(is_new, "[safetensors] tensor '{}' has the field '{}' twice", name_, text);
    key_ = text;
  }

  [[noreturn]] void unexpected(std::string_view what) const {
    switch (place_) {
      case Place::document:
        fail("[safetensors] the header is {}; expected an object", what);
      case Place::name:
        fail("[safetensors] '{}' is {}; expected an object", name_, what);
      case Place::metadata_value:
        fail("[safetensors] metadata '{}' is {}; expected a text", key_, what);
      default:
        fail("[safetensors] tensor '{}' has {} as its {}", name_, what, key_);
    }
  }

  Header header_;
  Place place_ = Place::document;
  std::string name_, key_;
  std::vector<int64_t>* numbers_ = nullptr;  // inside an array, where its numbers go
  bool has_metadata_ = false;
};

struct Extent {
  size_t begin, end;
  const std::string* name;
};

// Checks that every tensor has the bytes its shape needs and that together they cover the data once.
void check_tiling(const Header& header, size_t data_bytes) {
  std::vector<Extent> extents;
  extents.reserve(header.entries.size());
  for (const auto& [name, entry] : header.entries) {
    check(entry.offsets->size() == 2, "[safetensors] tensor '{}' has {} data_offsets; expected 2", name,
          entry.offsets->size());
    const int64_t begin = (*entry.offsets)[0], end = (*entry.offsets)[1];
    check(begin <= end && static_cast<uint64_t>(end) <= data_bytes,
          "[safetensors] tensor '{}' has data_offsets [{}, {}]; expected 0 <= begin <= end <= {}", name,
          begin, end, data_bytes);
    const Shape shape(*entry.shape);
    int64_t due = 0;
    check(!__builtin_mul_overflow(shape.numel(), static_cast<int64_t>(item_size(*entry.dtype)), &due) &&
              due == end - begin,
          "[safetensors] tensor '{}' has {} bytes; {} {} needs {} elements", name, end - begin,
          code_of(*entry.dtype), shape.to_string(), shape.numel());
    extents.push_back({static_cast<size_t>(begin), static_cast<size_t>(end), &name});
  }
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  size_t covered = 0;
  for (const Extent& extent : extents) {
    check(extent.begin == covered, "[safetensors] tensor '{}' begins at {}; the tensors before it end at {}",
          *extent.name, extent.begin, covered);
    covered = extent.end;
  }
  check(covered == data_bytes, "[safetensors] the tensors end at {}, the data at {}", covered, data_bytes);
}

TensorFile decode(std::span<const std::byte> bytes) {
  check(bytes.size() >= kLengthBytes, "[safetensors] the file has {} bytes; expected at least {}",
        bytes.size(), kLengthBytes);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  check(length <= kMaxHeaderBytes && length <= bytes.size() - kLengthBytes,
        "[safetensors] the header claims {} bytes; the file has {} after its length, and {} is the limit",
        length, bytes.size() - kLengthBytes, kMaxHeaderBytes);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  check(length > 0 && text[0] == '{', "[safetensors] the header does not begin with '{{'");
  HeaderReader reader;
  nlohmann::json::sax_parse(text, text + length, &reader);
  Header header = reader.take();
  const auto data = bytes.subspan(kLengthBytes + length);
  check_tiling(header, data.size());

  TensorFile file;
  file.metadata = std::move(header.metadata);
  for (const auto& [name, entry] : header.entries) {
    Tensor tensor(Shape(*entry.shape), *entry.dtype);
    if (tensor.bytes() > 0) std::memcpy(tensor.raw(), data.data() + (*entry.offsets)[0], tensor.bytes());
    file.tensors.emplace(name, std::move(tensor));
  }
  return file;
}

// The length and the header: what stands before the tensors.
std::string encode_header(const TensorFile& file) {
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) header[std::string(kMetadata)] = file.metadata;
  size_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    check(name != kMetadata, "[safetensors] '{}' cannot name a tensor", name);
    check(tensor.defined() && tensor.device() != Device::cuda, "[safetensors] tensor '{}' is not on the host",
          name);
    const size_t end = offset + tensor.bytes();
    header[name] = {{"dtype", code_of(tensor.dtype())},
                    {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {
    fail("[safetensors] a name or metadata is not UTF-8: {}", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check(text.size() <= kMaxHeaderBytes, "[safetensors] the header takes {} bytes; the limit is {}",
        text.size(), kMaxHeaderBytes);
  const uint64_t length = text.size();
  std::string result(kLengthBytes, '\0');
  std::memcpy(result.data(), &length, kLengthBytes);
  return result += text;
}

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), tensor.bytes()};
}

}  // namespace

TensorFile decode_safetensors(std::span<const std::byte> bytes, const std::string& origin) {
  try {
    return decode(bytes);
  } catch (const Error& error) {
    fail("{}: {}", origin, error.what());
  }
}

std::string encode_safetensors(const TensorFile& file) {
  std::string result = encode_header(file);
  for (const auto& [name, tensor] : file.tensors) result += bytes_of(tensor);
  return result;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  return decode_safetensors(read_file(path), path.string());
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  AtomicFile output(path);
  output.write(encode_header(file));
  for (const auto& [name, tensor] : file.tensors) output.write(bytes_of(tensor));
  output.commit();
}

}  // namespace espalier
