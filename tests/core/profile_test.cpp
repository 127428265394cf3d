#include "core/profile.h"

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include "core/ops.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"

using namespace espalier;

namespace {

const profile::Event& event_named(const profile::Recording& recording, std::string_view name) {
  const auto found =
      std::ranges::find_if(recording.events, [&](const profile::Event& each) { return *each.name == name; });
  REQUIRE(found != recording.events.end());
  return *found;
}

void nested() {
  const profile::Scope outer("test", "outer");
  const profile::LayerScope layer("test", "inner", "conv1");
}

}  // namespace

TEST_CASE("scopes nest: an inner one begins later, ends earlier and is written first") {
  profile::start();
  nested();
  const profile::Recording recording = profile::stop();
  REQUIRE(recording.events.size() == 2);
  CHECK(*recording.events[0].name == "inner");
  const profile::Event &inner = event_named(recording, "inner"), &outer = event_named(recording, "outer");
  CHECK(outer.begin >= 0);
  CHECK(outer.begin <= inner.begin);
  CHECK(inner.begin <= inner.end);
  CHECK(inner.end <= outer.end);
  CHECK(inner.category == "test");
  REQUIRE(inner.layer != nullptr);
  CHECK(*inner.layer == "conv1");
  CHECK(outer.layer == nullptr);
  CHECK(inner.thread == outer.thread);
  CHECK(recording.dropped == 0);
}

TEST_CASE("without start() scopes record nothing and allocate nothing") {
  nested();
  profile::start();
  CHECK(profile::stop().events.empty());
  const test::AllocationMeter meter;
  const profile::Scope scope("test", "off, and longer than a string holds without allocating");
  CHECK(meter.peak() == 0);
}

TEST_CASE("a full buffer keeps the first scopes and counts the rest") {
  profile::start(3);
  for (int i = 0; i < 10; ++i) const profile::Scope scope("test", std::to_string(i));
  const profile::Recording recording = profile::stop();
  REQUIRE(recording.events.size() == 3);
  CHECK(*recording.events[2].name == "2");
  CHECK(recording.dropped == 7);
}

TEST_CASE("a scope that is open across stop() or start() is left out") {
  profile::start();
  {
    const profile::Scope open("test", "open");
    CHECK(profile::stop().events.empty());
    profile::start();
  }
  CHECK(profile::stop().events.empty());
}

TEST_CASE("start() and stop() take turns") {
  CHECK_ERROR(profile::stop(), "[profile] stop() without start()");
  profile::start();
  CHECK_ERROR(profile::start(), "[profile] start() while it records already");
  profile::stop();
}

TEST_CASE("every thread's scopes are kept, under a number of its own") {
  profile::start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int j = 0; j < 100; ++j) nested();
    });
  for (std::thread& thread : threads) thread.join();
  const profile::Recording recording = profile::stop();
  CHECK(recording.events.size() == 800);
  std::map<int, int> events;
  for (const profile::Event& event : recording.events) ++events[event.thread];
  CHECK(events.size() == 4);
  for (const auto& [thread, count] : events) CHECK(count == 200);
}

TEST_CASE("a backward pass is recorded per operation, with the layer that recorded it") {
  profile::start();
  const Variable x(Tensor::full({2, 3}, 1.0), true);
  Variable y;
  {
    const profile::LayerScope layer("forward", "relu", "relu1");
    y = ops::relu(x);
  }
  ops::sum(y).backward();
  const profile::Recording recording = profile::stop();
  const profile::Event& relu = event_named(recording, "activation");
  CHECK(relu.category == "backward");
  REQUIRE(relu.layer != nullptr);
  CHECK(*relu.layer == "relu1");
  CHECK(event_named(recording, "sum").layer == nullptr);
  CHECK(event_named(recording, "sum").end <= relu.begin);
  CHECK(relu.end <= event_named(recording, "tape").end);
}
