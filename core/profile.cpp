#include "core/profile.h"

#include <chrono>
#include <mutex>
#include <set>
#include <utility>

#include "core/error.h"

namespace espalier::profile {
namespace {

struct Recorder {
  std::mutex mutex;  // over all below
  Recording recording;
  size_t capacity = 0;
  int64_t started = 0;
  int threads = 0;
  std::set<std::string, std::less<>> names;  // never emptied: events and the tape point into it
};

Recorder& recorder() {
  static Recorder* const kRecorder = new Recorder;  // outlives the scopes of static objects
  return *kRecorder;
}

constinit thread_local int thread_number = -1;

}  // namespace

namespace internal {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

const std::string* intern(std::string_view name) {
  Recorder& all = recorder();
  const std::lock_guard lock(all.mutex);
  const auto found = all.names.find(name);
  return &*(found != all.names.end() ? found : all.names.emplace(name).first);
}

void record(const Event& event) {
  Recorder& all = recorder();
  const std::lock_guard lock(all.mutex);
  // A scope may outlive the recording in which it began.
  if (!on() || event.begin < all.started) return;
  if (all.recording.events.size() == all.capacity) {
    ++all.recording.dropped;
    return;
  }
  if (thread_number < 0) thread_number = all.threads++;
  Event& written = all.recording.events.emplace_back(event);
  written.begin -= all.started;
  written.end -= all.started;
  written.thread = thread_number;
}

}  // namespace internal

void start(size_t capacity) {
  Recorder& all = recorder();
  const std::lock_guard lock(all.mutex);
  check(!on(), "[profile] start() while it records already");
  all.recording = {};
  all.recording.events.reserve(capacity);
  all.capacity = capacity;
  all.started = internal::now();
  internal::recording = true;
}

Recording stop() {
  Recorder& all = recorder();
  const std::lock_guard lock(all.mutex);
  check(on(), "[profile] stop() without start()");
  internal::recording = false;
  return std::exchange(all.recording, {});
}

void Scope::begin(std::string_view category, std::string_view name, const std::string* layer) {
  event_ = {.category = category, .name = internal::intern(name), .layer = layer, .begin = internal::now()};
}

void Scope::end() {
  event_.end = internal::now();
  internal::record(event_);
}

}  // namespace espalier::profile
