#include "core/io/json.h"

#include "core/error.h"

template class nlohmann::basic_json<>;

namespace espalier {

nlohmann::json parse_json(std::string_view text) {
  static constexpr int kMaxNesting = 16;
  return nlohmann::json::parse(text, [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    check(depth <= kMaxNesting, "[json] nested deeper than {} levels", kMaxNesting);
    return true;
  });
}

}  // namespace espalier
