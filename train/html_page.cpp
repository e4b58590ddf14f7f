#include "train/html_page.h"

namespace lamella {
namespace {

// 14 px text, nothing below 11 px; wide tables scroll inside their own box, never the page.
const char* const kStyle = R"(
:root { color-scheme: light; --paper: #fff; --ink: #1c2430; --soft: #4a5564; --rule: #e3e7ec;
  --code: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 20px 16px 48px; background: var(--paper);
  color: var(--ink); font: 14px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 28px 0 8px; border-bottom: 1px solid var(--rule);
  padding-bottom: 4px; }
p { margin: 6px 0; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 14px 0; }
.figures div { min-width: 130px; } .figures b { display: block; font-size: 22px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 12px; }
svg { width: 100%; height: auto; min-width: 0; } svg text { font-size: 14px; fill: var(--soft); }
svg .title text { font-weight: 600; fill: var(--ink); } svg g[fill] text { fill: inherit; }
svg .grid { stroke: var(--rule); }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; }
pre { font-size: 12px; background: var(--code); padding: 10px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  svg, table { break-inside: avoid; } .wide { overflow: visible; }
  td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)";

}  // namespace

std::string html_page(const std::string& title, const std::string& style, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape_html(title) + "</title>\n<style>" + kStyle + style + "</style>\n</head>\n<body>\n" +
         body + "</body>\n</html>\n";
}

std::string html_row(const std::vector<std::string>& cells) {
  std::string html = "<tr>";
  for (const std::string& content : cells) html += "<td>" + content + "</td>";
  return html + "</tr>\n";
}

std::string html_figure(const std::string& value, const std::string& name) {
  return "<div><b>" + value + "</b>" + name + "</div>\n";
}

std::string escape_html(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return safe;
}

}  // namespace lamella
