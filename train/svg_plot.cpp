#include "train/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "train/format.h"
#include "train/html_page.h"

namespace lamella {
namespace {

// The drawing's own units; the page scales it, down to 368 pixels on a narrow screen.
constexpr double kWidth = 420, kHeight = 240;
constexpr double kLeft = 52, kRight = 12, kTop = 34, kBottom = 34;

// The smallest of 1, 2, 5 times a power of ten that makes at most `ticks` steps over `range`.
double tick_step(double range, int ticks) {
  double step = std::pow(10.0, std::floor(std::log10(range / ticks)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (range / (step * factor) <= ticks) return step * factor;
  }
  return step * 10;
}

struct Axes {
  double low, high, count;
  double x(double epoch) const {
    const double t = count > 1 ? (epoch - 1) / (count - 1) : 0.5;
    return kLeft + t * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    const double t = (value - low) / (high - low);
    return kHeight - kBottom - t * (kHeight - kTop - kBottom);
  }
};

Axes fit(const std::vector<Curve>& curves, double low, double high) {
  Axes axes{low, high, 1};
  bool first = low == high;
  for (const Curve& curve : curves) {
    axes.count = std::max(axes.count, static_cast<double>(curve.values.size()));
    if (low != high) continue;
    for (const double value : curve.values) {
      if (!std::isfinite(value)) continue;
      axes.low = first ? value : std::min(axes.low, value);
      axes.high = first ? value : std::max(axes.high, value);
      first = false;
    }
  }
  if (low == high) axes.low = std::min(axes.low, 0.0);  // losses start at nought
  if (axes.high <= axes.low) axes.high = axes.low + 1;
  return axes;
}

std::string grid(const Axes& axes) {
  std::string svg;
  const double step = tick_step(axes.high - axes.low, 5);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  const auto first = static_cast<int>(std::ceil(axes.low / step - 1e-9));
  const auto last = static_cast<int>(std::floor(axes.high / step + 1e-6));
  for (int tick = first; tick <= last; ++tick) {  // whole numbers: no tick at -0
    const double v = tick * step;
    const std::string y = fixed(axes.y(v), 1);
    svg += "<line class=\"grid\" x1=\"" + fixed(kLeft, 0) + "\" x2=\"" + fixed(kWidth - kRight, 0) +
           "\" y1=\"" + y + "\" y2=\"" + y + "\"/>";
    svg += svg_text(kLeft - 6, axes.y(v) + 4, "end", fixed(v, decimals));
  }
  const double every = std::max(1.0, std::round(tick_step(std::max(axes.count, 2.0), 8)));
  for (double epoch = 1; epoch <= axes.count; epoch += every) {
    svg += svg_text(axes.x(epoch), kHeight - kBottom + 16, "middle", fixed(epoch, 0));
    if (epoch == 1 && every > 1) epoch = 0;  // 1, then multiples of `every`
  }
  return svg + svg_text((kLeft + kWidth - kRight) / 2, kHeight - 4, "middle", "epoch");
}

std::string line(const Curve& curve, const Axes& axes) {
  std::string points, dots;
  for (std::size_t i = 0; i < curve.values.size(); ++i) {
    if (!std::isfinite(curve.values[i])) continue;
    const std::string x = fixed(axes.x(static_cast<double>(i + 1)), 1);
    const std::string y = fixed(axes.y(curve.values[i]), 1);
    points += (points.empty() ? "" : " ") + x + "," + y;
    if (curve.values.size() <= 40) {
      dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"2.5\" fill=\"" + curve.colour + "\"/>";
    }
  }
  return "<polyline fill=\"none\" stroke-width=\"1.8\" stroke=\"" + curve.colour + "\" points=\"" +
         points + "\"/>" + dots;
}

}  // namespace

std::string svg_text(double x, double y, const std::string& anchor, const std::string& content) {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor +
         "\">" + escape_html(content) + "</text>";
}

std::string svg_plot(const std::string& title, const std::vector<Curve>& curves, double low,
                     double high) {
  const Axes axes = fit(curves, low, high);
  std::string svg = "<svg viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(kHeight, 0) +
                    "\" role=\"img\" aria-label=\"" + escape_html(title) + "\">";
  svg += "<g class=\"title\">" + svg_text(kLeft, 16, "start", title) + "</g>" + grid(axes);
  double key = kWidth - kRight;
  for (auto curve = curves.rbegin(); curve != curves.rend(); ++curve) {
    svg += line(*curve, axes);
    svg += "<g fill=\"" + curve->colour + "\">" + svg_text(key, 16, "end", curve->name) + "</g>";
    key -= 9.0 * static_cast<double>(curve->name.size()) + 16;
  }
  return svg + "</svg>\n";
}

}  // namespace lamella
