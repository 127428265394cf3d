#pragma once

#include "training/stage.h"

namespace espalier::compression {

// Shares each layer's surviving weights among 2^bits centroids and trains these (Han et al., ICLR 2016,
// section 3).
std::unique_ptr<Stage> make_quantize_stage(const Config& config);
// Huffman-codes the model into model.esp, reads it back, and goes on with what was read (section 4).
std::unique_ptr<Stage> make_encode_stage(const Config& config);

}  // namespace espalier::compression
