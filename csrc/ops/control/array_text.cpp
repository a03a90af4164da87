#include "ops/control/array_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace phintys {

namespace {

constexpr int kPrecision = 8;
constexpr int kLineWidth = 75;
constexpr int64_t kThreshold = 1000;
constexpr int64_t kEdge = 3;

// --- single numbers ------------------------------------------------------------------------------

// The digits that tell a number from its neighbours of the same dtype.
std::string shortest(double x, DType dtype, std::chars_format format) {
  char buffer[400];
  std::to_chars_result r{};
  if (dtype == DType::f64) {
    r = std::to_chars(buffer, buffer + sizeof buffer, x, format);
  } else if (dtype == DType::f32) {
    r = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(x), format);
  } else {  // float16: the fewest digits that give the number back
    for (int digits = 0; digits < 30; ++digits) {
      r = std::to_chars(buffer, buffer + sizeof buffer, x, format, digits);
      double back = 0;
      std::from_chars(buffer, r.ptr, back, format);
      if (half_to_float(float_to_half(static_cast<float>(back))) == static_cast<float>(x)) break;
    }
  }
  return std::string(buffer, r.ptr);
}

// A number in parts: "-12", "5", "e+30".
struct Digits {
  std::string left, right, exponent;
};

Digits parts(std::string s) {
  Digits d;
  if (const size_t e = s.find('e'); e != std::string::npos) {
    d.exponent = s.substr(e);
    s.resize(e);
  }
  const size_t point = s.find('.');
  d.left = s.substr(0, point);
  if (point != std::string::npos) d.right = s.substr(point + 1);
  return d;
}

void trim_zeros(std::string* digits) {
  while (!digits->empty() && digits->back() == '0') digits->pop_back();
}

std::string fixed(double x, int precision, std::chars_format format) {
  char buffer[400];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, x, format, precision);
  return std::string(buffer, r.ptr);
}

Digits digits_of(double x, DType dtype, bool scientific) {
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  Digits d = parts(shortest(x, dtype, format));
  if (d.right.size() > kPrecision) d = parts(fixed(x, kPrecision, format));
  trim_zeros(&d.right);
  return d;
}

// str() of a NumPy scalar: the shortest text, with an exponent outside 1e-4 ... 1e16.
std::string scalar_text(double x, DType dtype) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  const double size = std::fabs(x);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  std::string s =
      shortest(x, dtype, scientific ? std::chars_format::scientific : std::chars_format::fixed);
  if (!scientific && s.find('.') == std::string::npos) s += ".0";
  return s;
}

std::string padded(const std::string& s, size_t width) {
  return s.size() < width ? std::string(width - s.size(), ' ') + s : s;
}

// --- all numbers of an array in one form ---------------------------------------------------------

// Floating numbers: what NumPy's FloatingFormat decides.
class FloatFormat {
 public:
  FloatFormat(const std::vector<double>& values, DType dtype, bool sign)
      : dtype_(dtype), sign_(sign) {
    double low = INFINITY, high = 0;
    for (double x : values) {
      if (!std::isfinite(x) || x == 0) continue;
      low = std::min(low, std::fabs(x));
      high = std::max(high, std::fabs(x));
    }
    const double most = dtype == DType::f16 ? 1e3 : dtype == DType::f32 ? 1e6 : 1e8;
    scientific_ = high > 0 && (high >= most || low < 1e-4 || high / low > 1000);
    for (double x : values) {
      if (!std::isfinite(x)) continue;
      const Digits d = digits(x);
      left_ = std::max(left_, d.left.size());
      right_ = std::max(right_, d.right.size());
      exponent_ = std::max(exponent_, d.exponent.size());
    }
    for (double x : values) {
      if (std::isfinite(x)) continue;
      const size_t wanted = std::isnan(x) ? 3 : x < 0 || sign ? 4 : 3;
      const size_t other = right_ + exponent_ + 1;
      if (wanted > other) left_ = std::max(left_, wanted - other);
    }
  }

  std::string text(double x) const {
    if (std::isfinite(x)) {
      Digits d = digits(x);
      if (scientific_ && d.right.size() < right_) {
        // Not zeros, but what the number has there: float32(1e-5) is 9.9999997e-06.
        const std::string sign = d.left[0] == '+' ? "+" : "";
        d = parts(fixed(x, static_cast<int>(right_), std::chars_format::scientific));
        d.left.insert(0, sign);
      }
      d.right.resize(right_, ' ');
      while (d.exponent.size() < exponent_) d.exponent.insert(2, "0");
      return padded(d.left, left_) + "." + d.right + d.exponent;
    }
    const std::string s = std::isnan(x) ? (sign_ ? "+nan" : "nan")
                          : x < 0       ? "-inf"
                          : sign_       ? "+inf"
                                        : "inf";
    return padded(s, left_ + 1 + right_ + exponent_);
  }

 private:
  Digits digits(double x) const {
    Digits d = digits_of(x, dtype_, scientific_);
    if (sign_ && !std::signbit(x)) d.left.insert(0, "+");
    return d;
  }

  DType dtype_;
  bool sign_, scientific_ = false;
  size_t left_ = 0, right_ = 0, exponent_ = 0;
};

