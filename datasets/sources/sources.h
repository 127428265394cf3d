#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "datasets/dataset.h"

namespace espalier::datasets {

// The rows of the registry (registry.cpp), each defined in the file of its data set.
extern const Source kMnist;
extern const Source kFashionMnist;
extern const Source kCifar10;
extern const Source kCifar100;
extern const Source kCifar10Jpeg;
extern const Source kSynthetic;

// Of CIFAR-10's training pixels, whatever files they come from.
const Normalisation& cifar10_normalisation();

// The images of train/<class>/ and test/<class>/ (or val/) under `root`.
Split load_image_folder(const std::filesystem::path& root, const DataOptions& options);

// The folders in which a data set is looked for, in order: `subfolder` of a root and then the root itself.
// The roots are options.data_dir alone when it is set, otherwise $ESPALIER_DATA (unless unset or empty) and
// /usr/share/datasets.
std::vector<std::filesystem::path> candidate_folders(const DataOptions& options, std::string_view subfolder);

}  // namespace espalier::datasets
