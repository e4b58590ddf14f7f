// A line chart as inline SVG, for the report. Private to train/ and tools/.
#pragma once

#include <string>
#include <vector>

namespace lamella {

struct Curve {
  std::string name;
  std::string colour;          // "#1f5fa8"
  std::vector<double> values;  // at x = 1, 2, …; drawn with dots where there are few
};

// `low` and `high` bound the y axis; equal: chosen from the values. Values that are not finite are
// left out.
std::string svg_plot(const std::string& title, const std::vector<Curve>& curves, double low = 0,
                     double high = 0);

// One line of text; `anchor` is start, middle or end. The text is escaped.
std::string svg_text(double x, double y, const std::string& anchor, const std::string& text);

}  // namespace lamella
