#pragma once

#include <driver_types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Streams, events and graphs. Work is queued, and runs when the host waits for something that needs it:
// stream order, events and the legacy null stream's rule (it waits for every blocking stream, and they for
// it) decide what that is, and nothing else runs.
namespace espalier::cuda_emulator {

struct Stream;

// Somewhere in a stream's queue: passed once the work of this number has run.
struct Point {
  std::shared_ptr<Stream> stream;
  uint64_t number = 0;
};

struct Work {
  uint64_t number;
  std::vector<Point> after;
  std::string name;
  std::function<void()> run;
};

// Work that was captured from a stream, in order.
struct Graph {
  std::vector<std::pair<std::string, std::function<void()>>> work;
  bool valid = true;  // nothing forbidden was done while it was captured
};

struct Stream {
  bool blocking = true;
  std::shared_ptr<Graph> capture;  // where its work goes meanwhile, instead of into the queue
  std::deque<Work> queue;
  std::vector<Point> awaited;  // by the next work
  uint64_t last = 0;           // queued
  uint64_t finished = 0;
};

struct Event {
  bool timed = true;
  std::shared_ptr<Graph> capture;  // in which it was last recorded
  Point recorded;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;  // of the last record
};

// Queues work on a stream. A Misuse that it throws is reported with its name, and ends all further work:
// every call of the runtime then returns sticky_error(), until reset(). Where the stream is captured the work
// goes to the graph, and the point is nowhere: run_until() throws Misuse.
Point enqueue(cudaStream_t stream, std::string name, std::function<void()> run);
void run_until(const Point& point);
// Throws Misuse, and makes the graph invalid, where the stream is captured.
void require_no_capture(Stream& stream);
void run_everything();
// The live stream of a handle, or the null stream; throws Misuse(invalid) where there is none.
std::shared_ptr<Stream> stream_at(cudaStream_t handle, int invalid);

cudaError_t sticky_error();
void seed_streams(uint64_t seed, bool late);
size_t live_streams();
size_t live_events();
void forget_streams();

size_t live_graphs();  // executable ones included
void forget_graphs();

}  // namespace espalier::cuda_emulator