std::string int_text(int64_t x, DType dtype) {
  if (is_bool(dtype)) return x ? "True" : "False";
  return dtype == DType::u64 ? std::to_string(static_cast<uint64_t>(x)) : std::to_string(x);
}

// An element by its address: in two parts for complex numbers.
double real_at(const char* p, DType dtype) {
  return element_as_double({const_cast<char*>(p), real_of(dtype), 0, nullptr, nullptr});
}
double imag_at(const char* p, DType dtype) { return real_at(p + item_size(real_of(dtype)), dtype); }
int64_t int_at(const char* p, DType dtype) {
  return element_as_int({const_cast<char*>(p), dtype, 0, nullptr, nullptr});
}

class ElementFormat {
 public:
  ElementFormat(const std::vector<const char*>& elements, DType dtype)
      : dtype_(dtype),
        real_(parts_of(elements, false), real_of(dtype), false),
        imag_(parts_of(elements, true), real_of(dtype), true) {
    if (!is_discrete(dtype)) return;
    for (const char* p : elements)
      width_ = std::max(width_, int_text(int_at(p, dtype), dtype).size());
    if (is_bool(dtype)) width_ = 5;
  }
  std::string text(const char* p) const {
    if (is_discrete(dtype_)) return padded(int_text(int_at(p, dtype_), dtype_), width_);
    const std::string re = real_.text(real_at(p, dtype_));
    if (!is_complex(dtype_)) return re;
    std::string im = imag_.text(imag_at(p, dtype_));
    im.insert(im.find_last_not_of(' ') + 1, "j");
    return re + im;
  }

 private:
  std::vector<double> parts_of(const std::vector<const char*>& elements, bool imaginary) const {
    std::vector<double> values;
    if (is_discrete(dtype_) || (imaginary && !is_complex(dtype_))) return values;
    for (const char* p : elements)
      values.push_back(imaginary ? imag_at(p, dtype_) : real_at(p, dtype_));
    return values;
  }

  DType dtype_;
  FloatFormat real_, imag_;
  size_t width_ = 0;
};

// --- lines ---------------------------------------------------------------------------------------

class Printer {
 public:
  explicit Printer(const TensorView& v)
      : v_(v), summary_(v.size() > kThreshold), format_(collect(), v.dtype) {}

  std::string text() const { return block(0, v_.data, " ", kLineWidth); }

 private:
  // The indices of an axis that are shown; -1 stands for those left out.
  std::vector<int64_t> shown(int axis) const {
    const int64_t n = v_.shape[axis];
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < n; ++i) {
      if (summary_ && n > 2 * kEdge && i == kEdge) {
        indices.push_back(-1);
        i = n - kEdge;
      }
      indices.push_back(i);
    }
    return indices;
  }

  std::vector<const char*> collect() const {
    std::vector<const char*> at{v_.data};
    for (int d = 0; d < v_.ndim; ++d) {
      std::vector<const char*> next;
      for (const char* p : at)
        for (int64_t i : shown(d))
          if (i >= 0) next.push_back(p + i * v_.strides[d]);
      at = std::move(next);
    }
    return at;
  }

  // One axis in brackets; no deeper than an array has axes.
  std::string block(int axis, const char* p, const std::string& indent, int width) const {
    const bool last = axis + 1 == v_.ndim;
    std::string text, line = indent;
    bool first = true;
    for (int64_t i : shown(axis)) {
      const char* at = p + i * v_.strides[axis];
      const std::string word = i < 0  ? "..."
                               : last ? format_.text(at)
                                      : block(axis + 1, at, indent + " ", width - 1);
      if (!first) line += last ? " " : std::string(static_cast<size_t>(v_.ndim - axis - 1), '\n');
      if (!last && !first) line += indent;
      if (last && line.size() + word.size() > static_cast<size_t>(width - 1) &&
          line.size() > indent.size()) {
        line.resize(line.find_last_not_of(' ') + 1);
        text += line + "\n";
        line = indent;
      }
      line += word;
      first = false;
    }
    return "[" + (text + line).substr(indent.size()) + "]";
  }

  const TensorView& v_;
  bool summary_;
  ElementFormat format_;
};

std::string complex_text(const char* p, DType dtype) {
  const double re = real_at(p, dtype), im = imag_at(p, dtype);
  const auto part = [&](double x) {
    std::string s = scalar_text(x, real_of(dtype));
    if (s.ends_with(".0")) s.resize(s.size() - 2);
    return s;
  };
  if (re == 0 && !std::signbit(re)) return part(im) + "j";
  const std::string second = part(im);
  return "(" + part(re) + (second[0] == '-' ? "" : "+") + second + "j)";
}

}  // namespace

std::string array_text(const TensorView& v) {
  if (v.ndim > 0) return v.size() == 0 ? "[]" : Printer(v).text();
  if (is_complex(v.dtype)) return complex_text(v.data, v.dtype);
  if (is_discrete(v.dtype)) return int_text(element_as_int(v), v.dtype);
  return scalar_text(element_as_double(v), v.dtype);
}

}  // namespace phintys
