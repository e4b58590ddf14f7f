#include "train/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "train/format.h"
#include "train/html_page.h"

namespace lamella {
namespace {

// The drawing's own units; the page scales it, down to 368 pixels on a narrow screen.
constexpr double kWidth = 420, kHeight = 240;
constexpr double kLeft = 58, kRight = 12, kTop = 34, kBottom = 34;

// The smallest of 1, 2, 5 times a power of ten that makes at most `ticks` steps over `range`.
double tick_step(double range, int ticks) {
  double step = std::pow(10.0, std::floor(std::log10(range / ticks)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (range / (step * factor) <= ticks) return step * factor;
  }
  return step * 10;
}

struct Axes {
  PlotAxis across, up;
  double x(double value) const {
    const double range = across.high - across.low;
    const double t = range > 0 ? (value - across.low) / range : 0.5;
    return kLeft + t * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    const double t = (value - up.low) / (up.high - up.low);
    return kHeight - kBottom - t * (kHeight - kTop - kBottom);
  }
};

bool is_finite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

// `axis`, or one that holds the values that `of` takes from the points.
template <class Of>
PlotAxis fitted(PlotAxis axis, const std::vector<Curve>& curves, Of of) {
  if (axis.low != axis.high) return axis;
  bool first = true;
  for (const Curve& curve : curves) {
    for (const auto& point : curve.points) {
      if (!is_finite(point)) continue;
      axis.low = first ? of(point) : std::min(axis.low, of(point));
      axis.high = first ? of(point) : std::max(axis.high, of(point));
      first = false;
    }
  }
  if (axis.whole) return first ? PlotAxis{axis.name, 1, 1, true} : axis;
  axis.low = std::min(axis.low, 0.0);  // losses start at nought
  if (axis.high <= axis.low) axis.high = axis.low + 1;
  return axis;
}

struct Ticks {
  std::vector<double> values;
  int decimals;
};

Ticks ticks_of(const PlotAxis& axis, int most) {
  const double range = std::max(axis.high - axis.low, axis.whole ? 1.0 : 0.0);
  const double step =
      axis.whole ? std::max(1.0, std::round(tick_step(range + 1, most))) : tick_step(range, most);
  Ticks ticks{{},
              axis.whole ? 0 : std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)))};
  if (axis.whole && step > 1) ticks.values.push_back(1);
  const auto first = static_cast<std::int64_t>(std::ceil(axis.low / step - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(axis.high / step + 1e-6));
  // Whole numbers: no tick at -0.
  for (std::int64_t i = first; i <= last; ++i) {
    if (!axis.whole || i > 0) ticks.values.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::string grid(const Axes& axes) {
  std::string svg;
  const Ticks up = ticks_of(axes.up, 5), across = ticks_of(axes.across, 8);
  for (const double v : up.values) {
    const std::string y = fixed(axes.y(v), 1);
    svg += "<line class=\"grid\" x1=\"" + fixed(kLeft, 0) + "\" x2=\"" + fixed(kWidth - kRight, 0) +
           "\" y1=\"" + y + "\" y2=\"" + y + "\"/>";
    svg += svg_text(kLeft - 6, axes.y(v) + 4, "end", fixed(v, up.decimals));
  }
  for (const double v : across.values) {
    svg += svg_text(axes.x(v), kHeight - kBottom + 16, "middle", fixed(v, across.decimals));
  }
  svg += "<g transform=\"translate(12 " + fixed((kTop + kHeight - kBottom) / 2, 0) +
         ") rotate(-90)\">" + svg_text(0, 0, "middle", axes.up.name) + "</g>";
  return svg + svg_text((kLeft + kWidth - kRight) / 2, kHeight - 4, "middle", axes.across.name);
}

std::string line(const Curve& curve, const Axes& axes) {
  std::string points, dots;
  for (const auto& point : curve.points) {
    if (!is_finite(point)) continue;
    const std::string x = fixed(axes.x(point.first), 1), y = fixed(axes.y(point.second), 1);
    points += (points.empty() ? "" : " ") + x + "," + y;
    if (curve.dots) {
      dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"2.5\" fill=\"" + curve.colour + "\"/>";
    }
  }
  return "<polyline fill=\"none\" stroke-width=\"" + fixed(curve.width, 1) + "\" stroke=\"" +
         curve.colour + "\" points=\"" + points + "\"/>" + dots;
}

std::string opened(const std::string& title) {
  return "<svg viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(kHeight, 0) +
         "\" role=\"img\" aria-label=\"" + escape_html(title) + "\"><g class=\"title\">" +
         svg_text(kLeft, 16, "start", title) + "</g>";
}

}  // namespace

std::string svg_text(double x, double y, const std::string& anchor, const std::string& content) {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor +
         "\">" + escape_html(content) + "</text>";
}

Curve epoch_curve(const std::string& name, const std::string& colour,
                  const std::vector<double>& values) {
  Curve curve{name, colour, {}};
  for (const double value : values) {
    curve.points.emplace_back(static_cast<double>(curve.points.size() + 1), value);
  }
  curve.dots = values.size() <= 40;
  return curve;
}

std::string svg_plot(const std::string& title, const std::vector<Curve>& curves, const PlotAxis& x,
                     const PlotAxis& y) {
  const Axes axes{fitted(x, curves, [](const auto& point) { return point.first; }),
                  fitted(y, curves, [](const auto& point) { return point.second; })};
  std::string svg = opened(title) + grid(axes);
  double key = kWidth - kRight;
  for (const Curve& curve : curves) svg += line(curve, axes);
  for (auto curve = curves.rbegin(); curve != curves.rend(); ++curve) {
    if (curve->name.empty()) continue;
    svg += "<g fill=\"" + curve->colour + "\">" + svg_text(key, 16, "end", curve->name) + "</g>";
    key -= 9.0 * static_cast<double>(curve->name.size()) + 16;
  }
  return svg + "</svg>\n";
}

std::string svg_radar(const std::string& title,
                      const std::vector<std::pair<std::string, double>>& figures) {
  constexpr double kX = kWidth / 2, kY = 132, kRadius = 82, kPi = 3.14159265358979323846;
  const auto count = static_cast<double>(figures.size());
  const auto at = [&](std::size_t i, double radius) {
    const double angle = 2 * kPi * static_cast<double>(i) / count - kPi / 2;
    return std::pair(kX + radius * std::cos(angle), kY + radius * std::sin(angle));
  };
  const auto polygon = [&](auto radius_of) {
    std::string points;
    for (std::size_t i = 0; i < figures.size(); ++i) {
      const auto [x, y] = at(i, radius_of(i));
      points += (i == 0 ? "" : " ") + fixed(x, 1) + "," + fixed(y, 1);
    }
    return points;
  };
  std::string svg = opened(title);
  for (const double ring : {0.2, 0.4, 0.6, 0.8, 1.0}) {
    svg += "<polygon class=\"grid\" fill=\"none\" points=\"" +
           polygon([&](std::size_t) { return ring * kRadius; }) + "\"/>";
  }
  svg +=
      "<polygon fill=\"rgba(31,95,168,0.25)\" stroke=\"#1f5fa8\" stroke-width=\"1.8\" points=\"" +
      polygon([&](std::size_t i) {
        const double value = figures[i].second;
        return kRadius * (std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : 0.0);
      }) +
      "\"/>";
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto [x, y] = at(i, kRadius + 12);
    const std::string anchor = std::abs(x - kX) < 1 ? "middle" : x > kX ? "start" : "end";
    const auto& [name, value] = figures[i];
    svg += svg_text(x, y + (y > kY + 1 ? 10 : 0), anchor,
                    name + " " + (std::isfinite(value) ? fixed(value, 3) : "none"));
  }
  return svg + "</svg>\n";
}

}  // namespace lamella
