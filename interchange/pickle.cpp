#include "interchange/pickle.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

namespace espalier::interchange {

size_t item_size(StorageKind kind) {
  switch (kind) {
    case StorageKind::uint8:
      return 1;
    case StorageKind::float16:
    case StorageKind::bfloat16:
      return 2;
    case StorageKind::float32:
    case StorageKind::int32:
      return 4;
    default:
      return 8;
  }
}

namespace pickle {
namespace {

constexpr size_t kMaxValues = size_t{1} << 20;

struct StorageClass {
  std::string_view name;
  StorageKind kind;
};
constexpr StorageClass kStorageClasses[] = {
    {"FloatStorage", StorageKind::float32}, {"DoubleStorage", StorageKind::float64},
    {"HalfStorage", StorageKind::float16},  {"BFloat16Storage", StorageKind::bfloat16},
    {"ByteStorage", StorageKind::uint8},    {"IntStorage", StorageKind::int32},
    {"LongStorage", StorageKind::int64}};

const StorageClass* storage_class(std::string_view name) {
  const size_t dot = name.rfind('.');
  const std::string_view module = name.substr(0, dot);
  if (module != "torch" && module != "torch.cuda") return nullptr;
  const auto* row = std::ranges::find(kStorageClasses, name.substr(dot + 1), &StorageClass::name);
  return row == std::end(kStorageClasses) ? nullptr : row;
}

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kOldTensor = "torch._utils._rebuild_tensor";  // PyTorch 0.3
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";

class Machine {
 public:
  explicit Machine(ByteReader& reader) : reader_(reader) {}

  Unpickled run() {
    while (step()) continue;
    return std::move(result_);
  }

 private:
  // One opcode; false at the last.
  bool step() {
    const size_t at = reader_.position();
    const auto opcode = reader_.number<uint8_t>();
    switch (opcode) {
      case 0x80: {  // PROTO
        const auto protocol = reader_.number<uint8_t>();
        check(protocol == 2, "[pickle] protocol {}; expected 2, torch.save's", protocol);
        break;
      }
      case '.':
        result_.root = pop();
        return false;
      case 'N':
        push(None{});
        break;
      case 0x88:
        push(true);
        break;
      case 0x89:
        push(false);
        break;
      case 'J':
        push(int64_t{reader_.number<int32_t>()});
        break;
      case 'K':
        push(int64_t{reader_.number<uint8_t>()});
        break;
      case 'M':
        push(int64_t{reader_.number<uint16_t>()});
        break;
      case 0x8a:
        push(long_integer());
        break;
      case 'G':
        push(std::bit_cast<double>(__builtin_bswap64(reader_.number<uint64_t>())));
        break;
      case 'X':
      case 'T':
        push(std::string(reader_.text(reader_.number<uint32_t>())));
        break;
      case 'U':
        push(std::string(reader_.text(reader_.number<uint8_t>())));
        break;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 't':
        push(Sequence{pop_to_mark()});
        break;
      case ')':
      case ']':
        push(Sequence{});
        break;
      case 0x85:
      case 0x86:
      case 0x87:
        push(Sequence{pop_many(opcode - 0x84u)});
        break;
      case '}':
        push(Dictionary{});
        break;
      case 'a':
        append(pop_many(1));
        break;
      case 'e':
        append(pop_to_mark());
        break;
      case 's':
        set_items(pop_many(2));
        break;
      case 'u':
        set_items(pop_to_mark());
        break;
      case 'q':
        memo_[reader_.number<uint8_t>()] = top();
        break;
      case 'r':
        memo_[reader_.number<uint32_t>()] = top();
        break;
      case 'h':
        recall(reader_.number<uint8_t>());
        break;
      case 'j':
        recall(reader_.number<uint32_t>());
        break;
      case 'c':
        global();
        break;
      case 'Q':
        persistent();
        break;
      case 'R':
        reduce();
        break;
      case 'b':
        // State set on an object: torch.save puts version numbers on the dictionary of tensors, which say
        // nothing of the tensors.
        pop();
        check(result_.as<Dictionary>(top()), "[pickle] state is set on something that is not a dictionary");
        break;
      default:
        fail("[pickle] opcode 0x{:02x} at byte {} is not one that torch.save writes for tensors", opcode, at);
    }
    return true;
  }

