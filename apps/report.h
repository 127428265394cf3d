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

// The rows of a run's stages, each beside its change against the first, which is the dense network.
std::string report(const nlohmann::json& rows);

}  // namespace espalier::apps
