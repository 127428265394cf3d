#include "apps/load.h"

#include <algorithm>

#include "compression/model.h"
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

void prefer_normalisation_of(const layers::Network& network, datasets::DataOptions& options) {
  if (!network.normalisation()) return;
  options.normalisation = options.normalisation.or_else(*network.normalisation());
}

}  // namespace espalier::apps
