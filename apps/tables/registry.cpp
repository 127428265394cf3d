#include "apps/tables/channel_pruning.h"
#include "core/named_rows.h"

namespace espalier::apps {

std::span<const TableRow> tables() {
  static constexpr TableRow kTables[] = {
      {"deep-compression", "Deep Compression (Han et al., ICLR 2016), tables 1 to 3: the LeNets",
       deep_compression_runs, deep_compression_table},
      {"cifar", "ResNets on CIFAR-10 as JPEG files, imported and trained, beside PyTorch", cifar_runs,
       cifar_table},
      {"l1", "L1-norm filter pruning (Li et al., ICLR 2017), table 1", pruning_runs<l1_table>,
       pruning_page<l1_table>},
      {"fpgm", "Filter pruning via geometric median (He et al., CVPR 2019), table 1",
       pruning_runs<fpgm_table>, pruning_page<fpgm_table>},
      {"sfp", "Soft filter pruning (He et al., IJCAI 2018), CIFAR-10", pruning_runs<sfp_table>,
       pruning_page<sfp_table>},
      {"slimming", "Network slimming (Liu et al., ICCV 2017), table 1", pruning_runs<slimming_table>,
       pruning_page<slimming_table>},
      {"taylor", "Taylor pruning (Molchanov et al., ICLR 2017) on ResNets", pruning_runs<taylor_table>,
       pruning_page<taylor_table>},
      {"taylor-oracle", "criteria beside the oracle (Molchanov et al., ICLR 2017), table 1",
       taylor_oracle_runs, taylor_oracle_table},
      {"channel-pruning", "Channel pruning by LASSO (He et al., ICCV 2017), CIFAR-10",
       pruning_runs<lasso_table>, pruning_page<lasso_table>},
  };
  return kTables;
}

const TableRow& find_table(std::string_view name) {
  return find_row(tables(), name, "[table] unknown name", "tables");
}

}  // namespace espalier::apps
