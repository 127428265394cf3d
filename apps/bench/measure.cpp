#include "apps/bench/measure.h"

#include <algorithm>

#include "apps/version.h"
#include "core/cpu/instruction_set.h"
#include "core/error.h"
#include "core/io/file.h"

namespace espalier::apps {

void check_only(const std::string& only, const std::vector<std::string>& names) {
  const bool known = std::ranges::any_of(
      names, [&](const std::string& name) { return name.find(only) != std::string::npos; });
  check(known, "[bench] no row's name contains '{}'; the rows are: {}", only, fmt::join(names, "; "));
}

Opponent find_opponent(const BenchOptions& options, const std::string& script, int threads) {
  std::string missing;
  Opponent result{.peer = Peer::start(options.python, script, {std::to_string(threads)}, missing),
                  .note = {}};
  result.note = fmt::format("median of {} alternating runs of {} s, {}", options.repeats, options.seconds,
                            result.peer ? result.peer->version() : "not compared: " + missing);
  return result;
}

std::vector<double> step_rates(const std::vector<std::function<void()>>& steps, const BenchOptions& options) {
  const auto turns = std::max(1.0, options.repeats * options.seconds * rate(steps[0], 0));
  std::vector<std::function<double()>> figures;
  for (const auto& step : steps) figures.emplace_back([&step] { return rate(step, 0); });
  return alternate(figures, static_cast<int>(turns));
}

std::string publish(const BenchOptions& options, const std::string& command, const std::string& title,
                    const std::string& introduction, const TextTable& table, int threads,
                    const std::string& note) {
  const std::string notes = fmt::format("{} with {}, {} {} on each side, {}, commit {}\n",
                                        machine().at("processor").get<std::string>(), cpu::instruction_set(),
                                        threads, threads == 1 ? "thread" : "threads", note, commit());
  if (!options.output.empty())
    write_file(options.output, fmt::format("# {}\n\nWritten by `{}`. {}\n\n{}\n{}", title, command,
                                           introduction, table.markdown(), notes));
  return table.text() + "\n" + notes;
}

}  // namespace espalier::apps
