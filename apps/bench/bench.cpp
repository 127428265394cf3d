#include "apps/bench/bench.h"

#include <omp.h>

#include <chrono>
#include <cstdlib>
#include <memory>

#include "apps/bench/peer.h"
#include "apps/text_table.h"
#include "apps/version.h"
#include "core/io/file.h"
#include "core/ops.h"
#include "core/optim/optimizer.h"
#include "core/random.h"
#include "layers/models.h"

namespace espalier::apps {
namespace {

using Clock = std::chrono::steady_clock;

// One network in training on one random batch.
class Workload {
 public:
  Workload(const std::string& model, const BenchOptions& options)
      : network_(layers::make_model(model, {.image = {28, 28, 1}})), batch_(options.batch_size) {
    network_.initialise(layers::Initialiser::kaiming_uniform, 1, options.device);
    std::vector<Parameter> parameters;
    for (const Parameter* parameter : network_.parameters()) parameters.push_back(*parameter);
    optimizer_ = make_optimizer({.kind = "sgd", .momentum = 0.9}, parameters);
    RandomStream random(1, "bench");
    images_ = Variable(random.normal({batch_, 28, 28, 1}, 0, 1).to(options.device));
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < batch_; ++i) labels.push_back(static_cast<int32_t>(random.below(10)));
    labels_ = Tensor::from(labels, {batch_}, options.device);
    for (int i = 0; i < 20; ++i) step();
  }

  double images_per_second(double seconds) {
    const auto start = Clock::now();
    int64_t steps = 0;
    double elapsed = 0;
    do {
      for (int i = 0; i < 10; ++i) step();
      steps += 10;
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (elapsed < seconds);
    return static_cast<double>(steps * batch_) / elapsed;
  }

 private:
  void step() {
    const Variable logits = network_.forward(images_, {.training = true});
    ops::CrossEntropy result = ops::cross_entropy(logits, labels_);
    static_cast<void>(result.loss.value().item());
    result.loss.backward();
    optimizer_->step(0.01);
  }

  layers::Network network_;
  int64_t batch_;
  std::unique_ptr<Optimizer> optimizer_;
  Variable images_;
  Tensor labels_;
};

}  // namespace

std::string bench(const BenchOptions& options) {
  const bool peer = can_import(options.python, "torch");
  TextTable table({"training", "batch", "Espalier images/s", "PyTorch images/s", "ratio"});
  for (const std::string model : {"lenet_300_100", "lenet5"}) {
    Workload workload(model, options);
    std::vector<double> ours, theirs;
    for (int i = 0; i < options.repeats; ++i) {
      ours.push_back(workload.images_per_second(options.seconds));
      if (peer)
        theirs.push_back(peer_figure(
            options.python, "pytorch_peer.py",
            fmt::format("{} {} {} {}", model, options.batch_size, omp_get_max_threads(), options.seconds)));
    }
    const double own = median(ours);
    table.add({model, std::to_string(options.batch_size), grouped(std::llround(own)),
               peer ? grouped(std::llround(median(theirs))) : "not installed",
               peer ? fmt::format("{:.2f}x", own / median(theirs)) : ""});
  }
  const auto where = machine();
  const std::string notes =
      fmt::format("{}, {} threads on both sides, median of {} alternating runs of {} s, commit {}\n",
                  where.at("processor").get<std::string>(), omp_get_max_threads(), options.repeats,
                  options.seconds, commit());
  if (!options.output.empty())
    write_file(options.output,
               "# Training speed\n\nWritten by `espalier bench`.\n\n" + table.markdown() + "\n" + notes);
  return table.text() + "\n" + notes;
}

}  // namespace espalier::apps
