// Over random networks and every model of the zoo, with random channels removed: the rewritten network is the
// silenced one.
#include <omp.h>

#include <algorithm>

#include "core/io/safetensors.h"
#include "core/ops.h"
#include "core/optim/optimizer.h"
#include "core/random.h"
#include "layers/models.h"
#include "pruning/surgery.h"
#include "tests/pruning/random_network.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using pruning::Candidate;
using pruning::ChannelGraph;
using pruning::Removal;
using pruning::RemovedChannels;
using pruning::Shifts;
using pruning::Surgery;

// Rounding, grown by batch norms over few elements: in the logits, and in a step along gradients, which have
// come through as many of them again.
double tolerance(const Network& network) {
  return network.nodes().size() > 100 ? 1e-3 : 1e-4;
}
double step_tolerance(const Network& network) {
  return network.nodes().size() > 100 ? 1e-1 : 1e-3;
}

Removal random_removal(const ChannelGraph& graph, uint64_t seed, int multiple) {
  RandomStream random(seed, "removal");
  Removal candidates;
  for (int g = 0; g < std::ssize(graph.groups()); ++g)
    for (int c = 0; c < graph.groups()[static_cast<size_t>(g)].channels; ++c) candidates.push_back({g, c});
  Removal wishes;
  const double share = 0.3 + 0.5 * random.uniform();
  for (int64_t i : random.permutation(std::ssize(candidates)))
    if (random.uniform() < share) wishes.push_back(candidates[static_cast<size_t>(i)]);
  return graph.admissible(wishes, multiple);
}

// Multiply-accumulates, from the description alone.
int64_t recount(const Network& network) {
  int64_t flops = 0;
  for (const auto& node : network.nodes()) {
    const int input = node.inputs[0];
    const Shape in = input < 0 ? Shape{1, network.image()[0], network.image()[1], network.image()[2]}
                               : network.nodes()[static_cast<size_t>(input)].output;
    const json& attributes = node.attributes;
    if (node.type == "linear") flops += in[1] * attributes.at("features").get<int64_t>();
    if (node.type != "conv2d") continue;
    const json& kernel = attributes.at("kernel");
    const int64_t taps = kernel.is_array() ? kernel[0].get<int64_t>() * kernel[1].get<int64_t>()
                                           : kernel.get<int64_t>() * kernel.get<int64_t>();
    flops += node.output[1] * node.output[2] * attributes.at("channels").get<int64_t>() * taps * in[3] /
             attributes.value("groups", int64_t{1});
  }
  return flops;
}

struct Batch {
  Variable images;
  Tensor labels;
};
Batch batch_for(const Network& network, uint64_t seed) {
  const Shape& image = network.image();
  const int64_t count = network.nodes().size() > 100 ? 8 : 4;
  return {Variable(random_tensor({count, image[0], image[1], image[2]}, seed, DType::float32, Device::cpu)),
          random_integers({count}, seed + 1, 0, network.classes(), Device::cpu)};
}

Tensor evaluated(Network& network, const Batch& batch) {
  const NoGradient no_gradient;
  return network.forward(batch.images, {}).value();
}

std::vector<Parameter> all_parameters(Network& network) {
  std::vector<Parameter> result;
  for (const Parameter* parameter : network.parameters()) result.push_back(*parameter);
  return result;
}

// One step; returns the logits before it.
Tensor train(Network& network, Optimizer& optimizer, const Batch& batch) {
  const Variable logits = network.forward(batch.images, {.training = true});
  Variable loss = ops::cross_entropy(logits, batch.labels).loss;
  loss.backward();
  optimizer.step(0.01);
  return logits.value();
}

// The networks are too small for more: threads that wait for each other would take most of the time.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
};

// What a removal did, for the tests to see that they saw it.
struct Seen {
  int removed = 0, folded = 0, inexact = 0, trained = 0;
};

