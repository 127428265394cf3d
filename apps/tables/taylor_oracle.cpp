#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "apps/tables/table.h"
#include "core/error.h"

namespace espalier::apps {

using nlohmann::json;

namespace {

constexpr std::string_view kRecipe = "taylor/oracle-resnet20-cpu";

// A figure's mean over the runs that have it, and each of them.
std::string over_seeds(const std::vector<json>& figures) {
  std::vector<std::string> each;
  double sum = 0;
  for (const json& figure : figures) {
    if (figure.is_null()) continue;
    sum += figure.get<double>();
    each.push_back(fmt::format("{:.2f}", figure.get<double>()));
  }
  if (each.empty()) return "";
  const std::string mean = fmt::format("{:.2f}", sum / static_cast<double>(each.size()));
  return each.size() == 1 ? mean : fmt::format("{} ({})", mean, fmt::join(each, " "));
}

}  // namespace

std::vector<TableRun> taylor_oracle_runs() {
  return {{kRecipe, "resnet20-finetuned", kRecipe}};
}

Page taylor_oracle_table(const std::vector<json>& summaries) {
  std::vector<json> runs = summaries;
  for (const json& run : runs)
    check(run.at("recipe") == kRecipe, "[table] the run '{}' is none of this table's",
          run.at("recipe").get<std::string>());
  check_alike(runs);
  std::ranges::sort(runs, {}, [](const json& run) { return run.at("seed").get<int64_t>(); });

  static constexpr std::pair<const char*, const char*> kFigures[] = {
      {"by_group", "per layer"}, {"all_groups", "all layers"}, {"all_groups_rescaled", "rescaled"}};
  TextTable table({"criterion", "per layer", "all layers", "rescaled"});
  std::vector<std::string> order, seeds;
  std::map<std::string, std::map<std::string, std::vector<json>>> found;
  std::set<std::string> commits, machines, data;
  int64_t images = 0, candidates = 0;
  for (const json& run : runs) {
    const json& oracle = run.at("stages").back().at("oracle");
    images = oracle.at("images");
    candidates = oracle.at("candidates");
    for (const json& row : oracle.at("correlations")) {
      const std::string criterion = row.at("criterion");
      if (!found.contains(criterion)) order.push_back(criterion);
      for (const auto& [key, title] : kFigures) found[criterion][key].push_back(row.at(key));
    }
    seeds.push_back(std::to_string(run.at("seed").get<int64_t>()));
    commits.insert(run.at("commit"));
    machines.insert(run.at("machine").at("processor").get<std::string>());
    data.insert(run.at("data"));
  }
  for (const std::string& criterion : order) {
    std::vector<std::string> row{criterion};
    for (const auto& [key, title] : kFigures) row.push_back(over_seeds(found[criterion][key]));
    table.add(std::move(row));
  }

  Page page;
  page.title("Criteria beside the oracle")
      .paragraph(
          "Molchanov, Tyree, Karras, Aila & Kautz, ICLR 2017, table 1: Spearman's rank correlation of a "
          "criterion with the oracle, |the change of the loss| when a channel alone is silenced. Per layer: "
          "the mean over the groups of coupled channels. All layers: every channel of the network in one "
          "ranking. Rescaled: likewise, each layer's scores divided by their l2 norm first, as Taylor's "
          "always are. The paper reports about 0.73 for Taylor per layer, on VGG-16 and Birds-200, the "
          "highest of its criteria.");
  if (runs.empty()) return page;
  return page
      .paragraph(fmt::format("Ours: ResNet-20, {} channels, {} training images a seed; seeds {}.", candidates,
                             images, fmt::join(seeds, " ")))
      .table(std::move(table))
      .paragraph(fmt::format("Data: {}. Commits {}; {}.", fmt::join(data, ", "), fmt::join(commits, ", "),
                             fmt::join(machines, ", ")));
}

}  // namespace espalier::apps