  void push(Value value) {
    check(result_.values.size() < kMaxValues, "[pickle] more than {} values", kMaxValues);
    result_.values.push_back(std::move(value));
    push_ref(static_cast<Ref>(result_.values.size() - 1));
  }
  void push_ref(Ref ref) { stack_.push_back(ref); }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref top() const {
    check(stack_.size() > floor(), "[pickle] an opcode before byte {} finds the stack empty",
          reader_.position());
    return stack_.back();
  }
  Ref pop() {
    const Ref ref = top();
    stack_.pop_back();
    return ref;
  }
  std::vector<Ref> pop_many(size_t count) {
    check(stack_.size() - floor() >= count, "[pickle] an opcode before byte {} finds the stack empty",
          reader_.position());
    std::vector<Ref> refs(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return refs;
  }
  std::vector<Ref> pop_to_mark() {
    check(!marks_.empty(), "[pickle] an opcode before byte {} finds no mark", reader_.position());
    auto refs = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return refs;
  }

  void append(const std::vector<Ref>& items) {
    auto* list = std::get_if<Sequence>(&result_.values[top()]);
    check(list != nullptr, "[pickle] items are appended to something that is not a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Ref>& items) {
    auto* dictionary = std::get_if<Dictionary>(&result_.values[top()]);
    check(dictionary != nullptr && items.size() % 2 == 0,
          "[pickle] items are set on something that is not a dictionary");
    for (size_t i = 0; i < items.size(); i += 2) dictionary->items.emplace_back(items[i], items[i + 1]);
  }
  void recall(uint32_t slot) {
    const auto found = memo_.find(slot);
    check(found != memo_.end(), "[pickle] memo {} is read before it is written", slot);
    push_ref(found->second);
  }

  int64_t long_integer() {
    const auto bytes = reader_.take(reader_.number<uint8_t>());
    // torch.save's magic number has ten bytes; only its low eight are kept, which still tell it apart.
    uint64_t value = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0} ? ~uint64_t{0} : 0;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return static_cast<int64_t>(value);
  }

  void global() {
    std::string name(reader_.line());
    name += '.';
    name += reader_.line();
    check(name == kOrderedDict || name == kTensor || name == kOldTensor || name == kParameter ||
              storage_class(name),
          "[pickle] class '{}' is not one of a checkpoint of tensors; nothing else is loaded, and nothing is "
          "run",
          name);
    push(Global{std::move(name)});
  }

  template <typename T>
  const T& expect(Ref ref, std::string_view what) const {
    const T* value = result_.as<T>(ref);
    check(value != nullptr, "[pickle] {} is of another type than torch.save writes", what);
    return *value;
  }

  // ('storage', class, key, location, elements[, view])
  void persistent() {
    const auto& id = expect<Sequence>(pop(), "a persistent id").items;
    check(id.size() == 5 || id.size() == 6, "[pickle] a persistent id has {} parts; expected 5 or 6",
          id.size());
    check(expect<std::string>(id[0], "a persistent id") == "storage",
          "[pickle] a persistent id is not a storage");
    check(id.size() == 5 || result_.as<None>(id[5]),
          "[pickle] storages that are views of others are not read");
    const auto& name = expect<Global>(id[1], "a storage's class").name;
    const StorageClass* row = storage_class(name);
    check(row != nullptr, "[pickle] '{}' is not a class of storage", name);
    push(StorageRef{row->kind, expect<std::string>(id[2], "a storage's key"),
                    expect<int64_t>(id[4], "a storage's length")});
  }

  std::vector<int64_t> integers(Ref ref, std::string_view what) const {
    const auto& items = expect<Sequence>(ref, what).items;
    check(items.size() <= static_cast<size_t>(Shape::kMaxRank), "[pickle] {} has {} numbers; the limit is {}",
          what, items.size(), Shape::kMaxRank);
    std::vector<int64_t> result;
    for (const Ref item : items) result.push_back(expect<int64_t>(item, what));
    return result;
  }

  void reduce() {
    const Ref arguments = pop();
    const auto& items = expect<Sequence>(arguments, "a call's arguments").items;
    const std::string& name = expect<Global>(pop(), "what is called").name;
    if (name == kOrderedDict) {
      check(items.empty(), "[pickle] an OrderedDict is made with {} arguments; expected none", items.size());
      push(Dictionary{});
    } else if (name == kTensor || name == kOldTensor) {
      const bool complete = name == kOldTensor ? items.size() == 4 : items.size() == 6 || items.size() == 7;
      check(complete, "[pickle] '{}' has {} arguments; expected 4 without and 6 or 7 with _v2", name,
            items.size());
      expect<StorageRef>(items[0], "a tensor's storage");
      TensorRef tensor{items[0], expect<int64_t>(items[1], "a tensor's offset"),
                       integers(items[2], "a tensor's shape"), integers(items[3], "a tensor's strides")};
      check(tensor.extents.size() == tensor.strides.size(), "[pickle] a tensor of rank {} has {} strides",
            tensor.extents.size(), tensor.strides.size());
      push(std::move(tensor));
    } else if (name == kParameter) {
      check(items.size() == 3, "[pickle] a parameter has {} arguments; expected 3", items.size());
      expect<TensorRef>(items[0], "a parameter's tensor");
      push_ref(items[0]);
    } else {
      fail("[pickle] '{}' is called, which is not a function", name);
    }
  }

  ByteReader& reader_;
  Unpickled result_;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
};

}  // namespace

Unpickled unpickle(ByteReader& reader) {
  return Machine(reader).run();
}

}  // namespace pickle
}  // namespace espalier::interchange
