#pragma once

#include <filesystem>
#include <vector>

#include "compression/format/esp.h"
#include "datasets/dataset.h"
#include "training/model.h"

namespace espalier::apps {

// A model file of either kind, told apart by its contents, with the masks and codebooks that a stage left
// beside it.
struct LoadedModel {
  Model model;
  uint64_t bytes = 0;                             // the file's size
  bool compressed = false;                        // an .esp file
  std::vector<compression::EspTensorSize> sizes;  // of an .esp file
};
// Throws Error for a file that is neither, or damaged.
LoadedModel load(const std::filesystem::path& file, Device device);

// Throws Error unless the network takes images like the data's, of as many classes.
void check_fits(const layers::Network& network, const std::string& data, const datasets::Split& split);

// The data that a model is to be measured on, normalised as its training did; warnings and notes go to
// stderr. Throws Error unless they fit the network.
datasets::Split load_data_for(const layers::Network& network, const std::string& data,
                              datasets::DataOptions options);

// Makes a data set normalise its images as the network's training did, where that is known and `options` do
// not say otherwise.
void prefer_normalisation_of(const layers::Network& network, datasets::DataOptions& options);

}  // namespace espalier::apps
