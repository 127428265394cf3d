#pragma once

#include "training/stage.h"

namespace espalier::pruning {

// Prunes weights and retrains the survivors with the masks held, in one round or several (Han et al., NIPS
// 2015).
std::unique_ptr<Stage> make_prune_stage(const Config& config);
// Takes channels away, in one round or several, and trains what is left.
std::unique_ptr<Stage> make_prune_channels_stage(const Config& config);
// Before every epoch sets the lowest filters to zero and trains them all; takes the last choice away at the
// end (He et al., IJCAI 2018; He et al., CVPR 2019).
std::unique_ptr<Stage> make_soft_prune_stage(const Config& config);
// Trains with λ Σ|γ| over the scales of batch norms (Liu et al., ICCV 2017).
std::unique_ptr<Stage> make_slim_stage(const Config& config);
// Takes the lowest few channels of the network away every few steps (Molchanov et al., ICLR 2017).
std::unique_ptr<Stage> make_prune_greedily_stage(const Config& config);
// Channel pruning by LASSO and least-squares reconstruction, layer by layer (He, Zhang & Sun, ICCV 2017),
// then training.
std::unique_ptr<Stage> make_prune_by_lasso_stage(const Config& config);
// Changes nothing; measures how well the criteria rank channels beside the oracle (Molchanov et al., ICLR
// 2017, section 3.1).
std::unique_ptr<Stage> make_rank_criteria_stage(const Config& config);

}  // namespace espalier::pruning
