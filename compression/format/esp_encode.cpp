#include <algorithm>
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

void append_section(std::string_view payload, std::string& bytes) {
  append_varint(payload.size(), bytes);
  bytes += payload;
  const uint32_t checksum = crc32c(std::as_bytes(std::span(payload)));
  append_raw(std::span<const uint32_t>(&checksum, 1), bytes);
}

std::string encode_directory(const EspFile& file) {
  std::string text;
  append_varint(file.description.size(), text);
  text += file.description;
  append_varint(file.tensors.size(), text);
  for (const EspTensor& tensor : file.tensors) {
    append_varint(tensor.name.size(), text);
    text += tensor.name;
    append_varint(static_cast<uint64_t>(tensor.values.shape().rank()), text);
    for (const int64_t extent : tensor.values.shape()) append_varint(static_cast<uint64_t>(extent), text);
  }
  check(text.size() <= kMaxDirectoryBytes,
        "[encode_esp] description and names take {} bytes, at most {} are due", text.size(),
        kMaxDirectoryBytes);
  return deflate(text);
}

void check_tensor(const EspTensor& tensor) {
  check(tensor.values.defined(), "[encode_esp] tensor \"{}\" has no values", tensor.name);
  check(tensor.index_bits >= 0 && tensor.index_bits <= kMaxIndexBits,
        "[encode_esp] tensor \"{}\" wants indices of {} bits, due are 1 to {}, or 0 to choose", tensor.name,
        tensor.index_bits, kMaxIndexBits);
  if (!tensor.codebook) return;
  const auto& [centroid_tensor, code_tensor] = *tensor.codebook;
  check(centroid_tensor.defined() && code_tensor.defined(), "[encode_esp] tensor \"{}\" has half a codebook",
        tensor.name);
  check(code_tensor.shape() == tensor.values.shape(), "[encode_esp] tensor \"{}\" is {}, its codes are {}",
        tensor.name, tensor.values.shape().to_string(), code_tensor.shape().to_string());
  const auto values = tensor.values.host<float>();
  const auto codes = code_tensor.host<int32_t>();
  const auto centroids = centroid_tensor.host<float>();
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto code = static_cast<int64_t>(codes[i]);
    check(code >= (tensor.sparse ? -1 : 0) && code < std::ssize(centroids),
          "[encode_esp] tensor \"{}\" has code {} at {}, due are {} to {}", tensor.name, code, i,
          tensor.sparse ? -1 : 0, std::ssize(centroids) - 1);
    const float due = code < 0 ? 0.0f : centroids[static_cast<size_t>(code)];
    check(std::bit_cast<uint32_t>(values[i]) == std::bit_cast<uint32_t>(due),
          "[encode_esp] tensor \"{}\" has the value {} at {}, its codebook gives {}", tensor.name, values[i],
          i, due);
  }
}

// The elements that a sparse tensor stores: those with a code, or whose bits are not those of +0.
std::vector<int64_t> stored_positions(const EspTensor& tensor) {
  std::vector<int64_t> positions;
  const auto collect = [&](auto elements, auto stored) {
    for (size_t i = 0; i < elements.size(); ++i) {
      if (stored(elements[i])) positions.push_back(static_cast<int64_t>(i));
    }
  };
  if (tensor.codebook) {
    collect(std::as_const(tensor.codebook->codes).host<int32_t>(), [](int32_t code) { return code >= 0; });
  } else {
    collect(tensor.values.host<float>(), [](float value) { return std::bit_cast<uint32_t>(value) != 0; });
  }
  return positions;
}

// Symbols of one alphabet, with their Huffman code.
class Column {
 public:
  Column(std::vector<uint32_t> symbols, size_t alphabet) : symbols_(std::move(symbols)) {
    std::vector<uint64_t> counts(alphabet, 0);
    for (const uint32_t symbol : symbols_) ++counts[symbol];
    lengths_ = huffman_code_lengths(counts);
    for (size_t symbol = 0; symbol < alphabet; ++symbol) bits_ += counts[symbol] * lengths_[symbol];
    encoder_.emplace(lengths_);
  }
  void write_table(BitWriter& writer) const { write_code_lengths(lengths_, writer); }
  void write_symbol(size_t i, BitWriter& writer) const { encoder_->encode(symbols_[i], writer); }
  double mean_bits() const { return static_cast<double>(bits_) / static_cast<double>(symbols_.size()); }
  int width() const { return fixed_bits(lengths_); }

 private:
  std::vector<uint32_t> symbols_;
  std::vector<uint8_t> lengths_;
  uint64_t bits_ = 0;
  std::optional<HuffmanEncoder> encoder_;
};

// The entropy-coded part: both tables, then index and code of every entry in turn.
std::string encode_entries(const std::optional<Column>& indices, const std::optional<Column>& codes,
                           EspTensorSize& size) {
  BitWriter writer;
  if (indices) {
    indices->write_table(writer);
    size.huffman_index_bits = indices->mean_bits();
  }
  if (codes) {
    codes->write_table(writer);
    size.weight_bits = codes->width();
    size.huffman_weight_bits = codes->mean_bits();
  }
  size.table_bytes = (writer.bits() + 7) / 8;
  for (size_t i = 0; i < static_cast<size_t>(size.entries); ++i) {
    if (indices) indices->write_symbol(i, writer);
    if (codes) codes->write_symbol(i, writer);
  }
  return writer.finish();
}

