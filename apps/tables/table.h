#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::apps {

// A paper's table: published figures in columns of their own beside those that runs measured.
struct TableRow {
  std::string_view name;
  std::string_view description;
  std::string (*render)(const std::vector<nlohmann::json>& summaries);  // Markdown
};
std::span<const TableRow> tables();
// Throws Error for an unknown name, or a file that is no summary for this table.
std::string render_table(std::string_view name, const std::vector<std::filesystem::path>& summaries);

std::string cifar_table(const std::vector<nlohmann::json>& summaries);
std::string deep_compression_table(const std::vector<nlohmann::json>& summaries);

}  // namespace espalier::apps