// Removes channels at random from a network with random weights and a step of training behind it.
void check_surgery(Network network, uint64_t seed, Shifts shifts, Seen& seen) {
  randomise(network, seed);
  const Batch batch = batch_for(network, 5);
  const OptimizerOptions options{.kind = "sgd", .momentum = 0.9, .weight_decay = 1e-3};
  const auto before = make_optimizer(options, all_parameters(network));
  train(network, *before, batch);

  const ChannelGraph graph(network);
  const Removal removal = random_removal(graph, seed, seed % 4 == 0 ? 2 : 1);
  Network silenced = copy_of(network);
  Surgery surgery = remove_channels(network, removal, shifts);
  Network& rewritten = surgery.network;
  seen.removed += removal.empty() ? 0 : 1;
  seen.folded += surgery.report.folded.empty() ? 0 : 1;
  CHECK(surgery.report.removed == removal);
  CHECK(surgery.report.random.empty());

  // Shapes and costs.
  const RemovedChannels removed(graph, removal);
  for (size_t n = 0; n < network.nodes().size(); ++n)
    CHECK(rewritten.nodes()[n].output.columns() == std::ssize(removed.kept(static_cast<int>(n))));
  CHECK(rewritten.flops() == recount(rewritten));
  CHECK(without_channels(network, removal).flops() == rewritten.flops());
  CHECK(rewritten.flops() <= network.flops());

  // The same function, in both modes, unless a border says otherwise.
  const auto masks = silencing_masks(silenced, graph, removed, shifts);
  make_optimizer(options, all_parameters(silenced))->set_masks(masks);
  const bool exact =
      std::ranges::all_of(surgery.report.folded, [](const auto& fold) { return fold.error == 0; });
  seen.inexact += exact ? 0 : 1;
  if (!exact) return;
  check_close(evaluated(rewritten, batch), evaluated(silenced, batch), tolerance(rewritten));

  // The same step, where no constant was moved: weights that read one learn from it. An activation that is 0
  // to rounding may pass its gradient in one of the networks alone; not with every batch.
  const bool same_step = surgery.report.folded.empty();
  seen.trained += same_step ? 1 : 0;
  for (uint64_t attempt = 1; attempt <= 3; ++attempt) {
    const Batch next = batch_for(network, 5 + 10 * attempt);
    Network full = copy_of(silenced), small = copy_of(rewritten);
    const auto optimizer = make_optimizer(options, all_parameters(full));
    optimizer->load_state(before->state(), before->steps());
    optimizer->set_masks(masks);
    const auto continued = make_optimizer(options, all_parameters(small));
    continued->load_state(surgery.restriction.optimizer_state(before->state()), before->steps());
    const Tensor logits = train(full, *optimizer, next);
    check_close(train(small, *continued, next), logits, tolerance(rewritten));
    if (!same_step) break;
    const auto expected = surgery.restriction(full.state());
    const auto state = small.state();
    REQUIRE(state.size() == expected.size());
    const auto is_close = [&](const auto& named) {
      return distance(state.at(named.first), named.second) <= step_tolerance(network);
    };
    if (std::ranges::all_of(expected, is_close)) break;
    if (attempt < 3) continue;
    for (const auto& [name, tensor] : expected) {
      INFO(name);
      check_close(state.at(name), tensor, step_tolerance(network));
    }
  }

  // There and back through a file.
  const std::string bytes = encode_safetensors({rewritten.state(), {{"network", rewritten.description()}}});
  const TensorFile file = decode_safetensors(std::as_bytes(std::span(bytes)), "file");
  Network loaded = Network::from_description(file.metadata.at("network"), "file");
  loaded.load_state(file.tensors, Device::cpu, "file");
  CHECK(identical(evaluated(loaded, batch), evaluated(rewritten, batch)));
}

TEST_CASE("a random network without random channels is the network with these silenced") {
  const OneThread one_thread;
  Seen seen;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    Network network = random_network(seed, false);
    INFO(network.description());
    check_surgery(std::move(network), seed, Shifts::zero, seen);
  }
  CHECK(seen.removed > 350);
  CHECK(seen.folded == 0);
  CHECK(seen.trained == 400);
}

TEST_CASE("a random network keeps what silenced channels hold, in the biases that follow") {
  const OneThread one_thread;
  Seen seen;
  for (uint64_t seed = 1001; seed <= 1300; ++seed) {
    INFO("seed " << seed);
    Network network = random_network(seed, seed % 2 == 0);
    INFO(network.description());
    check_surgery(std::move(network), seed, seed % 3 == 0 ? Shifts::zero : Shifts::keep, seen);
  }
  CHECK(seen.removed > 250);
  CHECK(seen.folded > 150);
  CHECK(seen.inexact > 10);
  CHECK(seen.folded - seen.inexact > 50);
}

TEST_CASE("every model of the zoo without random channels is the model with these silenced") {
  const OneThread one_thread;
  Seen seen;
  uint64_t seed = 1;
  for (const layers::ModelRow& row : layers::models()) {
    INFO(row.name);
    const std::string name(row.name);
    const bool cifar = name.ends_with("_b") || name.ends_with("_cifar") || name.starts_with("conv") ||
                       name == "resnet20" || name == "resnet32" || name == "resnet44" || name == "resnet56" ||
                       name == "resnet110" || name == "preresnet164" || name == "densenet40";
    const int64_t side = name.ends_with("_cifar")    ? 16
                         : cifar                     ? 8
                         : name.starts_with("lenet") ? 28
                         : name.starts_with("vgg")   ? 32
                                                     : 64;
    const Network model = row.make({.image = {side, side, 3}, .width = 0.125});
    // Dropout draws by place, which removal changes.
    json description = json::parse(model.description());
    for (json& layer : description.at("layers"))
      if (layer.at("type") == "dropout") layer["attributes"]["probability"] = 0;
    check_surgery(Network::from_description(description.dump(), name), ++seed, Shifts::zero, seen);
  }
  CHECK(seen.removed == std::ssize(layers::models()));
  CHECK(seen.trained == std::ssize(layers::models()));
}

}  // namespace
}  // namespace espalier::test
