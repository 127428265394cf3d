#include "tests/cuda_emulator/stream.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <random>

#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/objects.h"
#include "tests/cuda_emulator/runtime.h"

namespace espalier::cuda_emulator {
namespace {

Objects<Stream, cudaStream_t> streams("stream", cudaErrorInvalidResourceHandle);
Objects<Event, cudaEvent_t> events("event", cudaErrorInvalidResourceHandle);
std::shared_ptr<Stream> null_stream = std::make_shared<Stream>();
uint64_t numbers = 0;
cudaError_t sticky = cudaSuccess;
bool running_late = true;
std::minstd_rand draws;

void run_work(const Work& work) {
  if (sticky != cudaSuccess) return;
  try {
    run_guarded(work.run);
  } catch (const Misuse& misuse) {
    report_fault(fmt::format("[{}] {}", work.name, misuse.what()));
    sticky = static_cast<cudaError_t>(misuse.status);
  }
}

void advance(const Point& point) {
  Stream& stream = *point.stream;
  while (stream.finished < point.number) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    for (const Point& before : work.after) advance(before);
    run_work(work);
    stream.finished = work.number;
  }
}

// Sometimes lets a stream go ahead.
void run_early() {
  std::vector<std::shared_ptr<Stream>> pending;
  if (!null_stream->queue.empty()) pending.push_back(null_stream);
  for (const auto& [handle, stream] : streams)
    if (!stream->queue.empty()) pending.push_back(stream);
  if (pending.empty() || draws() % 2 == 0) return;
  std::sort(pending.begin(), pending.end(),
            [](const auto& a, const auto& b) { return a->queue.front().number < b->queue.front().number; });
  const auto& stream = pending[draws() % pending.size()];
  run_until({stream, stream->queue.front().number});
}

void record(Event& event, cudaStream_t stream) {
  event.capture = stream_at(stream, cudaErrorInvalidResourceHandle)->capture;
  auto time = std::make_shared<std::chrono::steady_clock::time_point>();
  event.time = time;
  event.recorded = enqueue(stream, "cudaEventRecord", [time] { *time = std::chrono::steady_clock::now(); });
}

bool finished(const Point& point) {
  return !point.stream || point.stream->finished >= point.number;
}

void synchronize(const Point& point) {
  if (!finished(point)) run_until(point);
}

void require_not_captured(const Event& event) {
  require(event.capture == nullptr, cudaErrorCapturedEvent,
          "the event was last recorded in a captured stream");
}

}  // namespace

std::shared_ptr<Stream> stream_at(cudaStream_t handle, int invalid) {
  if (handle == nullptr || handle == cudaStreamLegacy) return null_stream;
  try {
    return streams.at(handle);
  } catch (const Misuse& misuse) {
    throw Misuse(invalid, misuse.what());
  }
}

Point enqueue(cudaStream_t handle, std::string name, std::function<void()> run) {
  const auto stream = stream_at(handle, cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture->work.emplace_back(std::move(name), std::move(run));
    return {};
  }
  Work work{++numbers, std::move(stream->awaited), std::move(name), std::move(run)};
  stream->awaited.clear();
  if (stream == null_stream) {
    for (const auto& [other_handle, other] : streams)
      if (other->blocking) work.after.push_back({other, other->last});
  } else if (stream->blocking) {
    work.after.push_back({null_stream, null_stream->last});
  }
  std::erase_if(work.after, finished);
  stream->last = work.number;
  stream->queue.push_back(std::move(work));
  const Point point{stream, numbers};
  if (!running_late) run_early();
  return point;
}

void run_until(const Point& point) {
  require(point.stream != nullptr, cudaErrorStreamCaptureUnsupported, "waits for work that is only captured");
  const DeviceAccess access;
  advance(point);
}

void run_everything() {
  synchronize({null_stream, null_stream->last});
  for (const auto& [handle, stream] : streams) synchronize({stream, stream->last});
}

