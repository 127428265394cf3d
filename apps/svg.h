#pragma once

#include <string>

namespace espalier::apps {

// A drawing as an SVG document, which a browser shows as it is. Lengths are in pixels, y grows downward,
// colours are those of CSS.
class Svg {
 public:
  Svg(double width, double height);

  void rectangle(double x, double y, double width, double height, const std::string& fill,
                 const std::string& stroke);
  // `data` as of a path's attribute d.
  void path(const std::string& data, const std::string& stroke);
  void circle(double x, double y, double radius, const std::string& fill);
  // A colour for the `index`-th of many things: hues a golden angle apart, so that neighbours differ.
  static std::string colour(size_t index);
  enum class Anchor { start, middle, end };
  // Any UTF-8; x, y is the baseline's beginning, middle or end.
  void text(double x, double y, const std::string& text, double size, bool bold,
            Anchor anchor = Anchor::start);

  std::string document() const { return body_ + "</svg>\n"; }

 private:
  std::string body_;
};

}  // namespace espalier::apps
