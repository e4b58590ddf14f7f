// Files that are whole at any instant: written beside, flushed to the disk, renamed.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lamella {

// Writes the pieces one after the other to a temporary name beside `path`, flushes it, renames it
// to `path` and flushes the folder. Throws Error that names the file and the reason; the temporary
// file is then gone and `path` is as it was.
void write_file_durably(const std::string& path,
                        const std::vector<std::span<const std::byte>>& pieces);
void write_file_durably(const std::string& path, const std::string& text);

// Whether a file of this name is one that a killed process left unfinished.
bool is_temporary(const std::string& name);

// Renames within one folder and flushes it. Throws Error.
void rename_durably(const std::string& from, const std::string& to);

// The whole file. Throws Error that names it when it cannot be read or is longer than `limit`.
std::string read_text_file(const std::string& path, std::size_t limit = std::size_t{64} << 20U);

}  // namespace lamella
