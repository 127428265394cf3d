#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace espalier::layers {

// The attributes of one layer as its description gives them, read strictly: a wrong type, a value outside its
// range and (in finish) an unknown key are Errors that name the layer.
class Attributes {
 public:
  Attributes(std::string layer, const nlohmann::json& values);

  const std::string& layer() const { return layer_; }
  int integer(const std::string& key, int low, int high);  // required
  int integer(const std::string& key, int low, int high, int fallback);
  // One integer for both axes, or [height, width].
  std::array<int, 2> pair(const std::string& key, int low, int high);  // required
  std::array<int, 2> pair(const std::string& key, int low, int high, std::array<int, 2> fallback);
  double number(const std::string& key, double low, double high, double fallback);
  bool boolean(const std::string& key, bool fallback);
  // Strictly increasing, each in [0, high), at least one.
  std::vector<int> indices(const std::string& key, int high, const std::vector<int>& fallback);
  void finish() const;

 private:
  const nlohmann::json* find(const std::string& key);
  const nlohmann::json& require(const std::string& key);
  int checked_integer(const std::string& key, const nlohmann::json& value, int low, int high) const;

  std::string layer_;
  const nlohmann::json& values_;
  std::set<std::string> known_;
};

}  // namespace espalier::layers
