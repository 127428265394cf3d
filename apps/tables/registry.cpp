#include "apps/tables/table.h"
#include "core/error.h"

namespace espalier::apps {

std::span<const TableRow> tables() {
  static constexpr TableRow kTables[] = {
      {"deep-compression", "Deep Compression (Han et al., ICLR 2016), tables 1 to 3: the LeNets",
       deep_compression_runs, deep_compression_table},
      {"cifar", "ResNets on CIFAR-10 as JPEG files, imported and trained, beside PyTorch", cifar_runs,
       cifar_table},
  };
  return kTables;
}

const TableRow& find_table(std::string_view name) {
  std::vector<std::string_view> names;
  for (const TableRow& row : tables()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  fail("[table] unknown name '{}'; the tables are {}", name, fmt::join(names, ", "));
}

}  // namespace espalier::apps
