// The frame of the pages that lamella writes: one file, no scripts, nothing from outside. Private
// to train/ and tools/.
#pragma once

#include <string>
#include <vector>

namespace lamella {

// A whole page. `body` is HTML; `title` is escaped; `style` is CSS that comes after the common one,
// whose colours are the variables --paper --ink --soft --rule --code.
std::string html_page(const std::string& title, const std::string& style, const std::string& body);

// A row of a table; the cells are HTML.
std::string html_row(const std::vector<std::string>& cells);
// A number with what it is below it, for a <div class="figures">.
std::string html_figure(const std::string& value, const std::string& name);

// Text for HTML and SVG: & < > " ' escaped, control characters replaced.
std::string escape_html(const std::string& text);

}  // namespace lamella
