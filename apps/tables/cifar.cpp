#include <algorithm>
#include <set>

#include "apps/tables/table.h"
#include "apps/text_table.h"
#include "core/config.h"
#include "core/error.h"
#include "training/trainer.h"

namespace espalier::apps {

using nlohmann::json;

namespace {

// PyTorch 1.13's accuracies on the same files: before and after the training of each recipe.
struct TorchRun {
  std::string_view recipe, model, start, end, note;
};
constexpr TorchRun kTorchRuns[] = {
    {"resnet20", "resnet20", "", "84.00 %", "12 epochs, one cycle to 0.4, weight decay 5e-4"},
    {"finetune", "resnet20", "81.03 %", "87.25 %", "the same 2 epochs"},
    {"finetune", "resnet56", "83.20 %", "89.26 %", "the same 2 epochs"},
};

int64_t epochs_of(const json& run) {
  const Config settings = Config::from_text(run.at("settings").get<std::string>(), "settings");
  int64_t epochs = 0;
  for (const Config& stage : settings.tables("stage"))
    epochs += stage.get_integer("epochs", TrainOptions{}.epochs);
  return epochs;
}

}  // namespace

std::vector<TableRun> cifar_runs() {
  return {{"cifar/resnet20", "", "cifar/resnet20"},
          {"cifar/finetune", "resnet20", "cifar/finetune-resnet20"},
          {"cifar/finetune", "resnet56", "cifar/finetune-resnet56"}};
}

Page cifar_table(const std::vector<json>& summaries) {
  TextTable table(
      {"network", "recipe", "epochs", "seed", "start", "PyTorch", "end", "PyTorch", "PyTorch's training"});
  std::set<std::string> commits, machines;
  for (const json& run : summaries)
    check(std::ranges::any_of(kTorchRuns,
                              [&](const TorchRun& peer) {
                                return run.at("recipe") == peer.recipe && run.at("model") == peer.model;
                              }),
          "[table] the run '{}' of '{}' is none of this table's", run.at("recipe").get<std::string>(),
          run.at("model").get<std::string>());
  for (const TorchRun& peer : kTorchRuns) {
    std::vector<json> runs;
    for (const json& run : summaries)
      if (run.at("recipe") == peer.recipe && run.at("model") == peer.model) runs.push_back(run);
    sort_by_seed(runs);
    for (const json& run : runs) {
      const json& stages = run.at("stages");
      check(run.at("data") == "cifar10-jpeg", "[table] the run '{}' is on {}; expected cifar10-jpeg",
            peer.recipe, run.at("data").get<std::string>());
      const auto accuracy = [](const json& stage) { return percent(stage.at("accuracy").get<double>()); };
      const bool imported = stages.front().at("stage") == "0-checkpoint";
      table.add({std::string(peer.model), std::string(peer.recipe), std::to_string(epochs_of(run)),
                 std::to_string(run.at("seed").get<int64_t>()),
                 imported ? accuracy(stages.front()) : "scratch", std::string(peer.start),
                 accuracy(stages.back()), std::string(peer.end), std::string(peer.note)});
      commits.insert(run.at("commit"));
      machines.insert(run.at("machine").at("processor").get<std::string>());
    }
  }
  return Page()
      .title("CIFAR-10 as JPEG files")
      .paragraph(
          "Written by `espalier table cifar` from the `summary.json` of each run. Test accuracy on all "
          "10,000 images. The JPEG coding is lossy: networks trained on the original pixels lose ten points "
          "here untouched. \"start\" is a network imported from pytorch_resnet_cifar10, before any training. "
          "PyTorch 1.13's figures are for the same files.")
      .table(std::move(table))
      .paragraph(fmt::format("Commits {}; {}.", fmt::join(commits, ", "), fmt::join(machines, ", ")));
}

}  // namespace espalier::apps
