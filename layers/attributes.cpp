#include "layers/attributes.h"

#include <utility>

#include "core/error.h"

namespace espalier::layers {

using nlohmann::json;

Attributes::Attributes(std::string layer, const json& values) : layer_(std::move(layer)), values_(values) {
  check(values_.is_object(), "[network] attributes of layer '{}' are not an object", layer_);
}

const json* Attributes::find(const std::string& key) {
  known_.insert(key);
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &*found;
}

const json& Attributes::require(const std::string& key) {
  const json* value = find(key);
  check(value != nullptr, "[network] layer '{}' lacks its attribute '{}'", layer_, key);
  return *value;
}

int Attributes::checked_integer(const std::string& key, const json& value, int low, int high) const {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= INT32_MAX) &&
                    value.get<int64_t>() >= low && value.get<int64_t>() <= high;
  check(fits, "[network] attribute '{}' of layer '{}' is {}; expected an integer in [{}, {}]", key, layer_,
        value.dump(), low, high);
  return value.get<int>();
}

int Attributes::integer(const std::string& key, int low, int high) {
  return checked_integer(key, require(key), low, high);
}

int Attributes::integer(const std::string& key, int low, int high, int fallback) {
  const json* value = find(key);
  return value == nullptr ? fallback : checked_integer(key, *value, low, high);
}

std::array<int, 2> Attributes::pair(const std::string& key, int low, int high) {
  const json& value = require(key);
  if (!value.is_array()) {
    const int both = checked_integer(key, value, low, high);
    return {both, both};
  }
  check(value.size() == 2,
        "[network] attribute '{}' of layer '{}' is {}; expected one integer or [height, width]", key, layer_,
        value.dump());
  return {checked_integer(key, value[0], low, high), checked_integer(key, value[1], low, high)};
}

std::array<int, 2> Attributes::pair(const std::string& key, int low, int high, std::array<int, 2> fallback) {
  return find(key) == nullptr ? fallback : pair(key, low, high);
}

double Attributes::number(const std::string& key, double low, double high, double fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  check(value->is_number() && value->get<double>() >= low && value->get<double>() <= high,
        "[network] attribute '{}' of layer '{}' is {}; expected a number in [{}, {}]", key, layer_,
        value->dump(), low, high);
  return value->get<double>();
}

bool Attributes::boolean(const std::string& key, bool fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  check(value->is_boolean(), "[network] attribute '{}' of layer '{}' is {}; expected true or false", key,
        layer_, value->dump());
  return value->get<bool>();
}

std::vector<int> Attributes::indices(const std::string& key, int high, const std::vector<int>& fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  check(value->is_array() && !value->empty() && value->size() <= static_cast<size_t>(high),
        "[network] attribute '{}' of layer '{}' is not a list of 1 to {} indices", key, layer_, high);
  std::vector<int> result;
  for (const json& each : *value)
    result.push_back(checked_integer(key, each, result.empty() ? 0 : result.back() + 1, high - 1));
  return result;
}

void Attributes::finish() const {
  for (const auto& [key, value] : values_.items())
    check(known_.contains(key), "[network] layer '{}' has no attribute '{}'; it has: {}", layer_, key,
          fmt::join(known_, ", "));
}

}  // namespace espalier::layers
