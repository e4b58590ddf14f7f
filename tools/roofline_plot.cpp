#include "tools/roofline_plot.h"

#include <algorithm>
#include <cmath>

#include "train/format.h"
#include "train/html_page.h"
#include "train/svg_plot.h"

namespace lamella::tool {
namespace {

constexpr double kLeft = 52, kRight = 14, kTop = 14, kRoof = 210, kAxis = 40, kStrip = 36;
constexpr std::size_t kFew = 4;  // points of a group that are labelled

// "0.01", "100".
std::string power_text(int exponent) {
  return exponent < 0 ? fixed(std::pow(10.0, exponent), -exponent)
                      : fixed(std::pow(10.0, exponent), 0);
}

// Intensity along x, FLOP/s along y, both as powers of ten.
struct Axes {
  double width, height;
  int x_low, x_high, y_low, y_high;

  double x(double intensity) const {
    const double t = (std::log10(intensity) - x_low) / (x_high - x_low);
    return kLeft + t * (width - kLeft - kRight);
  }
  double y(double flops) const {
    const double t = (std::log10(flops) - y_low) / (y_high - y_low);
    return kTop + (1 - t) * kRoof;
  }
};

Axes fit(const Roofline& gpu, const std::vector<RooflinePoint>& points, double width,
         std::size_t groups) {
  const double bandwidth = gpu.gigabytes_per_second * 1e9;
  double low = 1, high = 2 * gpu.tflops_16bit * 1e12 / bandwidth;  // a little behind the ridge
  for (const RooflinePoint& point : points) {
    low = std::min({low, point.least, point.distinct});
    high = std::max({high, point.least, point.distinct});
  }
  Axes axes{};
  axes.width = width;
  axes.height = kTop + kRoof + kAxis + kStrip * static_cast<double>(groups) + 8;
  axes.x_low = static_cast<int>(std::floor(std::log10(low)));
  axes.x_high = static_cast<int>(std::ceil(std::log10(high)));
  axes.y_low = static_cast<int>(std::floor(std::log10(std::pow(10, axes.x_low) * bandwidth)));
  axes.y_high = static_cast<int>(std::ceil(std::log10(gpu.tflops_16bit * 1e12) + 0.1));
  return axes;
}

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return std::string("<line class=\"") + kind + "\" x1=\"" + fixed(x1, 1) + "\" y1=\"" +
         fixed(y1, 1) + "\" x2=\"" + fixed(x2, 1) + "\" y2=\"" + fixed(y2, 1) + "\"/>";
}

std::string grid(const Axes& axes) {
  std::string svg;
  const double bottom = axes.height - 4;
  for (int power = axes.x_low; power <= axes.x_high; ++power) {
    const double x = axes.x(std::pow(10.0, power));
    svg +=
        line("grid", x, kTop, x, kTop + kRoof) + line("grid", x, kTop + kRoof + kAxis, x, bottom);
    svg +=
        svg_text(x, kTop + kRoof + 16, power == axes.x_high ? "end" : "middle", power_text(power));
  }
  const bool crowded = axes.y_high - axes.y_low > 6;
  for (int power = axes.y_low; power <= axes.y_high; ++power) {
    const double y = axes.y(std::pow(10.0, power));
    svg += line("grid", kLeft, y, axes.width - kRight, y);
    if (!crowded || power % 2 == 0) {
      svg += svg_text(kLeft - 6, y + 4, "end", power_text(power - 12));
    }
  }
  svg += svg_text(kLeft + 4, kTop + 12, "start", "TFLOP/s");
  return svg +
         svg_text((kLeft + axes.width - kRight) / 2, kTop + kRoof + 32, "middle", "FLOPs per byte");
}

// The slope of the memory up to the highest ceiling, and a ceiling for each kind of unit.
std::string roof(const Axes& axes, const Roofline& gpu) {
  const double bandwidth = gpu.gigabytes_per_second * 1e9, left = std::pow(10.0, axes.x_low);
  const double top = std::max(gpu.tflops_16bit, gpu.tflops_f32) * 1e12;
  std::string svg =
      line("roof", axes.x(left), axes.y(left * bandwidth), axes.x(top / bandwidth), axes.y(top));
  const double right = axes.width - kRight;
  const auto ceiling = [&](double tflops, const std::string& name, double above) {
    const double y = axes.y(tflops * 1e12);
    svg += line("roof", axes.x(tflops * 1e12 / bandwidth), y, right, y);
    svg += svg_text(right, y + above, "end", name + " " + fixed(tflops, 1));
  };
  const double apart = std::abs(axes.y(gpu.tflops_16bit * 1e12) - axes.y(gpu.tflops_f32 * 1e12));
  ceiling(gpu.tflops_16bit, "bf16, f16", -5);
  ceiling(gpu.tflops_f32, "f32", apart > 20 ? -5 : 15);
  const double middle = std::sqrt(left * 0.1 * top / bandwidth);
  return svg + svg_text(axes.x(middle) + 10, axes.y(middle * bandwidth) + 12, "start",
                        fixed(gpu.gigabytes_per_second, 0) + " GB/s");
}

std::string dot(const char* kind, double x, double y) {
  return std::string("<circle class=\"") + kind + "\" cx=\"" + fixed(x, 1) + "\" cy=\"" +
         fixed(y, 1) + "\" r=\"4\"/>";
}

// FLOP/s that the roof allows there.
double attainable(const Roofline& gpu, DType dtype, double intensity) {
  return intensity / gpu.floor(1, intensity, dtype);
}

std::string on_the_roof(const Axes& axes, const Roofline& gpu, const RooflinePoint& point) {
  return dot("point", axes.x(point.distinct), axes.y(attainable(gpu, point.dtype, point.distinct)));
}

// The name, and below it each call: a ring at its least bytes, a dot at what it touched.
std::string strip(const Axes& axes, const std::vector<RooflinePoint>& points, double top) {
  const double y = top + 25;
  std::string svg = "<a href=\"#" + escape_html(points[0].group) + "\">" +
                    svg_text(4, top + 12, "start", points[0].group) + "</a>";
  svg += line("grid", kLeft, y, axes.width - kRight, y);
  double free = 0;  // where the next label may begin
  for (const RooflinePoint& point : points) {
    const double least = axes.x(point.least), touched = axes.x(point.distinct);
    svg += "<g><title>" + escape_html(point.hint) + "</title>" +
           line("link", least, y, touched, y) + dot("least", least, y) + dot("point", touched, y) +
           "</g>";
    const double room = 7.5 * static_cast<double>(point.label.size());
    const bool fits = least + 8 >= free && least + 8 + room < axes.width;
    if (points.size() > kFew || point.label.empty() || !fits) continue;
    svg += svg_text(least + 8, y + 4, "start", point.label);
    free = least + 16 + room;
  }
  return svg;
}

std::vector<std::vector<RooflinePoint>> by_group(const std::vector<RooflinePoint>& points) {
  std::vector<std::vector<RooflinePoint>> groups;
  for (const RooflinePoint& point : points) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& members) { return members[0].group == point.group; });
    if (group == groups.end()) group = groups.insert(group, std::vector<RooflinePoint>());
    group->push_back(point);
  }
  for (auto& group : groups) {  // labels go from left to right
    std::stable_sort(group.begin(), group.end(),
                     [](const auto& a, const auto& b) { return a.least < b.least; });
  }
  return groups;
}

}  // namespace

std::string roofline_svg(const Roofline& gpu, const std::vector<RooflinePoint>& points,
                         double width) {
  const auto groups = by_group(points);
  const Axes axes = fit(gpu, points, width, groups.size());
  std::string svg = "<svg viewBox=\"0 0 " + fixed(width, 0) + " " + fixed(axes.height, 0) +
                    "\" role=\"img\" aria-label=\"Roofline of " + escape_html(gpu.name) + "\">";
  svg += grid(axes) + roof(axes, gpu);
  for (const RooflinePoint& point : points) svg += on_the_roof(axes, gpu, point);
  double top = kTop + kRoof + kAxis;
  for (const auto& group : groups) {
    svg += strip(axes, group, top);
    top += kStrip;
  }
  return svg + "</svg>\n";
}

}  // namespace lamella::tool
