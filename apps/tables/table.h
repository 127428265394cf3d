#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/page.h"
#include "core/dtype.h"

namespace espalier::apps {

// A run that a table shows, once for each seed.
struct TableRun {
  std::string_view recipe;   // its path below the folder of recipes, without ".toml"
  std::string_view network;  // what it starts from: a file of the networks' folder, without ".safetensors"
  std::string_view results;  // the path of its summaries below the results' folder, without "-seed<n>.json"
};

// A paper's table: published figures in columns of their own beside those that runs measured.
struct TableRow {
  std::string_view name;
  std::string_view description;
  std::vector<TableRun> (*runs)();
  // From the summaries of any of its runs. Throws Error for one that is none of them.
  Page (*render)(const std::vector<nlohmann::json>& summaries);
};
std::span<const TableRow> tables();
// Throws Error, listing the names, for an unknown one.
const TableRow& find_table(std::string_view name);

struct TableFolders {
  std::filesystem::path recipes = "apps/recipes";
  std::filesystem::path networks = "networks";
  std::filesystem::path results = "docs/results";
  std::filesystem::path runs = "runs";
};
// The summaries of a table's runs that stand in the folder of results, whatever their seeds.
std::vector<std::filesystem::path> results_of(const TableRow& table, const TableFolders& folders);
struct TableRunOptions {
  TableFolders folders;
  std::vector<uint64_t> seeds = {1};
  std::string only;  // of the runs, those whose name of results contains this
  std::filesystem::path data_dir;
  Device device = Device::cpu;
};
// Makes every run that has no summary yet, going on with those that were interrupted, and copies its summary
// to the results. Throws Interrupted once `interrupted` is set; Error where a run fails.
void run_missing(const TableRow& table, const TableRunOptions& options, const std::atomic<bool>& interrupted);

// Throws Error for a file that is no summary for this table.
Page render_table(const TableRow& table, const std::vector<std::filesystem::path>& summaries);

// Throws Error unless the runs differ in their seeds alone: what a mean over them takes for granted.
void check_alike(const std::vector<nlohmann::json>& runs);
void sort_by_seed(std::vector<nlohmann::json>& runs);
// The mean of a figure, and where there are several each of them: "88.51 %" or "88.51 % (88.40 88.62)". Empty
// without any.
std::string mean_and_each(const std::vector<double>& figures, std::string_view unit);
// Their data, commits and processors, each once.
std::string provenance(const std::vector<nlohmann::json>& runs);

std::vector<TableRun> cifar_runs();
Page cifar_table(const std::vector<nlohmann::json>& summaries);
std::vector<TableRun> taylor_oracle_runs();
Page taylor_oracle_table(const std::vector<nlohmann::json>& summaries);
std::vector<TableRun> deep_compression_runs();
Page deep_compression_table(const std::vector<nlohmann::json>& summaries);

}  // namespace espalier::apps
