#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/bench/peer.h"
#include "apps/text_table.h"
#include "core/median.h"

namespace espalier::apps {

// What every benchmark is told.
struct BenchOptions {
  int repeats = 5;                          // of each side; the median counts
  double seconds = 2;                       // of one run
  std::string only;                         // only the rows whose name contains it
  std::string python = "/usr/bin/python3";  // Debian puts python3-torch and python3-torchvision there
  std::filesystem::path output;             // also for the table as Markdown
};

// How often a second `step` runs, measured for `seconds` and at least one step.
template <typename Step>
double rate(Step&& step, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  int64_t steps = 0;
  double elapsed = 0;
  do {
    step();
    ++steps;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return static_cast<double>(steps) / elapsed;
}

// How often a second each step runs: the medians of single ones in turn, as many as the first runs in
// `repeats` times `seconds`. From one second to the next a shared machine's speed changes by more than what
// the loader or pruning is worth.
std::vector<double> step_rates(const std::vector<std::function<void()>>& steps, const BenchOptions& options);

// Throws Error, naming the rows there are, unless `only` is part of one of them.
void check_only(const std::string& only, const std::vector<std::string>& names);

// A benchmark's peer, or why there is none. Ours and theirs have `threads` threads each.
struct Opponent {
  std::unique_ptr<Peer> peer;
  std::string note;  // how is measured and beside whom: "median of 5 alternating runs of 2 s, PyTorch 1.13.0"
};
Opponent find_opponent(const BenchOptions& options, const std::string& script, int threads);

// The table and, below it, the machine, the threads, the note on how was measured and beside whom, and the
// commit; written to options.output as Markdown too, below `title` and `introduction`.
std::string publish(const BenchOptions& options, const std::string& command, const std::string& title,
                    const std::string& introduction, const TextTable& table, int threads,
                    const std::string& note);

}  // namespace espalier::apps
