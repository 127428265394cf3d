#include <fmt/format.h>

#include "core/error.h"
#include "core/random.h"
#include "pruning/reconstruction.h"
#include "pruning/stages.h"
#include "pruning/stages/channel_pruner.h"
#include "training/paths.h"

namespace espalier::pruning {
namespace {

// How many channels go is decided by share alone; which, group by group, by reconstruct().
class Reconstructible final : public ChannelCriterion {
 public:
  bool applies_to(const layers::Network& network, const ChannelGroup& group) const override {
    return can_be_reconstructed(network, group);
  }
  ChannelScores scores(const ChannelGraph& graph, layers::Network& network, const Samples&) const override {
    ChannelScores result;
    for (const ChannelGroup& group : graph.groups())
      result.emplace_back(applies_to(network, group) ? static_cast<size_t>(group.channels) : 0, 0.0f);
    return result;
  }
};

class PruneByLassoStage final : public Stage {
 public:
  explicit PruneByLassoStage(const Config& config) {
    for (const char* key : {"scope", "residual"})
      espalier::check(!config.has(key), "{}: layers are reconstructed one by one; expected no '{}'",
                      config.where(key), key);
    selection_ = read_channel_selection(config);
    espalier::check(selection_.target != "latency",
                    "{}: 'latency' here; expected channels, flops or parameters", config.where("target"));
    images_ = config.get_integer("images", 5000, 1);
    positions_ = config.get_integer("positions", 10, 1, 1'000'000);
    train_ = read_train_options(config, 0);
  }

  void check(const layers::Network& network, const datasets::Split& data) const override {
    static_cast<void>(ChannelSelection(network, Reconstructible(), selection_, Device::cpu));
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    const layers::Network before = without_channels(context.model.network, {});
    // A training that was begun has the pruned network in its checkpoint.
    if (!std::filesystem::exists(paths::checkpoint(context.folder))) prune(context);
    if (train_.epochs > 0) train(context, train_);
    context.metrics["pruned"] = pruned_channels(before, context.model.network);
  }

 private:
  // By name of the group.
  std::map<std::string, int> channels_to_keep(StageContext& context) const {
    layers::Network& network = context.model.network;
    const Reconstructible criterion;
    const ChannelSelection selection(network, criterion, selection_, Device::cpu);
    const ChannelGraph graph(network);
    std::map<std::string, int> gone, result;
    for (const Candidate& candidate :
         announced(context, selection.choose(graph, network, criterion.scores(graph, network, {}))))
      ++gone[graph.groups()[static_cast<size_t>(candidate.group)].name];
    for (const ChannelGroup& group : graph.groups())
      if (gone.contains(group.name) && can_be_reconstructed(network, group))
        result[group.name] = group.channels - gone[group.name];
    return result;
  }

  static void check_free(const Model& model, const ChannelGroup& group) {
    for (const int n : group.consumers) {
      const std::string& layer = model.network.nodes()[static_cast<size_t>(n)].layer->name();
      for (const char* name : {"weight", "bias"}) {
        const std::string parameter = fmt::format("{}.{}", layer, name);
        espalier::check(!model.masks.contains(parameter) && !model.codebooks.contains(parameter),
                        "[prune_by_lasso] '{}' is held by a mask or codebook and cannot be reconstructed; "
                        "expected channels to be pruned first",
                        parameter);
      }
    }
  }

  void prune(StageContext& context) const {
    Model& model = context.model;
    layers::Network original =
        layers::Network::from_description(model.network.description(), "[prune_by_lasso]");
    original.load_state(model.network.state(), model.device(), "[prune_by_lasso]");
    const std::map<std::string, int> keep = channels_to_keep(context);
    std::vector<std::string> front_to_back;
    for (const ChannelGroup& group : by_first_producer(ChannelGraph(model.network)))
      if (keep.contains(group.name)) {
        check_free(model, group);
        front_to_back.push_back(group.name);
      }
    const Samples samples = draw_samples(
        context.data.train, images_, RandomStream(context.stage_seed(), "samples").next(), model.device());
    for (const std::string& name : front_to_back) {
      if (context.interrupted) throw Interrupted("stopped; the stage begins anew");
      const ChannelGraph graph(model.network);
      const int index = graph.group(name);
      const int channels = graph.groups()[static_cast<size_t>(index)].channels;
      Reconstruction made = reconstruct(original, model.network, graph, index, keep.at(name), samples,
                                        positions_, context.stage_seed());
      for (auto& [parameter, value] : made.parameters)
        model.network.parameter(parameter).variable.value().copy_from(value);
      prune_channels(model, made.removal);
      context.reporter.line(fmt::format("{}: {} of {} channels kept; {:.2f} % of what reads them unexplained",
                                        name, channels - std::ssize(made.removal), channels,
                                        100 * made.error));
    }
  }

  static std::vector<ChannelGroup> by_first_producer(const ChannelGraph& graph) {
    std::vector<ChannelGroup> groups = graph.groups();
    std::erase_if(groups, [](const ChannelGroup& group) { return group.producers.empty(); });
    std::ranges::stable_sort(groups, {}, [](const ChannelGroup& group) { return group.producers.front(); });
    return groups;
  }

  ChannelSelectionOptions selection_;
  int64_t images_ = 0, positions_ = 0;
  TrainOptions train_;
};

}  // namespace

const StageRow kPruneByLassoStage = {
    "prune_by_lasso",
    "layer by layer choose the inputs that a LASSO leaves, rebuild the layer's output from them by least "
    "squares, then train: images, positions, target (channels, flops, parameters), reduction, layers {name = "
    "share}, protect, multiple, and the keys of train",
    make_stage<PruneByLassoStage>};

}  // namespace espalier::pruning
