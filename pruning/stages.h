#pragma once

#include "training/stage.h"

namespace espalier::pruning {

// Prunes weights and retrains the survivors with the masks held, in one round or several (Han et al., NIPS
// 2015).
extern const StageRow kPruneStage;
// Takes channels away, in one round or several, and trains what is left.
extern const StageRow kPruneChannelsStage;
// Before every epoch sets the lowest filters to zero and trains them all; takes the last choice away at the
// end (He et al., IJCAI 2018; He et al., CVPR 2019).
extern const StageRow kSoftPruneStage;
// Trains with λ Σ|γ| over the scales of batch norms (Liu et al., ICCV 2017).
extern const StageRow kSlimStage;
// Takes the lowest few channels of the network away every few steps (Molchanov et al., ICLR 2017).
extern const StageRow kPruneGreedilyStage;
// Channel pruning by LASSO and least-squares reconstruction, layer by layer (He, Zhang & Sun, ICCV 2017),
// then training.
extern const StageRow kPruneByLassoStage;
// Changes nothing; measures how well the criteria rank channels beside the oracle (Molchanov et al., ICLR
// 2017, section 3.1).
extern const StageRow kRankCriteriaStage;

}  // namespace espalier::pruning
