#include "apps/tables/channel_pruning.h"

#include <algorithm>
#include <numeric>

#include "apps/text_table.h"
#include "core/error.h"

namespace espalier::apps {

using nlohmann::json;

namespace {

std::string points(double percent) {
  return fmt::format("{:.2f} %", percent);
}
std::string change(double before, double after) {
  return fmt::format("{:+.2f}", after - before);
}
std::string gone(std::optional<double> share) {
  return share ? fmt::format("{:.1f} %", -*share) : "";
}

double accuracy(const json& run) {
  return 100 * run.at("stages").back().at("accuracy").get<double>();
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Runs of one recipe, in the order of their seeds.
struct Seeds {
  std::vector<json> runs;

  std::vector<double> each(const std::function<double(const json&)>& figure) const {
    std::vector<double> values;
    for (const json& run : runs) values.push_back(figure(run));
    return values;
  }
  double mean_of(const std::function<double(const json&)>& figure) const { return mean(each(figure)); }
  std::string accuracies() const { return mean_and_each(each(accuracy), " %"); }
  std::vector<int64_t> seeds() const {
    std::vector<int64_t> each;
    for (const json& run : runs) each.push_back(run.at("seed"));
    return each;
  }
  void keep(const std::vector<int64_t>& wanted) {
    std::erase_if(runs, [&](const json& run) {
      return std::ranges::find(wanted, run.at("seed").get<int64_t>()) == wanted.end();
    });
  }
};

Seeds runs_with(const TableRun& wanted, const std::vector<json>& summaries) {
  Seeds found;
  for (const json& run : summaries)
    if (run.at("recipe") == wanted.recipe) found.runs.push_back(run);
  sort_by_seed(found.runs);
  check_alike(found.runs);
  return found;
}

// Of what the run began with, the share of a figure that is gone in the end, in percent.
double share_gone(const json& run, const char* figure) {
  const json& stages = run.at("stages");
  return 100 * (1 - stages.back().at(figure).get<double>() / stages.front().at(figure).get<double>());
}

std::string faster(const Seeds& runs) {
  if (!std::ranges::all_of(runs.runs,
                           [](const json& run) { return run.at("stages").back().contains("speed"); }))
    return "";
  return fmt::format("{:.2f}x", runs.mean_of([](const json& run) {
    const json& speed = run.at("stages").back().at("speed");
    return speed.at("first_milliseconds").get<double>() / speed.at("milliseconds").get<double>();
  }));
}

TextTable published_rows(const PruningTable& table) {
  TextTable rows({"paper", "setting", "unpruned", "pruned", "change", "FLOPs", "parameters"});
  for (const PublishedPruning& row : table.published)
    rows.add({std::string(row.network), std::string(row.setting), points(row.unpruned), points(row.pruned),
              change(row.unpruned, row.pruned), gone(row.flops), gone(row.parameters)});
  return rows;
}

}  // namespace

std::vector<TableRun> runs_of(const PruningTable& table) {
  std::vector<TableRun> runs;
  for (const ReproducedPruning& row : table.reproduced)
    for (const TableRun& run : {row.unpruned, row.pruned})
      if (std::ranges::find(runs, run.results, &TableRun::results) == runs.end()) runs.push_back(run);
  return runs;
}

Page render(const PruningTable& table, const std::vector<json>& summaries) {
  const std::vector<TableRun> known = runs_of(table);
  for (const json& run : summaries)
    check(std::ranges::any_of(known, [&](const TableRun& each) { return run.at("recipe") == each.recipe; }),
          "[table] the run '{}' is none of this table's", run.at("recipe").get<std::string>());
  TextTable ours({"ours", "setting", "seeds", "unpruned", "pruned", "change", "paper", "difference", "FLOPs",
                  "parameters", "bytes", "faster"});
  for (const ReproducedPruning& row : table.reproduced) {
    const Seeds pruned = runs_with(row.pruned, summaries);
    if (pruned.runs.empty()) continue;
    Seeds unpruned = runs_with(row.unpruned, summaries);
    unpruned.keep(pruned.seeds());
    const auto share = [&](const char* figure) {
      return gone(pruned.mean_of([&](const json& run) { return share_gone(run, figure); }));
    };
    const double after = pruned.mean_of(accuracy);
    std::string before, lost, paper, difference;
    if (row.beside) {
      const PublishedPruning& beside = table.published[*row.beside];
      paper = change(beside.unpruned, beside.pruned);
    }
    if (unpruned.seeds() == pruned.seeds()) {
      const double whole = unpruned.mean_of(accuracy);
      before = unpruned.accuracies();
      lost = change(whole, after);
      if (row.beside) {
        const PublishedPruning& beside = table.published[*row.beside];
        difference = change(beside.pruned - beside.unpruned, after - whole);
      }
    }
    ours.add({std::string(row.network), std::string(row.setting),
              fmt::format("{}", fmt::join(pruned.seeds(), " ")), before, pruned.accuracies(), lost, paper,
              difference, share("flops"), share("parameters"), share("bytes"), faster(pruned)});
  }
  Page page;
  page.title(std::string(table.title)).paragraph(std::string(table.introduction));
  if (!table.published.empty()) page.table(published_rows(table));
  return page
      .paragraph(
          "Ours: test accuracy at the end of the recipe, the mean over the seeds (each in brackets); "
          "unpruned is the same network trained with nothing pruned, from the same seeds and for as many "
          "epochs unless said otherwise. FLOPs, parameters and bytes are those of the network as it stands "
          "in its file; faster is its inference beside that of the network it began as, in turn, batch 64, "
          "on the machine below. The difference is that of the changes.")
      .table(std::move(ours))
      .paragraph(provenance(summaries));
}

ReproducedPruning pruned_resnet(std::string_view network, std::string_view setting, std::string_view recipe,
                                std::optional<size_t> beside) {
  const bool small = network == "resnet20";
  check(small || network == "resnet56", "[table] no trained '{}'; expected resnet20 or resnet56", network);
  const std::string_view start = small ? "resnet20-finetuned" : "resnet56-finetuned",
                         unpruned = small ? "cifar/resnet20-unpruned-cpu" : "cifar/resnet56-unpruned-cpu";
  return {small ? "ResNet-20" : "ResNet-56",
          setting,
          {recipe, start, recipe},
          {unpruned, start, unpruned},
          beside};
}

}  // namespace espalier::apps
