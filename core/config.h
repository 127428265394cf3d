#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// One table of a recipe (TOML), read strictly. Every getter remembers its key; finish() makes a key that
// nobody asked for an error. Errors name the file, the line, the key, what came and what was expected:
//   quickstart.toml:12: stage.2.epochs is "five"; expected an integer >= 1
// A Config is a cheap handle; child tables share the document.
class Config {
 public:
  // Throws Error for a file that is missing, larger than 1 MiB, nested deeper than 32 levels, or not TOML.
  static Config from_file(const std::filesystem::path& path);
  static Config from_text(std::string_view text, std::string origin);

  // Sets a dotted key ("stage.3.epochs=5"; array elements count from 1) to a TOML value; a word that is not
  // TOML is a string. Intermediate tables must exist, except the last's parent table, which is made. Throws
  // Error on a malformed assignment, and once a child table was handed out: values are set before they are
  // read.
  void set(std::string_view assignment);

  bool has(std::string_view key) const;
  std::string where(std::string_view key = {}) const;  // "quickstart.toml:12: stage.2.epochs"

  // With a fallback the key may be absent; without one its absence is an error. `low` and `high` are
  // inclusive.
  std::string get_string(std::string_view key, std::optional<std::string> fallback = {}) const;
  std::string get_choice(std::string_view key, const std::vector<std::string>& choices,
                         std::optional<std::string> fallback = {}) const;
  bool get_bool(std::string_view key, std::optional<bool> fallback = {}) const;
  int64_t get_integer(std::string_view key, std::optional<int64_t> fallback = {}, int64_t low = INT64_MIN,
                      int64_t high = INT64_MAX) const;
  double get_number(std::string_view key, std::optional<double> fallback = {}, double low = -1e300,
                    double high = 1e300) const;  // integers are accepted; NaN and infinities are not
  std::vector<double> get_numbers(std::string_view key,
                                  std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::string> get_strings(std::string_view key,
                                       std::optional<std::vector<std::string>> fallback = {}) const;

  // A child table; an absent one reads as empty when `required` is false.
  Config table(std::string_view key, bool required = true) const;
  // An array of tables ([[stage]]); empty when absent.
  std::vector<Config> tables(std::string_view key) const;
  std::vector<std::string> keys() const;
  bool is_table(std::string_view key) const;

  // Throws Error naming the first key (of this table, not its children) that no getter asked for, and the
  // keys known here.
  void finish() const;
  // This table as TOML text: the effective recipe, overrides included.
  std::string to_text() const;

 private:
  struct Document;
  struct Node;
  explicit Config(std::shared_ptr<Node> node);
  std::shared_ptr<Node> node_;
};

}  // namespace espalier
