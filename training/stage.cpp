#include "training/stage.h"

#include "core/random.h"

namespace espalier {

uint64_t StageContext::stage_seed() const {
  RandomStream random(seed, "stage", number);
  const uint64_t high = random.next();
  return high << 32 | random.next();
}

}  // namespace espalier