// A section's payload with gaps of `index_bits` bits (0: dense) between the stored `positions`.
std::string encode_payload(const EspTensor& tensor, std::span<const int64_t> positions, int index_bits,
                           EspTensorSize& size) {
  std::vector<RelativeEntry> relative;
  if (tensor.sparse) relative = encode_relative(positions, index_bits);
  size.index_bits = index_bits;
  size.entries = tensor.sparse ? std::ssize(relative) : tensor.values.numel();

  std::string payload;
  payload += static_cast<char>((tensor.sparse ? kSparseFlag : 0) | (tensor.codebook ? kQuantizedFlag : 0));
  if (tensor.sparse) {
    payload += static_cast<char>(index_bits);
    append_varint(static_cast<uint64_t>(size.entries), payload);
  }

  // Calls take(element), or take(none) for a filler, entry by entry.
  const auto for_entries = [&](auto elements, auto none, auto take) {
    if (!tensor.sparse) {
      for (const auto element : elements) take(element);
    }
    size_t next = 0;
    for (const RelativeEntry& entry : relative) {
      take(entry.filler ? none : elements[static_cast<size_t>(positions[next++])]);
    }
  };
  std::optional<Column> indices, codes;
  if (tensor.codebook) {
    const auto centroids = std::as_const(tensor.codebook->centroids).host<float>();
    append_varint(centroids.size(), payload);
    append_raw(centroids, payload);
    if (size.entries > 0) {
      std::vector<uint32_t> symbols;
      symbols.reserve(static_cast<size_t>(size.entries));
      for_entries(std::as_const(tensor.codebook->codes).host<int32_t>(),
                  static_cast<int32_t>(centroids.size()),
                  [&](int32_t code) { symbols.push_back(static_cast<uint32_t>(code)); });
      codes.emplace(std::move(symbols), centroids.size() + (tensor.sparse ? 1 : 0));
    }
  } else {
    size.huffman_weight_bits = size.weight_bits;
    for_entries(tensor.values.host<float>(), 0.0f,
                [&](float value) { append_raw(std::span<const float>(&value, 1), payload); });
  }
  if (tensor.sparse && size.entries > 0) {
    std::vector<uint32_t> symbols(relative.size());
    std::transform(relative.begin(), relative.end(), symbols.begin(),
                   [](auto& entry) { return entry.skipped; });
    indices.emplace(std::move(symbols), size_t{1} << index_bits);
  }
  return payload + encode_entries(indices, codes, size);
}

// The widths of index worth trying: below the mean gap most entries would need a filler, above the largest
// nothing changes.
std::pair<int, int> index_widths(const EspTensor& tensor, std::span<const int64_t> positions) {
  if (tensor.index_bits > 0) return {tensor.index_bits, tensor.index_bits};
  if (positions.empty()) return {1, 1};
  int64_t largest = positions.front();
  for (size_t i = 1; i < positions.size(); ++i)
    largest = std::max(largest, positions[i] - positions[i - 1] - 1);
  const int64_t mean = positions.back() / std::ssize(positions);
  const auto width = [](int64_t gap) { return static_cast<int>(std::bit_width(static_cast<uint64_t>(gap))); };
  return {std::clamp(width(mean) - 1, 1, kMaxIndexBits), std::clamp(width(largest), 1, kMaxIndexBits)};
}

std::string encode_tensor(const EspTensor& tensor, EspTensorSize& size) {
  check_tensor(tensor);
  size = describe(tensor);
  if (!tensor.sparse) return encode_payload(tensor, {}, 0, size);
  const std::vector<int64_t> positions = stored_positions(tensor);
  const auto [narrowest, widest] = index_widths(tensor, positions);
  std::string smallest;
  for (int width = narrowest; width <= widest; ++width) {
    EspTensorSize candidate_size = describe(tensor);
    std::string candidate = encode_payload(tensor, positions, width, candidate_size);
    if (width > narrowest && candidate.size() >= smallest.size()) continue;
    smallest = std::move(candidate);
    size = std::move(candidate_size);
  }
  return smallest;
}

}  // namespace

EspEncoded encode_esp(const EspFile& file) {
  check_names(file.tensors);
  EspEncoded result;
  result.sizes.resize(file.tensors.size());
  std::string sections;
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    const size_t before = sections.size();
    append_section(encode_tensor(file.tensors[i], result.sizes[i]), sections);
    result.sizes[i].section_bytes = static_cast<int64_t>(sections.size() - before);
  }
  result.bytes = kEspMagic;
  result.bytes += static_cast<char>(kEspVersion);
  append_section(encode_directory(file), result.bytes);
  result.bytes += sections;
  return result;
}

}  // namespace espalier::compression
