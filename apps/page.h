#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "apps/text_table.h"

namespace espalier::apps {

// A document of headings, paragraphs and tables, in the form that its reader wants.
class Page {
 public:
  Page& title(std::string text);
  Page& heading(std::string text);
  Page& paragraph(std::string text);
  Page& table(TextTable table);

  std::string text() const;  // for a terminal
  std::string markdown() const;
  // {"title": …, "sections": [{"heading": …, "text": […], "tables": [TextTable::json()]}]}; what stands
  // before the first heading is a section whose heading is empty.
  nlohmann::json json() const;

 private:
  struct Heading {
    std::string text;
    int level;
  };
  using Part = std::variant<Heading, std::string, TextTable>;
  std::vector<Part> parts_;
};

}  // namespace espalier::apps
