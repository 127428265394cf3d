#include "datasets/packed.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "datasets/image.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325;
};

void add_tensors(TensorFile& file, const std::string& part, const MemoryImages& images) {
  const auto count = static_cast<int64_t>(images.labels.size());
  const Shape& shape = images.image_shape;
  file.tensors[part + ".images"] = Tensor::from(images.pixels, {count, shape[0], shape[1], shape[2]});
  file.tensors[part + ".labels"] = Tensor::from(images.labels, {count});
}

Tensor take(TensorFile& file, const std::string& name, DType dtype, int rank, const std::string& origin) {
  const auto found = file.tensors.find(name);
  check(found != file.tensors.end(), "[packed] {}: no tensor '{}'", origin, name);
  Tensor tensor = std::move(found->second);
  file.tensors.erase(found);
  check(tensor.dtype() == dtype && tensor.shape().rank() == rank,
        "[packed] {}: '{}' is {} of shape {}; expected {} of rank {}", origin, name,
        espalier::name(tensor.dtype()), tensor.shape().to_string(), espalier::name(dtype), rank);
  return tensor;
}

MemoryImages take_images(TensorFile& file, const std::string& part, size_t classes,
                         const std::string& origin) {
  MemoryImages images;
  images.classes = static_cast<int>(classes);
  images.labels = take(file, part + ".labels", DType::int32, 1, origin).to_vector<int32_t>();
  const Tensor pixels = take(file, part + ".images", DType::uint8, 4, origin);
  const Shape& shape = pixels.shape();
  check(shape.numel() > 0 && shape[3] == kChannels && shape[0] == static_cast<int64_t>(images.labels.size()),
        "[packed] {}: {} images of shape {} and {} labels; expected (N, H, W, 3) and N", origin, part,
        shape.to_string(), images.labels.size());
  for (const int32_t label : images.labels)
    check(label >= 0 && label < images.classes, "[packed] {}: label {} among {}; expected 0 to {}", origin,
          label, part, images.classes - 1);
  images.image_shape = {shape[1], shape[2], shape[3]};
  images.pixels = pixels.to_vector<uint8_t>();
  return images;
}

}  // namespace

std::string fingerprint(const ImageFolders& folders) {
  Hash hash;
  const auto add = [&](const ImageFolder& folder, const std::string& part) {
    for (const auto& [path, label] : folder.images) {
      std::error_code vanished;  // a size that no file has
      const uint64_t size = fs::file_size(path, vanished);
      const auto written = fs::last_write_time(path, vanished).time_since_epoch();
      hash.add(fmt::format("{}/{}/{}\n{}\n{}\n", part, folder.classes[static_cast<size_t>(label)],
                           path.filename().string(), size, written.count()));
    }
  };
  add(folders.train, "train");
  add(folders.test, folders.test_name);
  return fmt::format("{:016x}", hash.value());
}

PackedImages pack(const ImageFolders& folders, bool strict) {
  PackedImages result{.classes = folders.train.classes};
  result.fingerprint = fingerprint(folders);
  result.train = decode_images(folders.train, strict, result.notes);
  result.test = decode_images(folders.test, strict, result.notes);
  check(result.train.image_shape == result.test.image_shape,
        "[images] {}: training images of shape {} and test images of shape {}", folders.root.string(),
        result.train.image_shape.to_string(), result.test.image_shape.to_string());
  return result;
}

void write_packed(const fs::path& path, const PackedImages& images) {
  TensorFile file;
  add_tensors(file, "train", images.train);
  add_tensors(file, "test", images.test);
  file.metadata = {{"format", kPackedFormat},
                   {"fingerprint", images.fingerprint},
                   {"classes", fmt::format("{}", fmt::join(images.classes, "/"))},
                   {"notes", fmt::format("{}", fmt::join(images.notes, "\n"))}};
  write_safetensors(path, file);
}

PackedImages decode_packed(std::span<const std::byte> bytes, const std::string& origin) {
  TensorFile file = decode_safetensors(bytes, origin);
  for (const char* key : {"format", "fingerprint", "classes", "notes"})
    check(file.metadata.contains(key), "[packed] {}: no metadata '{}'", origin, key);
  check(file.metadata["format"] == kPackedFormat, "[packed] {}: the format is '{}'; expected '{}'", origin,
        file.metadata["format"], kPackedFormat);
  PackedImages result{.classes = split_text(file.metadata["classes"], '/'),
                      .notes = split_text(file.metadata["notes"], '\n'),
                      .fingerprint = file.metadata["fingerprint"]};
  result.train = take_images(file, "train", result.classes.size(), origin);
  result.test = take_images(file, "test", result.classes.size(), origin);
  check(result.train.image_shape == result.test.image_shape,
        "[packed] {}: training images of shape {} and test images of shape {}", origin,
        result.train.image_shape.to_string(), result.test.image_shape.to_string());
  check(file.tensors.empty(), "[packed] {}: there is also a tensor '{}'", origin,
        file.tensors.empty() ? "" : file.tensors.begin()->first);
  return result;
}

PackedImages read_packed(const fs::path& path) {
  return decode_packed(read_file(path), path.string());
}

}  // namespace espalier::datasets