void require_no_capture(Stream& stream) {
  if (stream.capture == nullptr) return;
  stream.capture->valid = false;
  throw Misuse(cudaErrorStreamCaptureUnsupported, "not while the stream is captured");
}

cudaError_t sticky_error() {
  return sticky;
}

void seed_streams(uint64_t seed, bool late) {
  draws.seed(static_cast<std::minstd_rand::result_type>(seed));
  running_late = late;
}

size_t live_streams() {
  return streams.size();
}
size_t live_events() {
  return events.size();
}

void forget_streams() {
  streams.clear();
  events.clear();
  null_stream = std::make_shared<Stream>();
  sticky = cudaSuccess;
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return runtime_call("cudaStreamCreateWithFlags", [&] {
    require(flags == cudaStreamDefault || flags == cudaStreamNonBlocking, cudaErrorInvalidValue, "flags {}",
            flags);
    auto object = std::make_shared<Stream>();
    object->blocking = flags == cudaStreamDefault;
    *stream = streams.create(std::move(object));
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

// What is queued still runs.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return runtime_call("cudaStreamDestroy", [&] {
    const auto object = streams.at(stream);
    synchronize({object, object->last});
    streams.destroy(stream);
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return runtime_call("cudaStreamSynchronize", [&] {
    const auto object = stream_at(stream, cudaErrorInvalidResourceHandle);
    require_no_capture(*object);
    for (const Point& point : object->awaited) synchronize(point);
    synchronize({object, object->last});
  });
}

// Whoever polls makes progress: the answer is "not ready" once, and the work runs.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return runtime_call("cudaStreamQuery", [&] {
    const auto object = stream_at(stream, cudaErrorInvalidResourceHandle);
    require_no_capture(*object);
    const Point point{object, object->last};
    if (finished(point)) return;
    run_until(point);
    throw Refusal{cudaErrorNotReady};
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return runtime_call("cudaStreamWaitEvent", [&] {
    require(flags == 0, cudaErrorInvalidValue, "flags {}; 0 was due", flags);
    const auto object = stream_at(stream, cudaErrorInvalidResourceHandle);
    require(object->capture == events.at(event)->capture, cudaErrorStreamCaptureIsolation,
            "one of the stream and the event is captured, or each elsewhere");
    if (object->capture != nullptr) return;
    const Point& point = events.at(event)->recorded;
    if (!finished(point)) object->awaited.push_back(point);
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return runtime_call("cudaEventCreateWithFlags", [&] {
    auto object = std::make_shared<Event>();
    object->timed = !(flags & cudaEventDisableTiming);
    *event = events.create(std::move(object));
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return runtime_call("cudaEventRecord", [&] { record(*events.at(event), stream); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return runtime_call("cudaEventSynchronize", [&] {
    require_not_captured(*events.at(event));
    synchronize(events.at(event)->recorded);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return runtime_call("cudaEventQuery", [&] {
    require_not_captured(*events.at(event));
    const Point point = events.at(event)->recorded;
    if (finished(point)) return;
    run_until(point);
    throw Refusal{cudaErrorNotReady};
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return runtime_call("cudaEventDestroy", [&] { events.destroy(event); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return runtime_call("cudaEventElapsedTime", [&] {
    const auto first = events.at(start), second = events.at(end);
    require(first->timed && second->timed, cudaErrorInvalidResourceHandle,
            "an event was created with cudaEventDisableTiming");
    require(first->time && second->time, cudaErrorInvalidResourceHandle, "an event was never recorded");
    if (!finished(first->recorded) || !finished(second->recorded)) throw Refusal{cudaErrorNotReady};
    *milliseconds = std::chrono::duration<float, std::milli>(*second->time - *first->time).count();
  });
}

cudaError_t cudaDeviceSynchronize() {
  return runtime_call("cudaDeviceSynchronize", [] {
    for (const auto& [handle, stream] : streams) require_no_capture(*stream);
    run_everything();
  });
}
