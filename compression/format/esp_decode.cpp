#include <bit>

#include "compression/codec/bit_stream.h"
#include "compression/codec/crc32c.h"
#include "compression/codec/deflate.h"
#include "compression/codec/huffman.h"
#include "compression/codec/relative_index.h"
#include "compression/format/byte_stream.h"
#include "compression/format/esp.h"
#include "compression/format/esp_layout.h"

namespace espalier::compression {
namespace {

std::span<const std::byte> take_section(ByteReader& file) {
  const auto payload = file.take(static_cast<uint64_t>(file.take_varint()));
  const auto due = file.take_number<uint32_t>();
  const uint32_t sum = crc32c(payload);
  check(sum == due, "[decode_esp] a section of {} bytes has the checksum {:08x}, due is {:08x}",
        payload.size(), sum, due);
  return payload;
}

struct Section {
  std::span<const std::byte> payload;
  int64_t bytes = 0;  // length and checksum included
};

struct Directory {
  std::string description;
  std::vector<std::pair<std::string, Shape>> tensors;
};

Directory decode_directory(std::span<const std::byte> payload, size_t sections) {
  const std::string text = inflate(payload, kMaxDirectoryBytes);
  ByteReader reader(std::as_bytes(std::span(text)));
  Directory directory;
  directory.description = reader.take_text(static_cast<uint64_t>(reader.take_varint()));
  const int64_t count = reader.take_varint();
  check(static_cast<uint64_t>(count) == sections,
        "[decode_esp] the directory names {} tensors, the file has {}", count, sections);
  for (int64_t i = 0; i < count; ++i) {
    std::string name(reader.take_text(static_cast<uint64_t>(reader.take_varint())));
    const int64_t rank = reader.take_varint();
    check(rank <= Shape::kMaxRank, "[decode_esp] tensor \"{}\" has rank {}, at most {} is due", name, rank,
          Shape::kMaxRank);
    std::vector<int64_t> extents;
    for (int64_t axis = 0; axis < rank; ++axis) extents.push_back(reader.take_varint());
    directory.tensors.emplace_back(std::move(name), Shape(extents));
  }
  check(reader.remaining() == 0, "[decode_esp] {} bytes follow the last name", reader.remaining());
  return directory;
}

template <typename T>
Tensor filled(const Shape& shape, T value) {
  Tensor tensor(shape, DTypeOf<T>::value);
  const auto elements = tensor.host<T>();
  std::fill(elements.begin(), elements.end(), value);
  return tensor;
}

Tensor floats(std::span<const std::byte> bytes, const Shape& shape) {
  Tensor tensor(shape, DType::float32);
  if (!bytes.empty()) std::memcpy(tensor.data<float>(), bytes.data(), bytes.size());
  return tensor;
}

// One tensor's section. Everything that the section claims is checked before the tensor is allocated.
class SectionDecoder {
 public:
  SectionDecoder(std::span<const std::byte> payload, const Shape& shape) : payload_(payload), shape_(shape) {
    const auto flags = payload_.take_number<uint8_t>();
    check(flags <= (kSparseFlag | kQuantizedFlag), "[decode_esp] flags {:02x} have no meaning", flags);
    sparse_ = (flags & kSparseFlag) != 0;
    quantized_ = (flags & kQuantizedFlag) != 0;
    entries_ = shape.numel();
    if (sparse_) {
      index_bits_ = payload_.take_number<uint8_t>();
      check(index_bits_ >= 1 && index_bits_ <= kMaxIndexBits,
            "[decode_esp] indices of {} bits, due are 1 to {}", index_bits_, kMaxIndexBits);
      entries_ = payload_.take_varint();
      check(entries_ <= shape.numel(), "[decode_esp] {} entries in a tensor of {}", entries_, shape.numel());
    }
    const auto floats_due = static_cast<uint64_t>(quantized_ ? payload_.take_varint() : entries_);
    check(floats_due <= payload_.remaining() / sizeof(float),
          "[decode_esp] {} numbers do not fit into {} bytes", floats_due, payload_.remaining());
    numbers_ = payload_.take(floats_due * sizeof(float));
    // A symbol takes at least a bit.
    const uint64_t symbols = (sparse_ ? 1 : 0) + (quantized_ ? 1 : 0);
    check(symbols == 0 || static_cast<uint64_t>(entries_) <= payload_.remaining() * 8 / symbols,
          "[decode_esp] {} entries do not fit into {} bytes", entries_, payload_.remaining());
  }

  // Takes what the tensor needs in memory from `budget`.
  EspTensor decode(std::string name, uint64_t& budget) {
    const uint64_t item = quantized_ ? sizeof(float) + sizeof(int32_t) : sizeof(float);
    const auto numel = static_cast<uint64_t>(shape_.numel());
    check(numel <= budget / item, "[decode_esp] {} elements, the limit leaves room for {}", numel,
          budget / item);
    budget -= numel * item;

    EspTensor tensor{.name = std::move(name), .sparse = sparse_};
    if (sparse_) tensor.index_bits = index_bits_;
    if (quantized_) {
      tensor.codebook = Codebook{.centroids = floats(numbers_, {static_cast<int64_t>(numbers_.size() / 4)}),
                                 .codes = filled<int32_t>(shape_, -1)};
    }
    if (!sparse_ && !quantized_) {
      tensor.values = floats(numbers_, shape_);
    } else {
      tensor.values = filled<float>(shape_, 0.0f);
      if (entries_ > 0) decode_entries(tensor);
    }
    if (entries_ == 0 || (!sparse_ && !quantized_)) {
      check(payload_.remaining() == 0, "[decode_esp] {} bytes are left over", payload_.remaining());
    }
    return tensor;
  }

