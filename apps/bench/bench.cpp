#include "apps/bench/bench.h"

#include <omp.h>

#include <algorithm>

#include "apps/bench/data.h"
#include "apps/bench/workload.h"
#include "core/error.h"
#include "datasets/loader.h"
#include "layers/models.h"

namespace espalier::apps {
namespace {

enum class Work { training, inference, loading, empty_step };

struct GoalRow {
  std::string_view model;
  Work work;
  int64_t batch;
  Shape image;
  double goal;  // times PyTorch's rate, at least; loading: share of a step, empty step: seconds, at most
};

const Shape kMnist = {28, 28, 1}, kCifar = {32, 32, 3};

const std::vector<GoalRow>& rows() {
  static const std::vector<GoalRow> kRows = {
      {"vgg16", Work::training, 64, kCifar, 2.0},
      {"vgg16", Work::inference, 64, kCifar, 2.3},
      {"resnet20", Work::training, 128, kCifar, 1.6},
      {"resnet20", Work::inference, 128, kCifar, 1.6},
      {"resnet20", Work::inference, 1, kCifar, 4.0},
      {"lenet5", Work::training, 64, kMnist, 4.0},
      {"lenet_300_100", Work::training, 64, kMnist, 3.5},
      {"lenet_300_100", Work::inference, 1, kMnist, 10.0},
      {"resnet20", Work::loading, 128, kCifar, 0.03},
      {"lenet_300_100", Work::empty_step, 1, {1, 1, 1}, 20e-6},
  };
  return kRows;
}

std::string_view name(Work work) {
  switch (work) {
    case Work::training:
      return "training";
    case Work::inference:
      return "inference";
    case Work::loading:
      return "loading images";
    case Work::empty_step:
      return "empty step";
  }
  return {};
}

std::string name(const GoalRow& row) {
  return fmt::format("{} {}, batch {}", row.model, name(row.work), row.batch);
}

Workload make_workload(const GoalRow& row) {
  // An empty step has the operations of the network, all of them on single numbers.
  const double width = row.work == Work::empty_step ? 1e-3 : 1;
  layers::Network network = layers::make_model(row.model, {.image = row.image, .width = width});
  network.initialise(layers::Initialiser::kaiming_uniform, 1, Device::cpu);
  Workload workload(std::move(network), row.batch, row.work != Work::inference);
  for (int i = 0; i < 3; ++i) workload.step();
  return workload;
}

std::string per_second(double images) {
  return grouped(std::llround(images)) + " images/s";
}

const std::vector<std::string> kColumns = {"network", "Espalier", "PyTorch, eager", "ratio",
                                           "goal",    "met",      "compiled (JIT)", "ratio"};

std::string met(bool yes) {
  return yes ? "yes" : "no";
}

std::vector<std::string> beside_pytorch(const GoalRow& row, const BenchOptions& options, Peer* peer) {
  Workload workload = make_workload(row);
  const auto batch = static_cast<double>(row.batch);
  std::vector<std::function<double()>> sides = {
      [&] { return batch * rate([&] { workload.step(); }, options.seconds); }};
  std::vector<std::string> forms;
  // The goals are ratios to eager PyTorch in its best memory format; training has no compiled form there.
  if (peer != nullptr) forms.resize(row.work == Work::training ? 1 : 2);
  for (size_t i = 0; i < forms.size(); ++i)
    sides.emplace_back([&, i] {
      const nlohmann::json answer =
          peer->ask({{"model", row.model},
                     {"work", name(row.work)},
                     {"shape", {row.batch, row.image[2], row.image[0], row.image[1]}},
                     {"seconds", options.seconds},
                     {"compiled", i == 1}});
      check(answer.at("parameters") == workload.network().parameter_count(),
            "[bench] PyTorch's {} has {} parameters; ours {}", row.model, answer.at("parameters").dump(),
            workload.network().parameter_count());
      forms[i] = answer.at("form");
      return answer.at("rate").get<double>();
    });
  const std::vector<double> figures = alternate(sides, options.repeats);
  std::vector<std::string> cells = {name(row), per_second(figures[0])};
  const std::string goal = fmt::format("{:.1f}x", row.goal);
  if (peer == nullptr) {
    cells.insert(cells.end(), {"not compared", "", goal});
  } else {
    const double ratio = figures[0] / figures[1];
    cells.insert(cells.end(), {fmt::format("{} ({})", per_second(figures[1]), forms[0]),
                               fmt::format("{:.2f}x", ratio), goal, met(ratio >= row.goal)});
    if (forms.size() == 2)
      cells.insert(cells.end(), {fmt::format("{} ({})", per_second(figures[2]), forms[1]),
                                 fmt::format("{:.2f}x", figures[0] / figures[2])});
  }
  cells.resize(kColumns.size());
  return cells;
}

// What a step takes longer with a batch from the loader than with one that lies in memory, the worker that
// prepares the next one beside it included, as a share of the former.
std::vector<std::string> loading(const GoalRow& row, const BenchOptions& options) {
  Workload workload = make_workload(row);
  datasets::Loader loader(augmented_cifar(10'000),
                          {.batch_size = row.batch, .shuffle = true, .drop_last = true});
  int64_t epoch = 0;
  loader.start(epoch);
  const auto loaded_step = [&] {
    datasets::Batch batch;
    if (!loader.next(batch)) {
      loader.start(++epoch);
      check(loader.next(batch), "[bench] an epoch without a batch of {}", row.batch);
    }
    workload.step(batch.images, batch.labels);
  };
  const auto step = [&] { workload.step(); };
  loaded_step();
  const std::vector<double> figures = step_rates({loaded_step, step}, options);
  const double share = 1 - figures[0] / figures[1];
  return {name(row),
          percent(share, 1) + " of a step",
          "",
          "",
          "< " + percent(row.goal, 0),
          met(share < row.goal),
          "",
          ""};
}

std::vector<std::string> empty_step(const GoalRow& row, const BenchOptions& options) {
  Workload workload = make_workload(row);
  const double seconds =
      1 / alternate({[&] { return rate([&] { workload.step(); }, options.seconds); }}, options.repeats)[0];
  return {name(row),
          fmt::format("{:.1f} us", 1e6 * seconds),
          "",
          "",
          fmt::format("< {:.0f} us", 1e6 * row.goal),
          met(seconds < row.goal),
          "",
          ""};
}

}  // namespace

std::string bench(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const GoalRow& row : rows()) names.push_back(name(row));
  check_only(options.only, names);
  const int threads = omp_get_max_threads();
  const Opponent opponent = find_opponent(options, "pytorch_peer.py", threads);
  TextTable table(kColumns);
  for (const GoalRow& row : rows()) {
    if (name(row).find(options.only) == std::string::npos) continue;
    table.add(row.work == Work::loading      ? loading(row, options)
              : row.work == Work::empty_step ? empty_step(row, options)
                                             : beside_pytorch(row, options, opponent.peer.get()));
  }
  return publish(
      options, "espalier bench", "Speed",
      "Random images in memory. PyTorch eager, in the fastest memory format and optimizer, which the goals "
      "count from; beside it compiled by its JIT, traced and frozen or optimized for inference. "
      "Loading: what a batch from the loader, with CIFAR's augmentation, adds to a step, one with and one "
      "without in turn. An empty step: the network's operations on single numbers.",
      table, threads, opponent.note);
}

}  // namespace espalier::apps
