// Discrete Fourier transforms along one axis.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// How a transform of length n is scaled.
enum class FftScale : int64_t { none = 0, by_n = 1, by_sqrt_n = 2 };

// (x complex): y[k] = scale * sum_j x[j] exp(-2 pi i j k / n), or with +2 pi i if `inverse`.
class Fft final : public OpBase<Fft> {
 public:
  static constexpr const char* kName = "fft";
  static constexpr OpDoc doc{.signature = "(x) -> tensor like x",
                             .dtypes = "complex",
                             .reference = "numpy.fft.fft, numpy.fft.ifft"};
  int64_t axis = 0;
  bool inverse = false;
  int64_t scale = 0;  // FftScale
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("inverse", s.inverse);
    field("scale", s.scale);
  }
  void check_attributes() const;
  const char* summary() const override { return "Fourier transform along an axis."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x real): elements 0 .. n/2 of the transform of x. With `doubled`, those that stand for two
// (all but the first and, for even n, the last) are doubled: the gradient of Irfft.
class Rfft final : public OpBase<Rfft> {
 public:
  static constexpr const char* kName = "rfft";
  static constexpr OpDoc doc{
      .signature = "(x) -> complex tensor", .dtypes = "float", .reference = "numpy.fft.rfft"};
  int64_t axis = 0;
  bool doubled = false;
  int64_t scale = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("doubled", s.doubled);
    field("scale", s.scale);
  }
  void check_attributes() const;
  const char* summary() const override { return "Half of the Fourier transform of real x."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x complex, n int scalar): the real sequence of length n whose inverse transform's first n/2 + 1
// elements are x, which stand for two (`doubled`, as in NumPy) or for one each (the gradient of
// Rfft). Imaginary parts of the first and, for even n, the last are not looked at.
class Irfft final : public OpBase<Irfft> {
 public:
  static constexpr const char* kName = "irfft";
  static constexpr OpDoc doc{.signature = "(x, n: int scalar) -> real tensor",
                             .dtypes = "complex",
                             .reference = "numpy.fft.irfft"};
  int64_t axis = 0;
  bool doubled = true;
  int64_t scale = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("doubled", s.doubled);
    field("scale", s.scale);
  }
  void check_attributes() const;
  const char* summary() const override { return "Real inverse of half a Fourier transform."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
