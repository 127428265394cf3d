#pragma once

#include "core/backend.h"

// What libespalier_cuda.so exports to cuda/load.cpp. The library holds no copy of the core: it takes Tensor,
// Error and the rest from the program that loads it, whose symbols are therefore exported, so that both see
// the same types and the same backends.
extern "C" {
// The version it was built as; its classes are laid out as in that version alone.
const char* espalier_cuda_version();
// A new backend, the caller's to keep. Throws espalier::Error, saying why, when no device can be used.
espalier::Backend* espalier_make_cuda_backend();
}
