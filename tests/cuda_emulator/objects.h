#pragma once

#include <map>
#include <memory>

#include "tests/cuda_emulator/call.h"

namespace espalier::cuda_emulator {

// The live handles or descriptors of one kind. A handle is known by its address alone, so that one that was
// destroyed, or never made, is reported and not followed.
template <typename T, typename Handle>
class Objects {
 public:
  Objects(const char* name, int invalid) : name_(name), invalid_(invalid) {}

  Handle create(std::shared_ptr<T> object = std::make_shared<T>()) {
    const auto handle = reinterpret_cast<Handle>(object.get());
    live_[handle] = std::move(object);
    return handle;
  }
  const std::shared_ptr<T>& at(Handle handle) const {
    const auto found = live_.find(handle);
    require(found != live_.end(), invalid_, "{} {} was never created, or is destroyed already", name_,
            static_cast<const void*>(handle));
    return found->second;
  }
  void destroy(Handle handle) {
    at(handle);
    live_.erase(handle);
  }
  size_t size() const { return live_.size(); }
  void clear() { live_.clear(); }
  auto begin() const { return live_.begin(); }
  auto end() const { return live_.end(); }

 private:
  const char* name_;
  int invalid_;
  std::map<Handle, std::shared_ptr<T>> live_;
};

}  // namespace espalier::cuda_emulator
