#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "apps/tables/table.h"
#include "core/error.h"

namespace espalier::apps {

using nlohmann::json;

namespace {

constexpr std::string_view kRecipe = "taylor/oracle-resnet20-cpu";

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
  sort_by_seed(runs);

  static constexpr const char* kFigures[] = {"by_group", "all_groups", "all_groups_rescaled"};
  TextTable table({"criterion", "per layer", "all layers", "rescaled"});
  std::vector<std::string> criteria;
  std::vector<int64_t> seeds;
  std::map<std::pair<std::string, std::string>, std::vector<double>> found;  // by criterion and figure
  for (const json& run : runs) {
    seeds.push_back(run.at("seed"));
    for (const json& row : run.at("stages").back().at("oracle").at("correlations")) {
      const std::string criterion = row.at("criterion");
      if (std::ranges::find(criteria, criterion) == criteria.end()) criteria.push_back(criterion);
      for (const char* figure : kFigures)
        if (!row.at(figure).is_null()) found[{criterion, figure}].push_back(row.at(figure));
    }
  }
  for (const std::string& criterion : criteria) {
    std::vector<std::string> row{criterion};
    for (const char* figure : kFigures) row.push_back(mean_and_each(found[{criterion, figure}], ""));
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
  const json& oracle = runs.front().at("stages").back().at("oracle");
  return page
      .paragraph(fmt::format("Ours: ResNet-20, {} channels, {} training images a seed; seeds {}.",
                             oracle.at("candidates").get<int64_t>(), oracle.at("images").get<int64_t>(),
                             fmt::join(seeds, " ")))
      .table(std::move(table))
      .paragraph(provenance(runs));
}

}  // namespace espalier::apps
