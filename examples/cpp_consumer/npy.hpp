// Reads the .npy files that numpy.save writes: version 1 to 3, C order, little-endian numbers.
#pragma once

#include <phintys/phintys.hpp>

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>

namespace npy {

[[noreturn]] inline void fail(const std::string& path, const std::string& why) {
  throw std::runtime_error(path + ": " + why);
}

// The text of the header's dictionary behind 'key':, or an error.
inline std::string field(const std::string& path, const std::string& header,
                         const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) fail(path, "its header has no " + key);
  const size_t begin = header.find_first_not_of(' ', colon + 1);
  if (begin == std::string::npos) fail(path, "its header is cut off");
  return header.substr(begin);
}

inline phintys::Dtype dtype(const std::string& path, const std::string& text) {
  static const struct {
    const char* descr;
    phintys::Dtype dtype;
  } known[] = {
      {"'|b1'", phintys::Dtype::boolean}, {"'|u1'", phintys::Dtype::uint8},
      {"'|i1'", phintys::Dtype::int8},    {"'<i4'", phintys::Dtype::int32},
      {"'<i8'", phintys::Dtype::int64},   {"'<f4'", phintys::Dtype::float32},
      {"'<f8'", phintys::Dtype::float64},
  };
  for (const auto& k : known) {
    if (text.compare(0, 5, k.descr) == 0) return k.dtype;
  }
  fail(path, "its dtype " + text.substr(0, 8) + " is not supported");
}

inline phintys::Shape shape(const std::string& path, const std::string& text) {
  if (text.empty() || text[0] != '(') fail(path, "its shape is not a tuple");
  phintys::Shape dims;
  int64_t value = -1;
  for (size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > (int64_t{1} << 40)) fail(path, "a dimension is too large");
    } else if (c == ',' || c == ')') {
      if (value >= 0) dims.push_back(value);
      value = -1;
      if (c == ')') return dims;
      if (dims.size() > 32) fail(path, "it has too many dimensions");
    } else if (c != ' ') {
      break;
    }
  }
  fail(path, "its shape cannot be read");
}

inline phintys::Tensor load(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) fail(path, "cannot be opened");
  const uint64_t file_bytes = static_cast<uint64_t>(in.tellg());
  in.seekg(0);
  unsigned char start[12] = {};
  in.read(reinterpret_cast<char*>(start), 10);
  if (!in || std::string(start, start + 6) != "\x93NUMPY") fail(path, "is not a .npy file");
  uint64_t length = start[8] | uint64_t{start[9]} << 8;
  uint64_t data_at = 10;
  if (start[6] > 1) {
    in.read(reinterpret_cast<char*>(start) + 10, 2);
    length |= uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
    data_at = 12;
  }
  if (!in || length > 65536 || length > file_bytes - data_at) fail(path, "its header is too long");
  std::string header(length, '\0');
  in.read(header.data(), static_cast<std::streamsize>(length));
  data_at += length;
  if (field(path, header, "fortran_order").compare(0, 5, "False") != 0) {
    fail(path, "is in Fortran order; save numpy.ascontiguousarray(a)");
  }
  const phintys::Dtype type = dtype(path, field(path, header, "descr"));
  const phintys::Shape dims = shape(path, field(path, header, "shape"));
  const uint64_t item = phintys_dtype_size(static_cast<phintys_dtype>(type));
  uint64_t elements = 1;
  for (int64_t d : dims) {
    const uint64_t n = static_cast<uint64_t>(d);
    // Bounded by the file before it is multiplied, so the product cannot overflow.
    if (n != 0 && elements > file_bytes / n) fail(path, "is shorter than its shape says");
    elements *= n;
  }
  if (elements > (file_bytes - data_at) / item) fail(path, "is shorter than its shape says");
  phintys::Tensor tensor(type, dims);
  in.read(static_cast<char*>(tensor.raw_data()), static_cast<std::streamsize>(elements * item));
  if (!in) fail(path, "cannot be read");
  return tensor;
}

}  // namespace npy
