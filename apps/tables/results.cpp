#include <algorithm>
#include <numeric>
#include <set>

#include "apps/pipeline.h"
#include "apps/tables/table.h"
#include "core/error.h"
#include "core/io/file.h"
#include "training/paths.h"

namespace espalier::apps {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Whether the file's name is "<name>-seed<number>.json".
bool is_summary_of(const fs::path& file, const std::string& name) {
  const std::string text = file.filename().string(), begin = name + "-seed", end = ".json";
  if (text.size() <= begin.size() + end.size() || !text.starts_with(begin) || !text.ends_with(end))
    return false;
  const auto digits = std::string_view(text).substr(begin.size(), text.size() - begin.size() - end.size());
  return std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

fs::path summary_of(const TableRun& run, uint64_t seed, const fs::path& results) {
  return results / fmt::format("{}-seed{}.json", run.results, seed);
}

// The recipe as it ran, without its line "seed = 1".
std::string settings_but_seed(const json& run) {
  std::string text = run.at("settings");
  const size_t begin = text.starts_with("seed = ") ? 0 : text.find("\nseed = ");
  if (begin != std::string::npos) text.erase(begin, text.find('\n', begin + 1) - begin);
  return text;
}

}  // namespace

std::vector<fs::path> results_of(const TableRow& table, const TableFolders& folders) {
  std::set<fs::path> files;  // in an order that does not depend on the file system
  for (const TableRun& run : table.runs()) {
    const fs::path prefix = folders.results / run.results;
    if (!fs::is_directory(prefix.parent_path())) continue;
    for (const auto& entry : fs::directory_iterator(prefix.parent_path()))
      if (is_summary_of(entry.path(), prefix.filename().string())) files.insert(entry.path());
  }
  return {files.begin(), files.end()};
}

void run_missing(const TableRow& table, const TableRunOptions& options,
                 const std::atomic<bool>& interrupted) {
  const TableFolders& folders = options.folders;
  const std::vector<TableRun> runs = table.runs();
  check(std::ranges::any_of(
            runs,
            [&](const TableRun& run) { return run.results.find(options.only) != std::string_view::npos; }),
        "[table] no run of '{}' has '{}' in its name", table.name, options.only);
  for (const uint64_t seed : options.seeds)
    for (const TableRun& run : runs) {
      const fs::path summary = summary_of(run, seed, folders.results);
      if (run.results.find(options.only) == std::string_view::npos || fs::exists(summary)) continue;
      const fs::path out = folders.runs / fmt::format("{}-seed{}", run.results, seed);
      std::vector<std::string> assignments;
      if (!run.network.empty())
        assignments.push_back(
            fmt::format("model.checkpoint=\"{}\"",
                        (folders.networks / fmt::format("{}.safetensors", run.network)).string()));
      apps::run({.recipe = folders.recipes / fmt::format("{}.toml", run.recipe),
                 .out = out,
                 .seed = seed,
                 .assignments = assignments,
                 .data_dir = options.data_dir,
                 .device = options.device,
                 .resume = true},
                interrupted);
      fs::create_directories(summary.parent_path());
      write_file(summary, read_text(paths::summary(out)));
    }
}

void check_alike(const std::vector<json>& runs) {
  std::set<int64_t> seeds;
  for (const json& run : runs) {
    const int64_t seed = run.at("seed");
    check(seeds.insert(seed).second, "[table] two runs of '{}' with seed {}",
          run.at("recipe").get<std::string>(), seed);
    check(settings_but_seed(run) == settings_but_seed(runs.front()),
          "[table] the runs of '{}' with seeds {} and {} differ in more than the seed",
          run.at("recipe").get<std::string>(), runs.front().at("seed").get<int64_t>(), seed);
  }
}

void sort_by_seed(std::vector<json>& runs) {
  std::ranges::sort(runs, {}, [](const json& run) { return run.at("seed").get<int64_t>(); });
}

std::string mean_and_each(const std::vector<double>& figures, std::string_view unit) {
  if (figures.empty()) return "";
  const double sum = std::accumulate(figures.begin(), figures.end(), 0.0);
  const std::string mean = fmt::format("{:.2f}{}", sum / static_cast<double>(figures.size()), unit);
  return figures.size() == 1 ? mean : fmt::format("{} ({:.2f})", mean, fmt::join(figures, " "));
}

std::string provenance(const std::vector<json>& runs) {
  std::set<std::string> commits, processors, data;
  for (const json& run : runs) {
    commits.insert(run.at("commit"));
    processors.insert(run.at("machine").at("processor"));
    data.insert(run.at("data"));
  }
  return fmt::format("Data: {}. Commits {}; {}.", fmt::join(data, ", "), fmt::join(commits, ", "),
                     fmt::join(processors, ", "));
}

Page render_table(const TableRow& table, const std::vector<fs::path>& summaries) {
  std::vector<json> read;
  for (const auto& path : summaries) {
    try {
      read.push_back(json::parse(read_text(path)));
    } catch (const json::exception& error) {
      fail("{}: not a run's summary: {}", path.string(), error.what());
    }
  }
  try {
    return table.render(read);
  } catch (const json::exception& error) {
    fail("[table] a summary lacks what '{}' shows: {}", table.name, error.what());
  }
}

}  // namespace espalier::apps
