#include <algorithm>
#include <functional>

#include "interchange/formats.h"

namespace espalier::interchange {
namespace {

using pickle::Dictionary;
using pickle::Unpickled;

constexpr std::string_view kLegacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr int64_t kLegacyProtocol = 1001;
// Keys under which training scripts keep the network's tensors.
constexpr std::string_view kNested[] = {"state_dict", "model_state_dict", "model", "net"};
// Tensors may share a storage, but not to the point where a small file makes a large model.
constexpr int64_t kMaxSharing = 4;

bool has_tensors(const Unpickled& unpickled, const Dictionary& dictionary) {
  return std::ranges::any_of(dictionary.items, [&](const auto& item) {
    return unpickled.as<std::string>(item.first) && unpickled.as<pickle::TensorRef>(item.second);
  });
}

std::string key_text(const Unpickled& unpickled, pickle::Ref key) {
  const auto* text = unpickled.as<std::string>(key);
  return text ? *text : "(a key that is not a text)";
}

// The dictionary of tensors: under a name of kNested, or else the root.
const Dictionary& find_tensors(const Unpickled& unpickled, std::vector<std::string>& ignored) {
  const auto* root = unpickled.as<Dictionary>(unpickled.root);
  check(root != nullptr, "[torch] the checkpoint is not a dictionary; save the model's state_dict()");
  const Dictionary* found = nullptr;
  for (const auto& [key, value] : root->items) {
    const auto* nested = unpickled.as<Dictionary>(value);
    const bool wanted = nested && std::ranges::count(kNested, key_text(unpickled, key)) != 0 &&
                        has_tensors(unpickled, *nested);
    if (wanted && found == nullptr) {
      found = nested;
    } else {
      ignored.push_back(key_text(unpickled, key));
    }
  }
  if (found) return *found;
  check(has_tensors(unpickled, *root), "[torch] no tensors at the top or under one of {}; the keys are {}",
        fmt::join(kNested, ", "), fmt::join(ignored, ", "));
  ignored.clear();
  return *root;
}

using Storages = std::map<std::string, std::span<const std::byte>>;

Checkpoint assemble(const Unpickled& unpickled, const Storages& storages) {
  Checkpoint result;
  const Dictionary& dictionary = find_tensors(unpickled, result.ignored);
  int64_t allowed = 0;
  for (const auto& [key, bytes] : storages) allowed += kMaxSharing * static_cast<int64_t>(bytes.size());
  for (const auto& [key, value] : dictionary.items) {
    const std::string name = key_text(unpickled, key);
    const auto* tensor = unpickled.as<pickle::TensorRef>(value);
    if (tensor == nullptr) {
      result.ignored.push_back(name);
      continue;
    }
    const auto& storage = std::get<pickle::StorageRef>(unpickled.values[tensor->storage]);
    const auto bytes = storages.find(storage.key);
    check(bytes != storages.end(), "[torch] tensor '{}' lies in storage '{}', which is not in the file", name,
          storage.key);
    try {
      const Shape shape(tensor->extents);
      allowed -= std::min<int64_t>(shape.numel(), INT32_MAX) * static_cast<int64_t>(item_size(storage.kind));
      check(allowed >= 0, "together the tensors are more than {} times as large as their storages",
            kMaxSharing);
      check(
          result.tensors
              .emplace(name, gather_view(bytes->second, storage.kind, tensor->offset, shape, tensor->strides))
              .second,
          "the name comes twice");
    } catch (const Error& error) {
      fail("[torch] tensor '{}': {}", name, error.what());
    }
  }
  return result;
}

void collect_storages(const Unpickled& unpickled,
                      const std::function<void(const pickle::StorageRef&)>& visit) {
  for (const pickle::Value& value : unpickled.values)
    if (const auto* storage = std::get_if<pickle::StorageRef>(&value)) visit(*storage);
}

}  // namespace

Checkpoint decode_torch_zip(const ZipArchive& archive, const std::string& pickle_name) {
  const auto contents = archive.read(pickle_name);
  ByteReader reader(contents);
  const Unpickled unpickled = pickle::unpickle(reader);
  const std::string folder = pickle_name.substr(0, pickle_name.rfind('/') + 1);
  if (const std::string order = folder + "byteorder"; archive.contains(order)) {
    const auto text = archive.read(order);
    check(ByteReader(text).text(text.size()) == "little", "[torch] the numbers are not little-endian");
  }
  std::map<std::string, std::vector<std::byte>> owned;
  collect_storages(unpickled, [&](const pickle::StorageRef& storage) {
    if (!owned.contains(storage.key)) owned[storage.key] = archive.read(folder + "data/" + storage.key);
  });
  return assemble(unpickled, {owned.begin(), owned.end()});
}

bool is_torch_legacy(std::span<const std::byte> bytes) {
  return bytes.size() >= kLegacyMagic.size() &&
         std::memcmp(bytes.data(), kLegacyMagic.data(), kLegacyMagic.size()) == 0;
}

// Five pickles (magic number, protocol, sizes of C types, the checkpoint, the storages' keys), then for each
// key its length in elements and its bytes.
Checkpoint decode_torch_legacy(std::span<const std::byte> bytes) {
  ByteReader reader(bytes, kLegacyMagic.size());
  const Unpickled protocol = pickle::unpickle(reader);
  const auto* number = protocol.as<int64_t>(protocol.root);
  check(number && *number == kLegacyProtocol, "[torch] the legacy protocol is not {}", kLegacyProtocol);
  const Unpickled system = pickle::unpickle(reader);
  if (const auto* facts = system.as<Dictionary>(system.root))
    for (const auto& [key, value] : facts->items)
      if (const auto* little = system.as<bool>(value); little && key_text(system, key) == "little_endian")
        check(*little, "[torch] the numbers are not little-endian");
  const Unpickled unpickled = pickle::unpickle(reader);
  const Unpickled order = pickle::unpickle(reader);
  const auto* keys = order.as<pickle::Sequence>(order.root);
  check(keys != nullptr, "[torch] the list of storages is damaged");

  std::map<std::string, const pickle::StorageRef*> known;
  collect_storages(unpickled, [&](const pickle::StorageRef& storage) { known[storage.key] = &storage; });
  Storages storages;
  for (const pickle::Ref ref : keys->items) {
    const std::string key = key_text(order, ref);
    const auto storage = known.find(key);
    check(storage != known.end(), "[torch] no tensor lies in storage '{}'", key);
    const auto elements = reader.number<int64_t>();
    check(elements == storage->second->elements,
          "[torch] storage '{}' has {} elements; its tensors expect {}", key, elements,
          storage->second->elements);
    const size_t size = item_size(storage->second->kind);
    check(elements >= 0 && static_cast<uint64_t>(elements) <= reader.left() / size,
          "[torch] storage '{}' claims {} elements of {} bytes; {} bytes are left", key, elements, size,
          reader.left());
    check(storages.emplace(key, reader.take(static_cast<size_t>(elements) * size)).second,
          "[torch] storage '{}' comes twice", key);
  }
  check(reader.left() == 0, "[torch] {} bytes follow the last storage", reader.left());
  return assemble(unpickled, storages);
}

}  // namespace espalier::interchange
