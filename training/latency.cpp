#include "training/latency.h"

#include <array>
#include <chrono>
#include <vector>

#include "core/backend.h"
#include "core/median.h"
#include "core/random.h"

namespace espalier {
namespace {

double seconds_of_pass(layers::Network& network, const Variable& images) {
  const auto start = std::chrono::steady_clock::now();
  // Reading the answer waits for the device.
  static_cast<void>(network.forward(images, {}).value().to(Device::cpu));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Latency measure_latency(const layers::Network& network, const layers::Network& beside, Device device,
                        int64_t batch_size) {
  constexpr int kPasses = 9;
  const NoGradient no_gradient;
  std::vector<layers::Network> networks;
  std::array<Variable, 2> images;
  for (const layers::Network* side : {&network, &beside}) {
    networks.push_back(layers::Network::from_description(side->description(), "[latency]"));
    networks.back().initialise(layers::Initialiser::kaiming_normal, 1, device);
  }
  for (size_t side = 0; side < networks.size(); ++side) {
    const Shape& image = networks[side].image();
    images[side] = Variable(
        RandomStream(1, "latency").uniform({batch_size, image[0], image[1], image[2]}, -1, 1).to(device));
    seconds_of_pass(networks[side], images[side]);  // the first makes what later ones find ready
  }
  const std::vector<double> medians = alternate({[&] { return seconds_of_pass(networks[0], images[0]); },
                                                 [&] { return seconds_of_pass(networks[1], images[1]); }},
                                                kPasses);
  return {medians[0], medians[1]};
}

}  // namespace espalier
