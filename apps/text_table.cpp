#include "apps/text_table.h"

#include <algorithm>

#include "core/error.h"

namespace espalier::apps {
namespace {

// Columns as a terminal counts them: UTF-8 continuation bytes take none.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool left) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return left ? text + space : space + text;
}

}  // namespace

void TextTable::add(std::vector<std::string> row) {
  check(row.size() == header_.size(), "[table] a row of {} cells under {} columns", row.size(),
        header_.size());
  rows_.push_back(std::move(row));
}

std::vector<size_t> TextTable::widths() const {
  std::vector<size_t> result;
  for (size_t column = 0; column < header_.size(); ++column) {
    size_t width = width_of(header_[column]);
    for (const auto& row : rows_) width = std::max(width, width_of(row[column]));
    result.push_back(width);
  }
  return result;
}

std::string TextTable::text() const {
  const std::vector<size_t> width = widths();
  std::string result;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t column = 0; column < cells.size(); ++column)
      text += (column == 0 ? "" : "  ") + padded(cells[column], width[column], column == 0);
    text.erase(text.find_last_not_of(' ') + 1);
    result += text + "\n";
  };
  line(header_);
  std::vector<std::string> rule;
  for (size_t each : width) rule.emplace_back(each, '-');
  line(rule);
  for (const auto& row : rows_) line(row);
  return result;
}

std::string TextTable::markdown() const {
  const std::vector<size_t> width = widths();
  std::string result;
  const auto line = [&](const std::vector<std::string>& cells) {
    result += "|";
    for (size_t column = 0; column < cells.size(); ++column)
      result += fmt::format(" {} |", padded(cells[column], width[column], column == 0));
    result += "\n";
  };
  line(header_);
  result += "|";
  for (size_t column = 0; column < width.size(); ++column)
    result +=
        column == 0 ? std::string(width[column] + 2, '-') + "|" : std::string(width[column] + 1, '-') + ":|";
  result += "\n";
  for (const auto& row : rows_) line(row);
  return result;
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string percent(double share, int digits) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}

}  // namespace espalier::apps
