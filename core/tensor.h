#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"

namespace espalier {

class Backend;

// A contiguous, row-major array of one dtype on one device. A Tensor is a value: copying it shares the
// storage (reference-counted), clone() copies the elements. A default-constructed Tensor is empty: defined()
// is false.
class Tensor {
 public:
  Tensor() = default;
  // Uninitialised elements. Throws Error when the device has no backend or no memory.
  Tensor(Shape shape, DType dtype, Device device = Device::cpu);

  static Tensor zeros(Shape shape, DType dtype = DType::float32, Device device = Device::cpu);
  static Tensor full(Shape shape, double value, DType dtype = DType::float32, Device device = Device::cpu);
  // A tensor on `device` holding a copy of `values`. REQUIRES: values.size() == shape.numel().
  template <typename T>
  static Tensor from(std::span<const T> values, Shape shape, Device device = Device::cpu);
  template <typename T>
  static Tensor from(const std::vector<T>& values, Shape shape, Device device = Device::cpu) {
    return from(std::span<const T>(values), shape, device);
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * item_size(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const;
  Backend& backend() const;

  // The elements. REQUIRES: T is the dtype (throws Error otherwise). On Device::cuda this is a device pointer
  // that only the backend may follow.
  template <typename T>
  T* data() {
    check_access(DTypeOf<T>::value);
    return static_cast<T*>(raw());
  }
  template <typename T>
  const T* data() const {
    check_access(DTypeOf<T>::value);
    return static_cast<const T*>(raw());
  }
  void* raw();
  const void* raw() const;

  // The elements on the host, as a span (host devices only) and as a copy (any device).
  template <typename T>
  std::span<T> host() {
    check_host();
    return {data<T>(), static_cast<size_t>(numel())};
  }
  template <typename T>
  std::span<const T> host() const {
    check_host();
    return {data<T>(), static_cast<size_t>(numel())};
  }
  template <typename T>
  std::vector<T> to_vector() const;
  // The one element as a double, whatever the dtype. REQUIRES: numel() == 1.
  double item() const;

  Tensor clone() const;
  // This tensor when it is already there, otherwise a copy on `device`.
  Tensor to(Device device) const;
  // The same storage under another shape. Throws Error unless the element counts agree.
  Tensor reshape(Shape shape) const;
  void fill(double value);
  // Copies the elements of `source`, which may be on another device. Throws Error unless shape and dtype
  // agree.
  void copy_from(const Tensor& source);

  // What is made from the elements and costs more than to use it: a backend's packed weights, say. It is kept
  // from the second request on that finds the elements as they were, until a pointer to change them is asked
  // for; a pointer asked for before must not change them afterwards. `kind` tells one thing made from
  // another.
  template <typename T, typename Make>
  std::shared_ptr<const T> derived(int kind, Make make) const {
    std::shared_ptr<const void> kept = find_derived(kind);
    if (kept == nullptr) {
      kept = std::make_shared<const T>(make());
      keep_derived(kind, kept, false);
    }
    return std::static_pointer_cast<const T>(kept);
  }
  // Keeps what came out beside the elements, for the first request to find.
  template <typename T>
  void set_derived(int kind, T value) const {
    keep_derived(kind, std::make_shared<const T>(std::move(value)), true);
  }

  // Identity of the storage, for tests and for sharing decisions.
  bool shares_storage_with(const Tensor& other) const { return storage_ == other.storage_; }

 private:
  struct Storage;
  void check_access(DType wanted) const;
  void check_host() const;
  std::shared_ptr<const void> find_derived(int kind) const;
  void keep_derived(int kind, std::shared_ptr<const void> value, bool at_once) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  DType dtype_ = DType::float32;
};

}  // namespace espalier
