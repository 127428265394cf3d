#include "core/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/toml.h"

namespace espalier {
namespace {

std::string describe(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array_of_tables()) return "an array of tables";
  if (node.is_array()) return "an array";
  std::ostringstream text;
  // toml++ would print 0.1 as 0.10000000000000001.
  if (const toml::value<double>* number = node.as_floating_point())
    text << fmt::format("{}", number->get());
  else if (const toml::value<std::string>* word = node.as_string())
    text << '"' << word->get() << '"';
  else
    node.visit([&](const auto& value) { text << value; });
  constexpr size_t kMost = 100;
  return text.str().size() <= kMost ? text.str() : fmt::format("a text of {} bytes", text.str().size());
}

// "an integer in [1, 100]", with the sides that say something.
template <typename T>
std::string range(std::string_view what, T low, T high, T lowest, T highest) {
  if (low == lowest && high == highest) return std::string(what);
  if (high == highest) return fmt::format("{} >= {}", what, low);
  if (low == lowest) return fmt::format("{} <= {}", what, high);
  return fmt::format("{} in [{}, {}]", what, low, high);
}

std::optional<double> finite_number(const toml::node& node) {
  if (!node.is_number()) return {};
  const auto value = node.value<double>();
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const size_t begin = std::min(text.find_first_not_of(kBlank), text.size());
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

std::vector<std::string> split_key(std::string_view key, const std::string& origin) {
  std::vector<std::string> steps(1);
  for (const char c : key) {
    if (c == '.')
      steps.emplace_back();
    else
      steps.back() += c;
  }
  for (const std::string& step : steps)
    check(!step.empty(), "{}: '{}' is no key; expected names joined by dots", origin, key);
  return steps;
}

// A table that holds the value of an assignment as "value".
toml::table parse_value(std::string_view text, const std::string& origin) {
  check(!text.empty(), "{}: no value; an empty string is \"\"", origin);
  check(text.find_first_of("\r\n") == std::string_view::npos, "{}: the value has more than one line", origin);
  try {
    return parse_toml(fmt::format("value = {}", text), origin);
  } catch (const Error&) {
    if (std::string_view("[{\"'").find(text[0]) != std::string_view::npos) throw;
    return parse_toml(fmt::format("value = '{}'", text), origin);
  }
}

// The place in `array` that `step` names, from 0.
std::ptrdiff_t index_of(const toml::array& array, std::string_view step, const std::string& origin) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), number);
  check(error == std::errc() && end == step.data() + step.size() && number >= 1 && number <= array.size(),
        "{}: '{}' is no element; expected a number in [1, {}]", origin, step, array.size());
  return static_cast<std::ptrdiff_t>(number - 1);
}

// The table or array at `step` of a table or array.
toml::node& element_of(toml::node& parent, const std::string& step, const std::string& origin) {
  toml::node* element = parent.is_array() ? parent.as_array()->get(index_of(*parent.as_array(), step, origin))
                                          : parent.as_table()->get(step);
  check(element != nullptr, "{}: there is no table '{}'", origin, step);
  check(element->is_table() || element->is_array(), "{}: '{}' is {}, not a table", origin, step,
        describe(*element));
  return *element;
}

const toml::table kEmpty;

}  // namespace

struct Config::Document {
  toml::table root;
  std::string origin;
  bool shared = false;  // whether a child table was handed out
};

struct Config::Node {
  std::shared_ptr<Document> document;
  toml::table* table;  // null where the recipe has no such table
  std::string path;    // "stage.2"; empty for the root
  std::set<std::string, std::less<>> asked = {};
  // Kept, so that all handles of one table share `asked`.
  std::map<std::string, std::shared_ptr<Node>> children = {};

  const toml::table& values() const { return table == nullptr ? kEmpty : *table; }
  std::string name_of(std::string_view key) const {
    return path.empty() || key.empty() ? path + std::string(key) : fmt::format("{}.{}", path, key);
  }
  // The value at `key`, remembering that it was asked for.
  const toml::node* ask(std::string_view key) {
    asked.emplace(key);
    return values().get(key);
  }
  std::shared_ptr<Node> child(const std::string& key, toml::table* child_table) {
    document->shared = true;
    auto& found = children[key];
    if (found == nullptr) found = std::make_shared<Node>(Node{document, child_table, name_of(key)});
    return found;
  }
};

Config::Config(std::shared_ptr<Node> node) : node_(std::move(node)) {}

Config Config::from_file(const std::filesystem::path& path) {
  return from_text(read_text(path, kMaxRecipeBytes), path.string());
}

Config Config::from_text(std::string_view text, std::string origin) {
  toml::table root = parse_toml(text, origin);
  auto document = std::make_shared<Document>(Document{std::move(root), std::move(origin)});
  return Config(std::make_shared<Node>(Node{document, &document->root, ""}));
}

void Config::set(std::string_view assignment) {
  Document& document = *node_->document;
  check(!document.shared, "[config] '{}' is set after a table was read; set values first", assignment);
  const size_t equals = assignment.find('=');
  check(equals != std::string_view::npos, "[config] '{}' is no assignment; expected key=value", assignment);
  const std::string origin = fmt::format("set '{}'", assignment);
  toml::table parsed = parse_value(trim(assignment.substr(equals + 1)), origin);

  std::vector<std::string> steps = split_key(trim(assignment.substr(0, equals)), origin);
  const std::string last = std::move(steps.back());
  steps.pop_back();
  toml::node* parent = node_->table;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i + 1 == steps.size() && parent->is_table()) parent->as_table()->emplace<toml::table>(steps[i]);
    parent = &element_of(*parent, steps[i], origin);
  }
  if (parent->is_table()) {
    parent->as_table()->insert_or_assign(last, std::move(*parsed.get("value")));
  } else {
    toml::array& array = *parent->as_array();
    array.replace(array.begin() + index_of(array, last, origin), std::move(*parsed.get("value")));
  }
}

