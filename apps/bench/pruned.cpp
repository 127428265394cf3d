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

// Images per second of the two, in turn.
std::vector<double> rates(const PrunedBenchOptions& options, bool training) {
  std::vector<std::unique_ptr<Workload>> sides;
  for (const std::filesystem::path& file : {options.dense, options.pruned}) {
    sides.push_back(std::make_unique<Workload>(std::move(load(file, Device::cpu).model.network),
                                               options.batch_size, training));
    sides.back()->step();
  }
  const auto images_per_second = [&](Workload& workload) {
    return static_cast<double>(options.batch_size) * rate([&] { workload.step(); }, options.seconds);
  };
  return alternate(
      {[&] { return images_per_second(*sides[0]); }, [&] { return images_per_second(*sides[1]); }},
      options.repeats);
}

}  // namespace

std::string bench_pruned(const PrunedBenchOptions& options) {
  const layers::Network dense = std::move(load(options.dense, Device::cpu).model.network),
                        pruned = std::move(load(options.pruned, Device::cpu).model.network);
  check(dense.image() == pruned.image(), "[bench] {} takes images {}; {} takes {}", options.dense.string(),
        dense.image().to_string(), options.pruned.string(), pruned.image().to_string());
  check(pruned.flops() > 0, "[bench] {} has no arithmetic: 0 FLOPs", options.pruned.string());
  const double reduction = ratio(dense.flops(), pruned.flops());

  TextTable table({"model", "parameters", "FLOPs", "inference", "training"});
  std::vector<std::vector<std::string>> rows;
  const auto begin = [&](const std::string& name, const std::string& parameters, const std::string& flops) {
    rows.push_back({name, parameters, flops});
  };
  begin(options.dense.string(), grouped(dense.parameter_count()), grouped(dense.flops()));
  begin(options.pruned.string(), grouped(pruned.parameter_count()), grouped(pruned.flops()));
  begin("ratio", fmt::format("{:.2f}x fewer", ratio(dense.parameter_count(), pruned.parameter_count())),
        fmt::format("{:.2f}x fewer", reduction));
  std::vector<std::string> shares;
  for (const bool training : {false, true}) {
    const std::vector<double> images = rates(options, training);
    const double speedup = images[1] / images[0];
    rows[0].push_back(grouped(std::llround(images[0])));
    rows[1].push_back(grouped(std::llround(images[1])));
    rows[2].push_back(fmt::format("{:.2f}x", speedup));
    shares.push_back(fmt::format("{} of it in {}: {}", percent(speedup / reduction, 1),
                                 training ? "training" : "inference",
                                 speedup / reduction >= kGoal ? "met" : "not met"));
  }
  for (std::vector<std::string>& row : rows) table.add(std::move(row));
  // Masks alone remove nothing, and what is as fast as itself has met no goal.
  const std::string verdict =
      "Images per second, batch " + std::to_string(options.batch_size) + ". " +
      (reduction <= 1
           ? "The second network has no fewer FLOPs, so nothing was removed."
           : fmt::format("The speed-up is a share of the {:.2f}x reduction in FLOPs whose goal is {}: {}.",
                         reduction, percent(kGoal, 0), fmt::join(shares, ", ")));
  return verdict + "\n\n" +
         publish(options, "espalier bench pruned", "Speed of a pruned network", verdict, table,
                 omp_get_max_threads(), "Espalier alone");
}

}  // namespace espalier::apps