  // What decode() found out about the section.
  EspTensorSize size(const EspTensor& tensor) const {
    EspTensorSize size = describe(tensor);
    size.entries = entries_;
    size.index_bits = index_bits_;
    size.weight_bits = weight_bits_;
    size.table_bytes = (table_bits_ + 7) / 8;
    const auto mean = [&](int64_t bits) {
      return entries_ == 0 ? 0.0 : static_cast<double>(bits) / static_cast<double>(entries_);
    };
    size.huffman_index_bits = mean(all_index_bits_);
    size.huffman_weight_bits = quantized_ ? mean(all_weight_bits_) : weight_bits_;
    return size;
  }

 private:
  void decode_entries(EspTensor& tensor) {
    const auto values = tensor.values.host<float>();
    const auto codes = quantized_ ? tensor.codebook->codes.host<int32_t>() : std::span<int32_t>();
    BitReader reader(payload_.rest());
    std::optional<HuffmanDecoder> index_decoder, code_decoder;
    if (sparse_) index_decoder.emplace(read_code_lengths(size_t{1} << index_bits_, reader));
    const size_t centroids = numbers_.size() / sizeof(float);
    if (quantized_) {
      const auto lengths = read_code_lengths(centroids + (sparse_ ? 1 : 0), reader);
      weight_bits_ = fixed_bits(lengths);
      code_decoder.emplace(lengths);
    }
    table_bits_ = reader.position();

    RelativeCursor cursor(shape_.numel());
    const uint32_t farthest = (uint32_t{1} << index_bits_) - 1;
    for (int64_t entry = 0; entry < entries_; ++entry) {
      const int64_t begin = reader.position();
      const uint32_t skipped = sparse_ ? index_decoder->decode(reader) : 0;
      all_index_bits_ += reader.position() - begin;
      const auto position = static_cast<size_t>(cursor.advance(skipped));
      size_t number = static_cast<size_t>(entry);
      if (quantized_) {
        const int64_t code_begin = reader.position();
        number = code_decoder->decode(reader);
        all_weight_bits_ += reader.position() - code_begin;
      }
      float value = 0.0f;
      if (number < numbers_.size() / sizeof(float))
        std::memcpy(&value, &numbers_[number * sizeof(float)], sizeof(float));
      const bool filler = quantized_ ? number == centroids : std::bit_cast<uint32_t>(value) == 0;
      check(!filler || skipped == farthest, "[decode_esp] the filler at {} skips {} positions, due are {}",
            position, skipped, farthest);
      if (filler) continue;
      values[position] = value;
      if (quantized_) codes[position] = static_cast<int32_t>(number);
    }
    reader.finish();
  }

  ByteReader payload_;
  Shape shape_;
  bool sparse_ = false, quantized_ = false;
  int index_bits_ = 0;
  int64_t entries_ = 0;
  std::span<const std::byte> numbers_;  // the centroids, or the values of the entries

  int weight_bits_ = 32;
  int64_t table_bits_ = 0, all_index_bits_ = 0, all_weight_bits_ = 0;
};

EspDecoded decode(std::span<const std::byte> bytes, uint64_t budget) {
  ByteReader file(bytes);
  check(bytes.size() > kEspMagic.size() && file.take_text(kEspMagic.size()) == kEspMagic,
        "[decode_esp] {} bytes that do not begin as an .esp file does", bytes.size());
  const auto version = file.take_number<uint8_t>();
  check(version == kEspVersion, "[decode_esp] version {}, this program reads version {}", version,
        kEspVersion);
  const auto directory_payload = take_section(file);
  // All checksums come before the first tensor: a file damaged at its end costs no memory either.
  std::vector<Section> sections;
  while (file.remaining() > 0) {
    const size_t before = file.remaining();
    const auto payload = take_section(file);
    sections.push_back({payload, static_cast<int64_t>(before - file.remaining())});
  }
  Directory directory = decode_directory(directory_payload, sections.size());

  EspDecoded result;
  result.file.description = std::move(directory.description);
  for (size_t i = 0; i < sections.size(); ++i) {
    auto& [name, shape] = directory.tensors[i];
    try {
      SectionDecoder section(sections[i].payload, shape);
      result.file.tensors.push_back(section.decode(name, budget));
      result.sizes.push_back(section.size(result.file.tensors.back()));
    } catch (const Error& error) {
      fail("tensor \"{}\": {}", name, error.what());
    }
    result.sizes.back().section_bytes = sections[i].bytes;
  }
  check_names(result.file.tensors);
  return result;
}

}  // namespace

EspDecoded decode_esp(std::span<const std::byte> bytes, const std::string& origin,
                      std::optional<uint64_t> limit) {
  try {
    return decode(bytes, limit.value_or(decoded_limit(bytes.size())));
  } catch (const Error& error) {
    fail("{}: {}", origin, error.what());
  }
}

}  // namespace espalier::compression
