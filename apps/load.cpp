#include "apps/load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "compression/model.h"
#include "core/error.h"
#include "core/io/file.h"
#include "training/paths.h"

namespace espalier::apps {

LoadedModel load(const std::filesystem::path& file, Device device) {
  if (!compression::is_esp(read_beginning(file, 64))) {
    // A stage's model stands beside its masks and codebooks.
    const std::filesystem::path folder = file.parent_path();
    const bool constrained =
        file == paths::model(folder) &&
        (std::filesystem::exists(paths::masks(folder)) || std::filesystem::exists(paths::codebooks(folder)));
    return {.model = constrained ? load_model(folder, device) : Model{load_network(file, device), {}, {}},
            .bytes = std::filesystem::file_size(file),
            .compressed = false,
            .sizes = {}};
  }
  const std::vector<std::byte> bytes = read_file(file);
  compression::EspDecoded decoded = compression::decode_esp(bytes, file.string());
  return {.model = compression::from_esp(decoded.file, device, file.string()),
          .bytes = bytes.size(),
          .compressed = true,
          .sizes = std::move(decoded.sizes)};
}

void check_fits(const layers::Network& network, const std::string& data, const datasets::Split& split) {
  const Shape image = split.train->image_shape();
  const int classes = split.train->classes();
  check(network.image() == image && network.classes() == classes,
        "[model] '{}' takes images {} of {} classes; '{}' has images {} of {} classes", network.name(),
        network.image().to_string(), network.classes(), data, image.to_string(), classes);
}

datasets::Split load_data_for(const layers::Network& network, const std::string& data,
                              datasets::DataOptions options) {
  prefer_normalisation_of(network, options);
  options.warn = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  datasets::Split split = datasets::load(data, options);
  for (const std::string& note : split.notes) fmt::print(stderr, "{}\n", note);
  check_fits(network, data, split);
  if (!network.labels().empty() && network.labels() != split.labels)
    fmt::print(stderr, "the model's classes are called {}; the data's {}\n",
               fmt::join(network.labels(), ", "), fmt::join(split.labels, ", "));
  return split;
}

void prefer_normalisation_of(const layers::Network& network, datasets::DataOptions& options) {
  if (!network.normalisation()) return;
  options.normalisation = options.normalisation.or_else(*network.normalisation());
}

}  // namespace espalier::apps
