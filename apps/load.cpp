#include "apps/load.h"

#include <algorithm>

#include "compression/model.h"
#include "core/io/file.h"

namespace espalier::apps {

LoadedModel load(const std::filesystem::path& file, Device device) {
  const std::vector<std::byte> bytes = read_file(file);
  if (!compression::is_esp(bytes))
    return {.model = {load_network(file, device), {}, {}},
            .bytes = bytes.size(),
            .compressed = false,
            .sizes = {}};
  compression::EspDecoded decoded = compression::decode_esp(bytes, file.string());
  return {.model = compression::from_esp(decoded.file, device, file.string()),
          .bytes = bytes.size(),
          .compressed = true,
          .sizes = std::move(decoded.sizes)};
}

void prefer_normalisation_of(const layers::Network& network, datasets::DataOptions& options) {
  if (!network.normalisation()) return;
  const Normalisation& own = *network.normalisation();
  Normalisation& asked = options.normalisation;
  if (asked.mean.empty()) asked.mean = own.mean;
  if (asked.standard_deviation.empty()) asked.standard_deviation = own.standard_deviation;
}

}  // namespace espalier::apps
