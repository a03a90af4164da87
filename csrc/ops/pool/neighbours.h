// Patches of images as rows of a matrix, and back.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x [batch, channels, height, width], shape, step: integer vectors of two): a row for each patch,
// in the order of batch, channel, and position in C order. Modes: "valid" (patches must cover the
// image), "ignore_borders" (what is left over is not used), "half" and "full" (zeros around the
// image, of half the patch or all but one), "wrap_centered" (the image repeats; a patch is centred
// on each of its positions).
class Images2Neibs final : public OpBase<Images2Neibs> {
 public:
  static constexpr const char* kName = "images2neibs";
  static constexpr OpDoc doc{"(x: 4-d tensor, shape, step: integer vectors) -> matrix", "all",
                             "loops over patches"};
  std::string mode = "valid";
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("mode", s.mode);
  }
  void check_attributes() const;
  const char* summary() const override { return "Patches of images as rows of a matrix."; }
  std::string str() const override { return "Images2Neibs" + attributes_text(*this); }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 6; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// (lengths: integer vector of four, rows: matrix, shape, step): an image of these lengths that has
// the sum of all patches, each at its place; 0 where there is none.
class Neibs2Images final : public OpBase<Neibs2Images> {
 public:
  static constexpr const char* kName = "neibs2images";
  static constexpr OpDoc doc{
      "(lengths: integer vector, rows: matrix, shape, step: integer vectors) -> 4-d tensor",
      "integers, float32, float64", "loops over patches"};
  std::string mode = "valid";
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("mode", s.mode);
  }
  void check_attributes() const;
  const char* summary() const override { return "The sum of patches at their places in images."; }
  std::string str() const override { return "Neibs2Images" + attributes_text(*this); }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 1; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 13; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

}  // namespace phintys
