// Charts as inline SVG, for the report. Private to train/ and tools/.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lamella {

struct Curve {
  std::string name;    // in the key; empty: not there
  std::string colour;  // "#1f5fa8"
  std::vector<std::pair<double, double>> points;
  double width = 1.8;
  bool dots = false;
};

// The values of epochs 1, 2, ...; with dots where there are few.
Curve epoch_curve(const std::string& name, const std::string& colour,
                  const std::vector<double>& values);

struct PlotAxis {
  std::string name;
  double low = 0, high = 0;  // equal: chosen from the points
  bool whole = false;        // a count: marked at 1 and at whole numbers
};

// Points that are not finite are left out.
std::string svg_plot(const std::string& title, const std::vector<Curve>& curves, const PlotAxis& x,
                     const PlotAxis& y);

// Figures in [0, 1] on axes that leave one centre, joined to a polygon: six make a hexagon. At
// least 3; one that is not a number stands at 0 and is named "none".
std::string svg_radar(const std::string& title,
                      const std::vector<std::pair<std::string, double>>& figures);

// One line of text; `anchor` is start, middle or end. The text is escaped.
std::string svg_text(double x, double y, const std::string& anchor, const std::string& text);

}  // namespace lamella
