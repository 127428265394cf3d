#include "core/named_rows.h"
#include "pruning/criterion.h"

namespace espalier::pruning {

std::span<const CriterionRow> criteria() {
  static constexpr CriterionRow kCriteria[] = {
      {"magnitude", "absolute value of the weight (Han et al., NIPS 2015)", make_magnitude},
      {"random", "a random order, as a control", make_random},
  };
  return kCriteria;
}

std::unique_ptr<Criterion> make_criterion(std::string_view name, uint64_t seed) {
  return find_row(criteria(), name, "[prune] unknown criterion", "criteria").make(seed);
}

}  // namespace espalier::pruning
