#include "serial/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace phintys::serial {

void MemorySource::read(uint64_t offset, void* to, size_t n) {
  if (n) std::memcpy(to, bytes_.data() + offset, n);
}

FileSource::FileSource(const std::string& path) : path_(path) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) fail(ErrorKind::io, "cannot open '", path, "': ", std::strerror(errno));
  struct stat info;
  const bool known = ::fstat(fd_, &info) == 0;
  if (!known || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail(ErrorKind::io, "cannot load '", path, "': not a regular file");
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

FileSource::~FileSource() { ::close(fd_); }

void FileSource::read(uint64_t offset, void* to, size_t n) {
  char* p = static_cast<char*>(to);
  while (n > 0) {
    const ssize_t got =
        ::pread(fd_, p, std::min<size_t>(n, size_t{1} << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::io, "cannot read '", path_, "': ", std::strerror(errno));
    if (got == 0) fail(ErrorKind::bad_file, "'", path_, "' became shorter while it was read");
    p += got;
    offset += static_cast<uint64_t>(got);
    n -= static_cast<size_t>(got);
  }
}

}  // namespace phintys::serial
