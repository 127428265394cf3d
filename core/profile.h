#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Where the time of a program goes. Scopes stand in the code for good: while nothing is recorded one costs a
// relaxed load; while something is, it is written down with its beginning and end. Scopes measure the host:
// on a device that works asynchronously the time in which work is handed over, unless something waits for it.
namespace espalier::profile {

struct Event {
  std::string_view category;   // "forward", "backward", "loss", …
  const std::string* name;     // of the operation
  const std::string* layer;    // null when it belongs to none
  int64_t begin = 0, end = 0;  // nanoseconds since start()
  int thread = 0;              // numbered from 0 in the order in which threads first recorded
};

struct Recording {
  std::vector<Event> events;  // in the order in which they ended
  int64_t dropped = 0;        // that ended after the buffer was full
};

constexpr size_t kCapacity = size_t{1} << 18;  // events; 14 MiB

// Records from now on, at most `capacity` events: the first ones to end. Throws Error while it records.
void start(size_t capacity = kCapacity);
// Throws Error unless it records. Scopes that are open now are left out.
Recording stop();

namespace internal {
inline std::atomic<bool> recording{false};
inline constinit thread_local const std::string* layer = nullptr;
// A copy of the name that lives as long as the program, the same for the same name.
const std::string* intern(std::string_view name);
int64_t now();
void record(const Event& event);
}  // namespace internal

inline bool on() {
  return internal::recording.load(std::memory_order_relaxed);
}

// The layer whose forward pass this thread is in, for what that records on the tape; null while nothing is
// recorded. Lives as long as the program.
inline const std::string* current_layer() {
  return internal::layer;
}

// Written down when it is destroyed. `category` must be a literal; `name` and `layer` are copied.
class Scope {
 public:
  Scope(std::string_view category, std::string_view name, const std::string* layer = nullptr) {
    if (on()) begin(category, name, layer);
  }
  ~Scope() {
    if (event_.name != nullptr) end();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  void begin(std::string_view category, std::string_view name, const std::string* layer);
  void end();
  Event event_{};
};

// A scope over a layer's forward pass: current_layer() is `layer` within.
class LayerScope {
 public:
  LayerScope(std::string_view category, std::string_view type, std::string_view layer)
      : before_(internal::layer), scope_(category, type, enter(layer)) {}
  ~LayerScope() { internal::layer = before_; }
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  static const std::string* enter(std::string_view layer) {
    return internal::layer = on() ? internal::intern(layer) : nullptr;
  }
  const std::string* before_;
  Scope scope_;
};

}  // namespace espalier::profile
