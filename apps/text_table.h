#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace espalier::apps {

// Rows of text under a header, drawn as aligned columns (the first to the left, the others to the right), as
// Markdown or as JSON.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  // REQUIRES: as many cells as the header.
  void add(std::vector<std::string> row);
  std::string text() const;
  std::string markdown() const;
  // {"header": […], "rows": [[…]]}; not by name, since two columns may have the same.
  nlohmann::json json() const { return {{"header", header_}, {"rows", rows_}}; }

 private:
  std::vector<size_t> widths() const;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// 1234567 as "1,234,567".
std::string grouped(int64_t number);
// A share as "12.34 %".
std::string percent(double share, int digits = 2);

}  // namespace espalier::apps
