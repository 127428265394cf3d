#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "apps/tables/table.h"

namespace espalier::apps {

// A row of a paper's table: test accuracies in percent, shares that are gone in percent.
struct PublishedPruning {
  std::string_view network, setting;
  double unpruned, pruned;
  std::optional<double> flops = {}, parameters = {};
};

// A pruning that a recipe reproduces, and the recipe that trains the same network for as long unpruned.
struct ReproducedPruning {
  std::string_view network, setting;
  TableRun pruned, unpruned;
  std::optional<size_t> beside = {};  // the published row that it stands beside
};

// What the tables of structured pruning have in common: the paper's rows, then ours, each a mean over the
// seeds of the pruned runs beside that of the unpruned ones.
struct PruningTable {
  std::string_view title;
  std::string_view introduction;
  std::vector<PublishedPruning> published;
  std::vector<ReproducedPruning> reproduced;
};
std::vector<TableRun> runs_of(const PruningTable& table);
Page render(const PruningTable& table, const std::vector<nlohmann::json>& summaries);

// As TableRow takes them.
template <PruningTable (*table)()>
std::vector<TableRun> pruning_runs() {
  return runs_of(table());
}
template <PruningTable (*table)()>
Page pruning_page(const std::vector<nlohmann::json>& summaries) {
  return render(table(), summaries);
}

PruningTable l1_table();
PruningTable fpgm_table();
PruningTable sfp_table();
PruningTable slimming_table();
PruningTable taylor_table();
PruningTable lasso_table();

// Starts from a trained ResNet ("resnet20") on cifar10-jpeg: apps/recipes/<method>/<network>-cpu.toml.
ReproducedPruning pruned_resnet(std::string_view network, std::string_view setting, std::string_view recipe,
                                std::optional<size_t> beside = {});

}  // namespace espalier::apps
