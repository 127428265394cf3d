#include "apps/tables/table.h"
#include "core/error.h"
#include "core/io/file.h"

namespace espalier::apps {

std::span<const TableRow> tables() {
  static constexpr TableRow kTables[] = {
      {"deep-compression", "Deep Compression (Han et al., ICLR 2016), tables 1 to 3: the LeNets",
       deep_compression_table},
      {"cifar", "ResNets on CIFAR-10 as JPEG files, imported and trained, beside PyTorch", cifar_table},
  };
  return kTables;
}

std::string render_table(std::string_view name, const std::vector<std::filesystem::path>& summaries) {
  std::vector<std::string_view> names;
  for (const TableRow& row : tables()) {
    names.push_back(row.name);
    if (row.name != name) continue;
    std::vector<nlohmann::json> read;
    for (const auto& path : summaries) {
      try {
        read.push_back(nlohmann::json::parse(read_text(path)));
      } catch (const nlohmann::json::exception& error) {
        fail("{}: not a run's summary: {}", path.string(), error.what());
      }
    }
    try {
      return row.render(read);
    } catch (const nlohmann::json::exception& error) {
      fail("[table] a summary lacks what '{}' shows: {}", name, error.what());
    }
  }
  fail("[table] unknown name '{}'; the tables are {}", name, fmt::join(names, ", "));
}

}  // namespace espalier::apps
