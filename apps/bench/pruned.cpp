#include "apps/bench/pruned.h"

#include <omp.h>

#include "apps/bench/workload.h"
#include "apps/load.h"
#include "core/error.h"

namespace espalier::apps {
namespace {

constexpr double kGoal = 0.8;

double ratio(int64_t before, int64_t after) {
  return static_cast<double>(before) / static_cast<double>(after);
}

struct Sides {
  Sides(const PrunedBenchOptions& options, bool training)
      : dense(std::move(load(options.dense, Device::cpu).model.network), options.batch_size, training),
        pruned(std::move(load(options.pruned, Device::cpu).model.network), options.batch_size, training) {}
  Workload dense, pruned;
};

// Images per second of the two, in turn.
std::vector<double> rates(Sides& sides, const PrunedBenchOptions& options) {
  for (Workload* each : {&sides.dense, &sides.pruned}) each->step();
  std::vector<double> rates =
      step_rates({[&] { sides.dense.step(); }, [&] { sides.pruned.step(); }}, options);
  for (double& each : rates) each *= static_cast<double>(options.batch_size);
  return rates;
}

}  // namespace

std::string bench_pruned(const PrunedBenchOptions& options) {
  Sides in_inference(options, false), in_training(options, true);
  const layers::Network &dense = in_inference.dense.network(), &pruned = in_inference.pruned.network();
  check(dense.image() == pruned.image(), "[bench] {} takes images {}; {} takes {}", options.dense.string(),
        dense.image().to_string(), options.pruned.string(), pruned.image().to_string());
  check(pruned.flops() > 0, "[bench] {} has no arithmetic: 0 FLOPs", options.pruned.string());
  const double reduction = ratio(dense.flops(), pruned.flops());
  const std::vector<double> inference = rates(in_inference, options), training = rates(in_training, options);

  TextTable table({"model", "parameters", "FLOPs", "inference", "training"});
  const auto row = [&](const std::filesystem::path& file, const layers::Network& network, size_t side) {
    return std::vector<std::string>{file.string(), grouped(network.parameter_count()),
                                    grouped(network.flops()), grouped(std::llround(inference[side])),
                                    grouped(std::llround(training[side]))};
  };
  table.add(row(options.dense, dense, 0));
  table.add(row(options.pruned, pruned, 1));
  const auto speedup = [](const std::vector<double>& images) { return images[1] / images[0]; };
  table.add({"ratio", fmt::format("{:.2f}x fewer", ratio(dense.parameter_count(), pruned.parameter_count())),
             fmt::format("{:.2f}x fewer", reduction), fmt::format("{:.2f}x", speedup(inference)),
             fmt::format("{:.2f}x", speedup(training))});
  const auto share = [&](const std::vector<double>& images, std::string_view work) {
    const double of_reduction = speedup(images) / reduction;
    return fmt::format("{} of it in {}: {}", percent(of_reduction, 1), work,
                       of_reduction >= kGoal ? "met" : "not met");
  };
  // Masks alone remove nothing, and what is as fast as itself has met no goal.
  const std::string verdict =
      fmt::format("Images per second, batch {}. ", options.batch_size) +
      (reduction <= 1
           ? "The second network has no fewer FLOPs, so nothing was removed."
           : fmt::format(
                 "The speed-up is a share of the {:.2f}x reduction in FLOPs whose goal is {}: {}, {}.",
                 reduction, percent(kGoal, 0), share(inference, "inference"), share(training, "training")));
  return verdict + "\n\n" +
         publish(options, "espalier bench pruned", "Speed of a pruned network", verdict, table,
                 omp_get_max_threads(),
                 fmt::format("median of single steps in turn, {} times {} s of them, Espalier alone",
                             options.repeats, options.seconds));
}

}  // namespace espalier::apps
