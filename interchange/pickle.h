#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/shape.h"
#include "interchange/byte_reader.h"

namespace espalier::interchange {

// What PyTorch stores numbers as; half and bfloat16 become float32 when they are read.
enum class StorageKind : uint8_t { float32, float64, float16, bfloat16, uint8, int32, int64 };
size_t item_size(StorageKind kind);

namespace pickle {

// Values live in Unpickled::values and refer to one another by index, so that nesting, however deep, costs no
// recursion.
using Ref = uint32_t;
struct None {};
struct Sequence {
  std::vector<Ref> items;
};  // a tuple or a list
struct Dictionary {
  std::vector<std::pair<Ref, Ref>> items;
};
struct Global {
  std::string name;
};  // a class or function by name; never looked up
struct StorageRef {
  StorageKind kind = StorageKind::float32;
  std::string key;
  int64_t elements = 0;
};
// A view: element (i, j, …) is storage[offset + i·strides[0] + j·strides[1] + …].
struct TensorRef {
  Ref storage = 0;
  int64_t offset = 0;
  std::vector<int64_t> extents, strides;
};
using Value = std::variant<None, bool, int64_t, double, std::string, Sequence, Dictionary, Global, StorageRef,
                           TensorRef>;

struct Unpickled {
  std::deque<Value> values;
  Ref root = 0;

  template <typename T>
  const T* as(Ref ref) const {
    return std::get_if<T>(&values[ref]);
  }
};

// Reads one pickle as torch.save writes it: protocol 2, the types above, the functions that rebuild tensors,
// parameters and ordered dictionaries. Executes nothing. Any other opcode or class is an Error that names it;
// so is a pickle of more than 2^20 values.
Unpickled unpickle(ByteReader& reader);

}  // namespace pickle
}  // namespace espalier::interchange
