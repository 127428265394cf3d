#include "apps/bench/pruned.h"

#include <omp.h>

#include "apps/bench/workload.h"
#include "apps/load.h"
#include "core/error.h"

namespace espalier::apps {
namespace {

constexpr double kGoal = 0.8;

}  // namespace

std::string bench_pruned(const PrunedBenchOptions& options) {
  LoadedModel dense = load(options.dense, Device::cpu), pruned = load(options.pruned, Device::cpu);
  const Shape image = dense.model.network.image(), other = pruned.model.network.image();
  check(image == other, "[bench] {} takes images {}; {} takes {}", options.dense.string(), image.to_string(),
        options.pruned.string(), other.to_string());
  Workload before(std::move(dense.model.network), options.batch_size, false);
  Workload after(std::move(pruned.model.network), options.batch_size, false);
  const auto images_per_second = [&](Workload& workload) {
    return static_cast<double>(options.batch_size) * rate([&] { workload.step(); }, options.seconds);
  };
  for (Workload* each : {&before, &after}) each->step();
  const std::vector<double> rates = alternate(
      {[&] { return images_per_second(before); }, [&] { return images_per_second(after); }}, options.repeats);
  const auto flops = [](const Workload& workload) { return static_cast<double>(workload.network().flops()); };
  check(flops(after) > 0, "[bench] {} has no arithmetic: 0 FLOPs", options.pruned.string());
  const double reduction = flops(before) / flops(after), speedup = rates[1] / rates[0];
  const auto row = [&](const std::string& name, const Workload& workload, double images) {
    return std::vector<std::string>{name, grouped(workload.network().parameter_count()),
                                    grouped(workload.network().flops()), grouped(std::llround(images))};
  };
  TextTable table({"model", "parameters", "FLOPs", "images/s"});
  table.add(row(options.dense.string(), before, rates[0]));
  table.add(row(options.pruned.string(), after, rates[1]));
  table.add({"ratio",
             fmt::format("{:.2f}x fewer", static_cast<double>(before.network().parameter_count()) /
                                              static_cast<double>(after.network().parameter_count())),
             fmt::format("{:.2f}x fewer", reduction), fmt::format("{:.2f}x", speedup)});
  // Masks alone remove nothing, and what is as fast as itself has met no goal.
  const std::string verdict =
      reduction <= 1
          ? fmt::format("Inference, batch {}: the second network has no fewer FLOPs, so nothing was removed.",
                        options.batch_size)
          : fmt::format("Inference, batch {}: the speed-up is {} of the reduction in FLOPs; goal {}: {}.",
                        options.batch_size, percent(speedup / reduction, 1), percent(kGoal, 0),
                        speedup / reduction >= kGoal ? "met" : "not met");
  return verdict + "\n\n" +
         publish(options, "espalier bench pruned", "Speed of a pruned network", verdict, table,
                 omp_get_max_threads(), "Espalier alone");
}

}  // namespace espalier::apps
