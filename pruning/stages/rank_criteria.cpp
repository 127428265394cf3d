#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "pruning/channel_criterion.h"
#include "pruning/rank_correlation.h"
#include "pruning/stages.h"

namespace espalier::pruning {
namespace {

constexpr std::string_view kOracle = "oracle";

bool applies(const ChannelCriterionRow& row, const layers::Network& network) {
  const auto criterion = row.make({});
  return std::ranges::any_of(ChannelGraph(network).groups(), [&](const ChannelGroup& group) {
    return group.prunable && criterion->applies_to(network, group);
  });
}

nlohmann::json number(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

// Changes nothing: ranks the channels of the network by every criterion and by the oracle, on the same
// images.
class RankCriteriaStage final : public Stage {
 public:
  explicit RankCriteriaStage(const Config& config) : where_(config.where("criteria")) {
    names_ = config.get_strings("criteria", std::vector<std::string>{});
    for (const std::string& name : names_) {
      static_cast<void>(channel_criterion(name));
      espalier::check(name != kOracle, "{}: the oracle is what the others stand beside; expected them alone",
                      where_);
    }
    samples_ = config.get_integer("samples", 512, 1);
  }

  void check(const layers::Network& network, const datasets::Split&) const override {
    for (const std::string& name : names_)
      espalier::check(applies(channel_criterion(name), network), "{}: '{}' scores no channel of '{}'", where_,
                      name, network.name());
    espalier::check(applies(channel_criterion(kOracle), network), "{}: '{}' has no channels to rank", where_,
                    network.name());
  }

  void run(StageContext& context) override {
    layers::Network& network = context.model.network;
    const ChannelGraph graph(network);
    const Samples samples =
        draw_samples(context.data.train, samples_, RandomStream(context.stage_seed(), "samples").next(),
                     context.model.device());
    const auto scores = [&](const ChannelCriterionRow& row) {
      const auto criterion =
          row.make({.seed = context.stage_seed(), .at_group = [&](const std::string& group) {
                      if (context.interrupted) throw Interrupted("stopped; the stage begins anew");
                      context.reporter.line(fmt::format("the oracle is at {}", group));
                    }});
      ChannelScores result = criterion->scores(graph, network, samples);
      check_finite(graph, result, row.name);
      return result;
    };
    const ChannelScores oracle = scores(channel_criterion(kOracle));
    nlohmann::json correlations = nlohmann::json::array();
    for (const ChannelCriterionRow& row : channel_criteria()) {
      if (row.name == kOracle || !is_wanted(row, network)) continue;
      const OracleCorrelation with_oracle = correlate(scores(row), oracle);
      correlations.push_back({{"criterion", row.name},
                              {"groups", with_oracle.groups},
                              {"by_group", number(with_oracle.by_group)},
                              {"all_groups", number(with_oracle.all_groups)},
                              {"all_groups_rescaled", number(with_oracle.all_groups_rescaled)}});
      context.reporter.line(fmt::format("{}: {}", row.name, correlations.back().at("by_group").dump()));
    }
    int64_t images = 0, candidates = 0;
    for (const datasets::Batch& batch : samples) images += batch.labels.numel();
    for (const std::vector<float>& group : oracle) candidates += std::ssize(group);
    context.metrics["oracle"] = {
        {"images", images}, {"candidates", candidates}, {"correlations", correlations}};
  }

 private:
  bool is_wanted(const ChannelCriterionRow& row, const layers::Network& network) const {
    return names_.empty() ? applies(row, network) : std::ranges::find(names_, row.name) != names_.end();
  }

  std::string where_;
  std::vector<std::string> names_;  // none: all that apply
  int64_t samples_ = 0;
};

}  // namespace

const StageRow kRankCriteriaStage = {"rank_criteria",
                                     "change nothing; how well criteria rank channels beside the oracle, as "
                                     "Spearman's correlation: criteria [name, ...] (all that apply), samples",
                                     make_stage<RankCriteriaStage>};

}  // namespace espalier::pruning
