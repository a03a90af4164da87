// Where the bytes of a saved function come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace phintys::serial {

// Every byte is read at most once, so a file that changes meanwhile cannot make a check and a use
// differ.
class Source {
 public:
  virtual ~Source() = default;
  virtual uint64_t size() const = 0;
  // The caller has checked that [offset, offset + n) lies within size().
  virtual void read(uint64_t offset, void* to, size_t n) = 0;
};

class MemorySource final : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  void read(uint64_t offset, void* to, size_t n) override;

 private:
  std::span<const std::byte> bytes_;
};

class FileSource final : public Source {
 public:
  // Throws Error(io) if the file cannot be opened or is not a regular file.
  explicit FileSource(const std::string& path);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  uint64_t size() const override { return size_; }
  void read(uint64_t offset, void* to, size_t n) override;

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace phintys::serial