std::string Config::where(std::string_view key) const {
  const toml::node* node = node_->values().get(key);
  if (node == nullptr) node = node_->table;
  const toml::source_region source = node == nullptr ? toml::source_region{} : node->source();
  // Values of set() carry the assignment as their origin.
  std::string place = source.path ? *source.path : node_->document->origin;
  if (source.begin && place == node_->document->origin) place += fmt::format(":{}", source.begin.line);
  const std::string name = node_->name_of(key);
  return name.empty() ? place : fmt::format("{}: {}", place, name);
}

namespace {

// Returns the value at `key` as `read` takes it from its node, or the fallback when the key is absent.
template <typename T, typename Read>
T get(const toml::node* node, std::optional<T> fallback, const std::string& where, std::string_view expected,
      Read read) {
  if (node == nullptr) {
    check(fallback.has_value(), "{} is missing; expected {}", where, expected);
    return *std::move(fallback);
  }
  std::optional<T> value = read(*node);
  check(value.has_value(), "{} is {}; expected {}", where, describe(*node), expected);
  return *std::move(value);
}

template <typename T, typename Read>
std::optional<std::vector<T>> read_array(const toml::node& node, Read read) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return {};
  std::vector<T> values;
  values.reserve(array->size());
  for (const toml::node& element : *array) {
    std::optional<T> value = read(element);
    if (!value) return {};
    values.push_back(*std::move(value));
  }
  return values;
}

std::optional<std::string> read_string(const toml::node& node) {
  return node.value_exact<std::string>();
}

}  // namespace

bool Config::has(std::string_view key) const {
  return node_->values().contains(key);
}

bool Config::is_table(std::string_view key) const {
  const toml::node* node = node_->values().get(key);
  return node != nullptr && node->is_table();
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : node_->values()) result.emplace_back(key.str());
  return result;
}

std::string Config::get_string(std::string_view key, std::optional<std::string> fallback) const {
  return get(node_->ask(key), std::move(fallback), where(key), "a string", read_string);
}

std::string Config::get_choice(std::string_view key, const std::vector<std::string>& choices,
                               std::optional<std::string> fallback) const {
  const std::string expected = fmt::format("one of {}", fmt::join(choices, ", "));
  return get(node_->ask(key), std::move(fallback), where(key), expected, [&](const toml::node& node) {
    const auto text = read_string(node);
    return text && std::find(choices.begin(), choices.end(), *text) != choices.end() ? text : std::nullopt;
  });
}

bool Config::get_bool(std::string_view key, std::optional<bool> fallback) const {
  return get(node_->ask(key), fallback, where(key), "true or false",
             [](const toml::node& node) { return node.value_exact<bool>(); });
}

int64_t Config::get_integer(std::string_view key, std::optional<int64_t> fallback, int64_t low,
                            int64_t high) const {
  const std::string expected = range<int64_t>("an integer", low, high, INT64_MIN, INT64_MAX);
  return get(node_->ask(key), fallback, where(key), expected, [&](const toml::node& node) {
    const auto value = node.value_exact<int64_t>();
    return value && *value >= low && *value <= high ? value : std::nullopt;
  });
}

double Config::get_number(std::string_view key, std::optional<double> fallback, double low,
                          double high) const {
  const std::string expected = range("a number", low, high, -1e300, 1e300);
  return get(node_->ask(key), fallback, where(key), expected, [&](const toml::node& node) {
    const auto value = finite_number(node);
    return value && *value >= low && *value <= high ? value : std::nullopt;
  });
}

std::vector<double> Config::get_numbers(std::string_view key,
                                        std::optional<std::vector<double>> fallback) const {
  return get(node_->ask(key), std::move(fallback), where(key), "an array of numbers",
             [](const toml::node& node) { return read_array<double>(node, finite_number); });
}

std::vector<std::string> Config::get_strings(std::string_view key,
                                             std::optional<std::vector<std::string>> fallback) const {
  return get(node_->ask(key), std::move(fallback), where(key), "an array of strings",
             [](const toml::node& node) { return read_array<std::string>(node, read_string); });
}

Config Config::table(std::string_view key, bool required) const {
  const toml::node* node = node_->ask(key);
  check(node != nullptr || !required, "{} is missing; expected a table", where(key));
  check(node == nullptr || node->is_table(), "{} is {}; expected a table", where(key),
        node == nullptr ? "" : describe(*node));
  return Config(
      node_->child(std::string(key), node == nullptr ? nullptr : node_->table->get_as<toml::table>(key)));
}

std::vector<Config> Config::tables(std::string_view key) const {
  const toml::node* node = node_->ask(key);
  std::vector<Config> result;
  if (node == nullptr) return result;
  const std::string place = where(key);
  check(node->is_array_of_tables() || (node->is_array() && node->as_array()->empty()),
        "{} is {}; expected an array of tables ([[{}]])", place, describe(*node), key);
  for (toml::node& element : *node_->table->get_as<toml::array>(key))
    result.push_back(Config(node_->child(fmt::format("{}.{}", key, result.size() + 1), element.as_table())));
  return result;
}

void Config::finish() const {
  for (const auto& [key, value] : node_->values())
    check(node_->asked.contains(key.str()), "{} is unknown; the keys known here are {}", where(key.str()),
          fmt::join(node_->asked, ", "));
}

std::string Config::to_text() const {
  std::ostringstream text;
  text << node_->values() << "\n";
  return text.str();
}

}  // namespace espalier
