#include "apps/svg.h"

#include <fmt/format.h>

#include <cmath>

namespace espalier::apps {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (static_cast<unsigned char>(c) < 0x20)
      result += ' ';  // XML has no such characters
    else
      result += c;
  }
  return result;
}

}  // namespace

Svg::Svg(double width, double height)
    : body_(fmt::format(
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
          "{1}\" font-family=\"sans-serif\">\n",
          width, height)) {
  rectangle(0, 0, width, height, "#ffffff", "none");
}

void Svg::rectangle(double x, double y, double width, double height, const std::string& fill,
                    const std::string& stroke) {
  body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"{}\"/>\n", x,
                       y, width, height, fill, stroke);
}

void Svg::path(const std::string& data, const std::string& stroke) {
  body_ += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", data, stroke);
}

std::string Svg::colour(size_t index) {
  return fmt::format("hsl({:.0f},65%,45%)", std::fmod(static_cast<double>(index) * 137.508, 360.0));
}

void Svg::circle(double x, double y, double radius, const std::string& fill) {
  body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>\n", x, y, radius, fill);
}

void Svg::text(double x, double y, const std::string& text, double size, bool bold, Anchor anchor) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ +=
      fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, size,
                  kAnchors[static_cast<int>(anchor)], bold ? " font-weight=\"bold\"" : "", escaped(text));
}

}  // namespace espalier::apps
