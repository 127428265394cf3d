#include "core/tensor.h"

#include <atomic>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#include "core/backend.h"

namespace espalier {

struct Tensor::Storage {
  Storage(Backend& owner, size_t size) : backend(owner), bytes(size), pointer(owner.allocate(size)) {}
  ~Storage() { backend.deallocate(pointer, bytes); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Backend& backend;
  size_t bytes;
  void* pointer;

  // A request for something derived: of which elements, and what came of it when that was asked for again.
  struct Derived {
    int kind;
    Shape shape;
    uint64_t version;
    std::shared_ptr<const void> value;
  };
  std::atomic<uint64_t> version = 0;  // counts the requests for a pointer to change the elements
  std::mutex mutex;                   // of `derived`
  std::vector<Derived> derived;
};

namespace {

bool on_host(Device device) {
  return device != Device::cuda;
}

}  // namespace

Tensor::Tensor(Shape shape, DType dtype, Device device) : shape_(shape), dtype_(dtype) {
  const size_t limit = std::numeric_limits<int64_t>::max() / item_size(dtype);
  check(static_cast<size_t>(shape.numel()) <= limit, "[tensor] {} of {} has more bytes than 63 bits count",
        shape.to_string(), name(dtype));
  storage_ = std::make_shared<Storage>(espalier::backend(device), bytes());
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  return full(shape, 0.0, dtype, device);
}

Tensor Tensor::full(Shape shape, double value, DType dtype, Device device) {
  Tensor result(shape, dtype, device);
  result.fill(value);
  return result;
}

template <typename T>
Tensor Tensor::from(std::span<const T> values, Shape shape, Device device) {
  check(values.size() == static_cast<size_t>(shape.numel()),
        "[tensor] {} values came for the shape {}, which has {}", values.size(), shape.to_string(),
        shape.numel());
  Tensor result(shape, DTypeOf<T>::value, device);
  if (!values.empty()) result.backend().copy_from_host(result.raw(), values.data(), result.bytes());
  return result;
}

Backend& Tensor::backend() const {
  check(defined(), "[tensor] an undefined tensor has no backend");
  return storage_->backend;
}

Device Tensor::device() const {
  return backend().device();
}

void* Tensor::raw() {
  check(defined(), "[tensor] an undefined tensor has no elements");
  storage_->version.fetch_add(1, std::memory_order_relaxed);
  return storage_->pointer;
}

std::shared_ptr<const void> Tensor::find_derived(int kind) const {
  const std::lock_guard lock(storage_->mutex);
  for (const Storage::Derived& each : storage_->derived)
    if (each.kind == kind && each.shape == shape_ && each.version == storage_->version) return each.value;
  return nullptr;
}

void Tensor::keep_derived(int kind, std::shared_ptr<const void> value, bool at_once) const {
  const std::lock_guard lock(storage_->mutex);
  const uint64_t version = storage_->version;
  for (Storage::Derived& each : storage_->derived) {
    if (each.kind != kind || !(each.shape == shape_)) continue;
    each.value = at_once || each.version == version ? std::move(value) : nullptr;
    each.version = version;
    return;
  }
  storage_->derived.push_back({kind, shape_, version, at_once ? std::move(value) : nullptr});
}

const void* Tensor::raw() const {
  check(defined(), "[tensor] an undefined tensor has no elements");
  return storage_->pointer;
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  check_access(DTypeOf<T>::value);
  std::vector<T> result(static_cast<size_t>(numel()));
  if (!result.empty()) backend().copy_to_host(result.data(), raw(), bytes());
  return result;
}

double Tensor::item() const {
  check(defined() && numel() == 1, "[item] a tensor of one element is due, {} came",
        defined() ? shape_.to_string() : "an undefined tensor");
  alignas(8) std::byte element[8];
  backend().copy_to_host(element, raw(), bytes());
  const auto read = [&]<typename T>(T value) {
    std::memcpy(&value, element, sizeof value);
    return static_cast<double>(value);
  };
  switch (dtype_) {
    case DType::float32:
      return read(float{});
    case DType::float64:
      return read(double{});
    case DType::uint8:
      return read(uint8_t{});
    case DType::int32:
      return read(int32_t{});
    case DType::int64:
      return read(int64_t{});
  }
  fail("[item] unknown dtype {}", static_cast<int>(dtype_));
}

Tensor Tensor::clone() const {
  Tensor result(shape_, dtype_, device());
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(Device target) const {
  if (target == device()) return *this;
  Tensor result(shape_, dtype_, target);
  result.copy_from(*this);
  return result;
}

Tensor Tensor::reshape(Shape shape) const {
  check(defined(), "[reshape] the tensor is undefined");
  check(shape.numel() == numel(), "[reshape] {} has {} elements, {} has {}", shape_.to_string(), numel(),
        shape.to_string(), shape.numel());
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

void Tensor::fill(double value) {
  backend().fill(*this, value);
}

void Tensor::copy_from(const Tensor& source) {
  check(defined() && source.defined(), "[copy_from] the {} is undefined",
        defined() ? "source" : "destination");
  check(shape_ == source.shape_ && dtype_ == source.dtype_, "[copy_from] {} {} came, {} {} is due",
        name(source.dtype_), source.shape_.to_string(), name(dtype_), shape_.to_string());
  if (storage_ == source.storage_ || bytes() == 0) return;
  if (on_host(source.device()))
    backend().copy_from_host(raw(), source.raw(), bytes());
  else if (on_host(device()))
    source.backend().copy_to_host(raw(), source.raw(), bytes());
  else
    backend().copy(raw(), source.raw(), bytes());
}

void Tensor::check_access(DType wanted) const {
  check(defined(), "[tensor] an undefined tensor has no elements");
  check(dtype_ == wanted, "[tensor] elements of {} are read as {}", name(dtype_), name(wanted));
}

void Tensor::check_host() const {
  check(on_host(device()), "[tensor] the elements are on {}; copy them with to_vector() or to(Device::cpu)",
        name(device()));
}

template Tensor Tensor::from(std::span<const float>, Shape, Device);
template Tensor Tensor::from(std::span<const double>, Shape, Device);
template Tensor Tensor::from(std::span<const uint8_t>, Shape, Device);
template Tensor Tensor::from(std::span<const int32_t>, Shape, Device);
template Tensor Tensor::from(std::span<const int64_t>, Shape, Device);
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;
template std::vector<int32_t> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;

}  // namespace espalier
