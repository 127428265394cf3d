#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace espalier {

// A registry is a range of rows, each with a `name`.
template <typename Rows>
std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.emplace_back(row.name);
  return names;
}

// The row of that name. Throws Error for an unknown one, as in "[table] unknown name 'x'; the tables are a,
// b": `unknown` is its beginning, `rows_are` what the rows are.
template <typename Rows>
const auto& find_row(const Rows& rows, std::string_view name, std::string_view unknown,
                     std::string_view rows_are) {
  for (const auto& row : rows)
    if (row.name == name) return row;
  fail("{} '{}'; the {} are {}", unknown, name, rows_are, fmt::join(names_of(rows), ", "));
}

}  // namespace espalier
