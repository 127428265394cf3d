#pragma once

#include "training/stage.h"

namespace espalier::compression {

// Shares each layer's surviving weights among 2^bits centroids and trains these (Han et al., ICLR 2016,
// section 3).
extern const StageRow kQuantizeStage;
// Huffman-codes the model into model.esp, reads it back, and goes on with what was read (section 4).
extern const StageRow kEncodeStage;

}  // namespace espalier::compression
