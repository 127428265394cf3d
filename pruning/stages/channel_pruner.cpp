#include "pruning/stages/channel_pruner.h"

#include <fmt/format.h>

#include "core/named_rows.h"
#include "core/random.h"

namespace espalier::pruning {
namespace {

double share_gone(int64_t before, int64_t after) {
  return 1 - static_cast<double>(after) / static_cast<double>(before);
}

}  // namespace

ChannelPruner::ChannelPruner(const Config& config, const std::string& default_criterion) {
  criterion_ = config.get_choice("criterion", names_of(channel_criteria()), default_criterion);
  const ChannelCriterionRow& row = channel_criterion(criterion_);
  if (row.reduces)
    options_.reduction = reduction_from_name(config.get_choice("reduce", reduction_names(), "mean"));
  if (criterion_ == "geometric_median") options_.norm_share = config.get_number("norm_share", 0.0, 0, 1);
  if (criterion_ == "taylor") options_.flops_weight = config.get_number("flops_weight", 0.0, 0);
  samples_ = row.needs_samples ? config.get_integer("samples", 512, 1) : 0;
  shifts_ = config.get_choice("shifts", {"zero", "keep"}, "zero") == "keep" ? Shifts::keep : Shifts::zero;
  selection_ = read_channel_selection(config);
}

std::unique_ptr<ChannelCriterion> ChannelPruner::criterion(uint64_t seed) const {
  ChannelCriterionOptions options = options_;
  options.seed = seed;
  return channel_criterion(criterion_).make(options);
}

ChannelSelection ChannelPruner::selection(const layers::Network& network, Device device) const {
  return {network, *criterion(1), selection_, device};
}

void ChannelPruner::check(const layers::Network& network) const {
  static_cast<void>(selection(network, Device::cpu));
}

ChannelScores ChannelPruner::scores(StageContext& context, const ChannelGraph& graph, uint64_t draw) const {
  Samples samples;
  if (samples_ > 0)
    samples =
        draw_samples(context.data.train, samples_, RandomStream(context.stage_seed(), "samples", draw).next(),
                     context.model.device());
  ChannelScores scores = criterion(context.stage_seed())->scores(graph, context.model.network, samples);
  check_finite(graph, scores, criterion_);
  return scores;
}

ModelChange ChannelPruner::prune(StageContext& context, const Removal& removal,
                                 const layers::Network& before) const {
  if (removal.empty()) return {};
  const ModelSurgery surgery = prune_channels(context.model, removal, shifts_);
  for (const FoldedConstant& folded : surgery.report.folded)
    if (folded.error > 0)
      context.reporter.line(
          fmt::format("{}: a constant of up to {:.3g} was folded into {}; near the border of the image that "
                      "is off by up to {:.3g}",
                      folded.layer, folded.largest, folded.tensor, folded.error));
  for (const std::string& layer : surgery.report.random)
    context.reporter.line(fmt::format(
        "{}: a constant that passed through it was folded as in evaluation, where training drops some of it",
        layer));
  context.reporter.line(fmt::format(
      "{} channels pruned; {:.1f} % of the FLOPs and {:.1f} % of the parameters are gone",
      surgery.report.removed.size(), 100 * share_gone(before.flops(), context.model.network.flops()),
      100 * share_gone(before.parameter_count(), context.model.network.parameter_count())));
  return {.follow_averages = [surgery](const auto& averages) { return follow_averages(surgery, averages); },
          .restrict_optimizer_state =
              [r = surgery.restriction](const auto& state) { return r.optimizer_state(state); }};
}

Removal announced(const StageContext& context, ChannelChoice choice) {
  if (!choice.shortfall.empty()) context.reporter.line(choice.shortfall);
  return std::move(choice.removal);
}

nlohmann::json pruned_channels(const layers::Network& before, const layers::Network& after) {
  const ChannelGraph first(before), now(after);
  nlohmann::json groups = nlohmann::json::object();
  for (const ChannelGroup& group : now.groups())
    for (const ChannelGroup& old : first.groups())
      if (old.name == group.name && old.channels != group.channels)
        groups[group.name] = {old.channels, group.channels};
  return {{"channels", groups},
          {"flops_reduction", share_gone(before.flops(), after.flops())},
          {"parameter_reduction", share_gone(before.parameter_count(), after.parameter_count())}};
}

}  // namespace espalier::pruning
