#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "training/evaluate.h"
#include "training/model.h"

namespace espalier::apps {

// What stands after a stage: {"accuracy", "top5_accuracy", "loss", "images", "parameters", "nonzeros",
// "flops", "bytes"}. FLOPs and bytes are those of the network as it would run and of the file as it lies on
// disk, so a mask alone saves neither.
nlohmann::json measure(Model& model, const Evaluation& evaluation, uint64_t bytes);

// What a network takes for a batch in inference, beside the one it was pruned from: {"batch_size",
// "milliseconds", "first_milliseconds"}. In a row whose network has other FLOPs than the run's first one it
// is "speed"; the rest of a row is the same in every run, this is not.
nlohmann::json measure_speed(const layers::Network& network, const layers::Network& first, Device device);

// The rows of a run's stages, each beside its change against the first, which is the dense network.
std::string report(const nlohmann::json& rows);

}  // namespace espalier::apps
