#include "weights/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "engine/errors.h"

namespace lamella {
namespace {

const std::string kTemporary = ".tmp";  // and the number of the process

std::string reason() {
  return std::strerror(errno);
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void write_all(int file, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write ", path, ": ", reason());
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void flush_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) fail("cannot open folder ", folder, ": ", reason());
  const int failed = ::fsync(handle);
  const std::string why = reason();
  ::close(handle);
  if (failed != 0) fail("cannot flush folder ", folder, ": ", why);
}

}  // namespace

void write_file_durably(const std::string& path,
                        const std::vector<std::span<const std::byte>>& pieces) {
  const std::string temporary = path + kTemporary + std::to_string(::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("cannot write ", path, ": ", reason());
  try {
    for (const auto& piece : pieces) write_all(file, piece, path);
    if (::fsync(file) != 0) fail("cannot flush ", path, " to the disk: ", reason());
  } catch (...) {
    ::close(file);
    ::unlink(temporary.c_str());
    throw;
  }
  if (::close(file) != 0 || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(temporary.c_str());
    fail("cannot write ", path, ": ", why);
  }
  flush_folder(path);
}

void write_file_durably(const std::string& path, const std::string& text) {
  write_file_durably(path, {std::as_bytes(std::span(text))});
}

bool is_temporary(const std::string& name) {
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  return digits < name.size() && std::string_view(name).substr(0, digits).ends_with(kTemporary);
}

void rename_durably(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    fail("cannot rename ", from, " to ", to, ": ", reason());
  }
  flush_folder(to);
}

std::string read_text_file(const std::string& path, std::size_t limit) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail("cannot read ", path, ": ", reason());
  if (!S_ISREG(status.st_mode)) fail("cannot read ", path, ": not a file");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes > limit) fail(path, " has ", bytes, " bytes, more than the ", limit, " expected");
  std::ifstream file(path, std::ios::binary);
  std::string text(bytes, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(bytes))) {
    fail("cannot read ", path, ": ", reason());
  }
  return text;
}

}  // namespace lamella
