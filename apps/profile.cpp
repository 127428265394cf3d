#include "apps/profile.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "apps/text_table.h"
#include "core/error.h"
#include "core/io/file.h"

namespace espalier::apps {
namespace {

using profile::Event;

struct Total {
  int64_t calls = 0;
  int64_t nanoseconds = 0;
};

// The time of each event without that of the events within it on the same thread.
std::vector<int64_t> own_time(const std::vector<Event>& events) {
  std::vector<int64_t> own;
  // Events come in the order in which they ended: those within one that ends now began after it did, and
  // wait at the back of their thread's list.
  std::map<int, std::vector<size_t>> waiting;
  for (size_t i = 0; i < events.size(); ++i) {
    own.push_back(events[i].end - events[i].begin);
    std::vector<size_t>& earlier = waiting[events[i].thread];
    while (!earlier.empty() && events[earlier.back()].begin >= events[i].begin) {
      own[i] -= events[earlier.back()].end - events[earlier.back()].begin;
      earlier.pop_back();
    }
    earlier.push_back(i);
  }
  return own;
}

// Names of layers come from model files.
std::string quoted(const std::string& name) {
  return nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string profile_table(const profile::Recording& recording, bool by_layer) {
  if (recording.events.empty()) return "Nothing was recorded.\n";
  const std::vector<int64_t> own = own_time(recording.events);
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, Total> rows;
  std::map<int, int64_t> busy;
  int64_t first = recording.events.front().begin, last = 0;
  for (size_t i = 0; i < recording.events.size(); ++i) {
    const Event& event = recording.events[i];
    const std::string_view layer = by_layer && event.layer != nullptr ? *event.layer : std::string_view();
    Total& row = rows[{event.category, *event.name, layer}];
    ++row.calls;
    row.nanoseconds += own[i];
    busy[event.thread] += own[i];
    first = std::min(first, event.begin);
    last = std::max(last, event.end);
  }
  const int64_t most =
      std::ranges::max_element(busy, {}, [](const auto& each) { return each.second; })->second;
  const double total = static_cast<double>(std::max<int64_t>(last - first, 1));

  std::vector<std::string> header = {"operation", "pass", "calls", "ms", "share", "mean us"};
  if (by_layer) header.insert(header.begin() + 2, "layer");
  TextTable table(header);
  const auto add = [&](std::vector<std::string> names, const Total& row) {
    const auto time = static_cast<double>(row.nanoseconds);
    if (!by_layer) names.pop_back();
    names.push_back(row.calls > 0 ? grouped(row.calls) : "");
    names.push_back(fmt::format("{:.1f}", time / 1e6));
    names.push_back(percent(time / total, 1));
    names.push_back(row.calls > 0 ? fmt::format("{:.1f}", time / 1e3 / static_cast<double>(row.calls)) : "");
    table.add(std::move(names));
  };
  std::vector<std::pair<decltype(rows)::key_type, Total>> sorted(rows.begin(), rows.end());
  std::ranges::stable_sort(sorted, std::greater{}, [](const auto& each) { return each.second.nanoseconds; });
  for (const auto& [key, row] : sorted) {
    const auto& [category, name, layer] = key;
    add({std::string(name), std::string(category), std::string(layer)}, row);
  }
  add({"elsewhere", "", ""}, {.nanoseconds = last - first - most});
  add({"total", "", ""}, {.nanoseconds = last - first});
  std::string text = table.text();
  if (recording.dropped > 0)
    text += fmt::format("Only the first {} scopes: the buffer was full when {} more ended.\n",
                        grouped(static_cast<int64_t>(recording.events.size())), grouped(recording.dropped));
  return text;
}

void write_trace(const std::filesystem::path& path, const profile::Recording& recording) {
  AtomicFile file(path);
  std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  for (const Event& event : recording.events) {
    if (&event != recording.events.data()) text += ",";
    text +=
        fmt::format(R"({}{{"ph":"X","pid":1,"tid":{},"ts":{:.3f},"dur":{:.3f},"cat":"{}","name":{})", "\n",
                    event.thread, static_cast<double>(event.begin) / 1e3,
                    static_cast<double>(event.end - event.begin) / 1e3, event.category, quoted(*event.name));
    if (event.layer != nullptr) text += fmt::format(R"(,"args":{{"layer":{}}})", quoted(*event.layer));
    text += "}";
    if (text.size() > (size_t{1} << 20)) {
      file.write(text);
      text.clear();
    }
  }
  file.write(text + "\n]}\n");
  file.commit();
}

}  // namespace espalier::apps
