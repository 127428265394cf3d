#include "apps/page.h"

#include "core/error.h"

namespace espalier::apps {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

Page& Page::title(std::string text) {
  parts_.emplace_back(Heading{std::move(text), 1});
  return *this;
}

Page& Page::heading(std::string text) {
  parts_.emplace_back(Heading{std::move(text), 2});
  return *this;
}

Page& Page::paragraph(std::string text) {
  parts_.emplace_back(std::move(text));
  return *this;
}

Page& Page::table(TextTable table) {
  parts_.emplace_back(std::move(table));
  return *this;
}

std::string Page::text() const {
  std::vector<std::string> parts;
  for (const Part& part : parts_)
    parts.push_back(std::visit(
        Overloaded{[](const Heading& heading) {
                     return heading.text + "\n" +
                            std::string(heading.text.size(), heading.level == 1 ? '=' : '-') + "\n";
                   },
                   [](const std::string& paragraph) { return paragraph + "\n"; },
                   [](const TextTable& table) { return table.text(); }},
        part));
  return fmt::format("{}", fmt::join(parts, "\n"));
}

std::string Page::markdown() const {
  std::vector<std::string> parts;
  for (const Part& part : parts_)
    parts.push_back(std::visit(Overloaded{[](const Heading& heading) {
                                            return std::string(static_cast<size_t>(heading.level), '#') +
                                                   " " + heading.text + "\n";
                                          },
                                          [](const std::string& paragraph) { return paragraph + "\n"; },
                                          [](const TextTable& table) { return table.markdown(); }},
                               part));
  return fmt::format("{}", fmt::join(parts, "\n"));
}

nlohmann::json Page::json() const {
  const auto section = [](const std::string& heading) {
    return nlohmann::json{
        {"heading", heading}, {"text", nlohmann::json::array()}, {"tables", nlohmann::json::array()}};
  };
  nlohmann::json result = {{"title", ""}, {"sections", {section("")}}};
  nlohmann::json& sections = result["sections"];
  for (const Part& part : parts_)
    std::visit(Overloaded{[&](const Heading& heading) {
                            if (heading.level == 1)
                              result["title"] = heading.text;
                            else
                              sections.push_back(section(heading.text));
                          },
                          [&](const std::string& paragraph) { sections.back()["text"].push_back(paragraph); },
                          [&](const TextTable& table) { sections.back()["tables"].push_back(table.json()); }},
               part);
  return result;
}

}  // namespace espalier::apps
