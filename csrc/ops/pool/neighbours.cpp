#include "ops/pool/neighbours.h"

#include <cstring>
#include <string_view>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

void check_mode(const char* name, std::string_view mode) {
  for (const char* known : {"valid", "ignore_borders", "wrap_centered", "half", "full"}) {
    if (mode == known) return;
  }
  fail(ErrorKind::not_implemented, name, ": mode ", mode,
       " is not known; there are valid, ignore_borders, wrap_centered, half and full");
}

void check_pair(const Op& op, const Var& v, const char* what) {
  if (v.ndim() != 1 || !is_int(v.dtype()) || (v.type().dim(0) >= 0 && v.type().dim(0) != 2)) {
    fail(ErrorKind::type, op.str(), ": ", what, " must be a vector of two integers, got ",
         v.type().str());
  }
}

// Patches along one axis of an image.
struct PatchAxis {
  int64_t length = 0, patch = 1, step = 1, count = 0;
  int64_t before = 0;  // elements of the first patch in front of the image
  bool wraps = false;

  // The element that a patch has at offset i, or -1.
  int64_t source(int64_t position, int64_t i) const {
    int64_t at = position * step + i - before;
    if (wraps) at = at < 0 ? at + length : at >= length ? at - length : at;
    return at >= 0 && at < length ? at : -1;
  }
};

PatchAxis patch_axis(const Op& op, std::string_view mode, int64_t length, int64_t patch,
                     int64_t step, int axis) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (patch < 1 || step < 1 || patch > kMost || step > kMost) {
    fail(ErrorKind::value, op.str(), ": neib_shape[", axis, "]=", patch, " and neib_step[", axis,
         "]=", step, " must be at least 1");
  }
  PatchAxis a{length, patch, step};
  auto inconsistent = [&] {
    fail(ErrorKind::type, op.str(), ": neib_shape[", axis, "]=", patch, ", neib_step[", axis,
         "]=", step, " and ten4.shape[", axis + 2, "]=", length, " not consistent");
  };
  if (mode == "wrap_centered") {
    if (patch % 2 == 0) {
      fail(ErrorKind::type, op.str(), ": in mode wrap_centered need patch with odd shapes, got ",
           patch);
    }
    if (length < patch) {
      fail(ErrorKind::type, op.str(),
           ": in wrap_centered mode, don't support image shapes smaller then the neighbourhood "
           "shapes: neib_shape[",
           axis, "]=", patch, ", ten4.shape[", axis + 2, "]=", length);
    }
    a.wraps = true;
    a.before = patch / 2;
    a.count = (length + step - 1) / step;
    return a;
  }
  if (mode == "ignore_borders") {
    a.count = length < patch ? 0 : (length - patch) / step + 1;
    return a;
  }
  int64_t span = length - patch;  // from the first place of a patch to the last
  if (mode == "half") {
    a.before = patch / 2;
    span = length - patch % 2;
  } else if (mode == "full") {
    a.before = patch - 1;
    span = length + patch - 2;
  }
  if (length < patch || span % step != 0) inconsistent();
  a.count = span / step + 1;
  return a;
}

struct Patches {
  int64_t images = 0;  // batch times channels
  PatchAxis height, width;
  int64_t rows() const { return images * height.count * width.count; }
};

int64_t pair_entry(const TensorView& v, int64_t i) {
  return load_int(v.data + i * v.strides[0], v.dtype);
}

Patches read_patches(const Op& op, const std::string& mode, const int64_t* lengths,
                     const TensorView& shape, const TensorView& step) {
  if (shape.shape[0] != 2 || step.shape[0] != 2) {
    fail(ErrorKind::value, op.str(), ": neib_shape and neib_step must have two entries");
  }
  Patches p;
  p.images = lengths[0] * lengths[1];
  p.height = patch_axis(op, mode, lengths[2], pair_entry(shape, 0), pair_entry(step, 0), 0);
  p.width = patch_axis(op, mode, lengths[3], pair_entry(shape, 1), pair_entry(step, 1), 1);
  return p;
}

Dims four_lengths(const Op& op, const TensorView& v) {
  Dims lengths;
  int64_t size;
  for (int64_t i = 0; i < v.shape[0]; ++i) lengths.push_back(pair_entry(v, i));
  if (lengths.size() != 4 || !checked_product(lengths, &size)) {
    fail(ErrorKind::value, op.str(), ": the images' shape must be four lengths, got ",
         to_string(lengths));
  }
  return lengths;
}

void check_rows(const Op& op, const Patches& p, const TensorView& rows) {
  int64_t elements;
  const Dims shape = {p.images, p.height.count, p.width.count, p.height.patch, p.width.patch};
  if (!checked_product(shape, &elements)) {
    fail(ErrorKind::value, op.str(), ": too many patches: ", to_string(shape));
  }
  if (rows.shape[0] != p.rows() || rows.shape[1] != p.height.patch * p.width.patch) {
    fail(ErrorKind::value, op.str(), ": neibs of shape ", shape_text(rows), " do not fit ",
         p.rows(), " patches of ", p.height.patch * p.width.patch, " elements");
  }
}

// Visits the stretches of a patch's rows that lie in the image: f(image column, patch column,
// length); `none` is called on the others.
template <class F, class G>
void for_stretches(const PatchAxis& a, int64_t position, F&& f, G&& none) {
  for (int64_t i = 0; i < a.patch;) {
    const int64_t from = a.source(position, i);
    if (from < 0) {
      int64_t n = 1;
      while (i + n < a.patch && a.source(position, i + n) < 0) ++n;
      none(i, n);
      i += n;
      continue;
    }
    const int64_t n = std::min(a.patch - i, a.length - from);
    f(from, i, n);
    i += n;
  }
}

template <class T>
void gather(const Patches& p, const TensorView& x, const TensorView& out) {
  const int64_t per_image = p.height.count * p.width.count, size = p.height.patch * p.width.patch;
  const int64_t channels = x.shape[1], step = x.strides[3];
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, size));
  parallel_ranges(p.rows(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* to = out.as<T>() + r * size;
      const int64_t image = r / per_image, y = r % per_image / p.width.count;
      const char* const plane =
          x.data + image / channels * x.strides[0] + image % channels * x.strides[1];
      for (int64_t i = 0; i < p.height.patch; ++i, to += p.width.patch) {
        const int64_t from = p.height.source(y, i);
        if (from < 0) {
          std::memset(static_cast<void*>(to), 0, static_cast<size_t>(p.width.patch) * sizeof(T));
          continue;
        }
        const char* const row = plane + from * x.strides[2];
        for_stretches(
            p.width, r % p.width.count,
            [&](int64_t column, int64_t at, int64_t n) {
              const char* const source = row + column * step;
              if (step == static_cast<int64_t>(sizeof(T))) {
                std::memcpy(static_cast<void*>(to + at), source,
                            static_cast<size_t>(n) * sizeof(T));
              } else {
                for (int64_t k = 0; k < n; ++k) {
                  to[at + k] = *reinterpret_cast<const T*>(source + k * step);
                }
              }
            },
            [&](int64_t at, int64_t n) {
              std::memset(static_cast<void*>(to + at), 0, static_cast<size_t>(n) * sizeof(T));
            });
      }
    }
  });
}

template <class T>
void scatter(const Patches& p, const TensorView& rows, const TensorView& out) {
  const int64_t per_image = p.height.count * p.width.count;
  const int64_t pixels = p.height.length * p.width.length;
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, pixels));
  const int64_t step = rows.strides[1];
  parallel_ranges(p.images, grain, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      T* const plane = out.as<T>() + image * pixels;
      std::fill_n(plane, pixels, T{});
      for (int64_t r = 0; r < per_image; ++r) {
        const char* source = rows.data + (image * per_image + r) * rows.strides[0];
        for (int64_t i = 0; i < p.height.patch; ++i, source += p.width.patch * step) {
          const int64_t row = p.height.source(r / p.width.count, i);
          if (row < 0) continue;
          for_stretches(
              p.width, r % p.width.count,
              [&](int64_t column, int64_t at, int64_t n) {
                T* const to = plane + row * p.width.length + column;
                for (int64_t k = 0; k < n; ++k) {
                  to[k] =
                      static_cast<T>(to[k] + *reinterpret_cast<const T*>(source + (at + k) * step));
                }
              },
              [](int64_t, int64_t) {});
        }
      }
    }
  });
}

Var entry_of(const Var& v, int64_t i) {
  if (v->is_constant()) return constant_int(element_as_int(v->constant().view(), i));
  return cast(index_scalar(v, i), DType::i64);
}

Var count_of(const std::string& mode, const Var& length, const Var& patch, const Var& step) {
  const Var one = constant_int(1);
  if (mode == "wrap_centered") return int_div(length + step - one, step);
  if (mode == "half")
    return int_div(length - elemwise("mod", {patch, constant_int(2)}), step) + one;
  if (mode == "full") return int_div(length + patch - constant_int(2), step) + one;
  return maximum(int_div(length - patch, step) + one, constant_int(0));
}

void describe(std::string_view mode, const TensorView& images, const TensorView& rows,
              std::span<const TensorView> shape_and_step, device::Patches* patches) {
  using Mode = device::PatchMode;
  patches->mode = mode == "ignore_borders"  ? Mode::ignore_borders
                  : mode == "wrap_centered" ? Mode::wrap_centered
                  : mode == "half"          ? Mode::half
                  : mode == "full"          ? Mode::full
                                            : Mode::valid;
  device::to_tensor_plain(images, &patches->images);
  device::to_tensor_plain(rows, &patches->rows);
  device::to_tensor_plain(shape_and_step[0], &patches->shape);
  device::to_tensor_plain(shape_and_step[1], &patches->step);
}

}  // namespace

// --- Images2Neibs -------------------------------------------------------------------------------

void Images2Neibs::check_attributes() const { check_mode(kName, mode); }

std::vector<Type> Images2Neibs::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, 3);
  const Type& x = inputs[0].type();
  if (x.ndim() != 4) fail(ErrorKind::type, str(), ": ten4 must be of 4 dimensions, got ", x.str());
  check_pair(*this, inputs[1], "neib_shape");
  check_pair(*this, inputs[2], "neib_step");
  return {x.with_shape(Dims{kUnknownDim, kUnknownDim})};
}

std::vector<Var> Images2Neibs::grad(const GradArgs& args) const {
  const Var &x = args.inputs[0], &g = args.grads[0];
  std::vector<Var> grads(3);
  if (!g) return grads;
  if (is_discrete(x.dtype())) {
    grads[0] = zero_grad_for(x);
    return grads;
  }
  auto op = make_ref<Neibs2Images>();
  op->mode = mode;
  const DType compute = x.dtype() == DType::f16 ? DType::f32 : x.dtype();
  const Var back = apply(op, {shape(x), cast(g, compute), args.inputs[1], args.inputs[2]});
  grads[0] = cast(specify_shape(back, x.type().shape()), x.dtype());
  return grads;
}

std::vector<std::vector<Var>> Images2Neibs::infer_shape(const Apply& node) const {
  const Var &x = node.inputs()[0], &s = node.inputs()[1], &t = node.inputs()[2];
  const Var rows = count_of(mode, shape_i(x, 2), entry_of(s, 0), entry_of(t, 0)) *
                   count_of(mode, shape_i(x, 3), entry_of(s, 1), entry_of(t, 1));
  return {{shape_i(x, 0) * shape_i(x, 1) * rows, entry_of(s, 0) * entry_of(s, 1)}};
}

void Images2Neibs::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Patches p = read_patches(*this, mode, inputs[0].shape, inputs[1], inputs[2]);
  const Dims all = {p.images, p.height.count, p.width.count, p.height.patch, p.width.patch};
  int64_t elements;
  if (!checked_product(all, &elements)) {
    fail(ErrorKind::value, str(), ": too many patches: ", to_string(all));
  }
  const int64_t shape[] = {p.rows(), p.height.patch * p.width.patch};
  own_layout(outputs[0], shape, 2);
}

void Images2Neibs::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  if (outputs[0].size() == 0) return;
  const Patches p = read_patches(*this, mode, inputs[0].shape, inputs[1], inputs[2]);
  dispatch_dtype(inputs[0].dtype, [&]<class T>() { gather<T>(p, inputs[0], outputs[0]); });
}
bool Images2Neibs::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::Patches patches;
  if (!index_kernels(queue)) return false;
  describe(mode, inputs[0], outputs[0], inputs.subspan(1), &patches);
  return queue.check(index_kernels(queue)->patches(queue.stream, patches));
}

// --- Neibs2Images -------------------------------------------------------------------------------

void Neibs2Images::check_attributes() const { check_mode(kName, mode); }

std::vector<Type> Neibs2Images::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, 4);
  const Type& lengths = inputs[0].type();
  if (lengths.ndim() != 1 || !is_int(lengths.dtype()) ||
      (lengths.dim(0) >= 0 && lengths.dim(0) != 4)) {
    fail(ErrorKind::type, str(), ": the images' shape must be a vector of four integers, got ",
         lengths.str());
  }
  const Type& rows = inputs[1].type();
  if (rows.ndim() != 2 || rows.dtype() == DType::f16 || is_bool(rows.dtype())) {
    fail(ErrorKind::type, str(), ": neibs must be a matrix of numbers, got ", rows.str());
  }
  check_pair(*this, inputs[2], "neib_shape");
  check_pair(*this, inputs[3], "neib_step");
  return {rows.with_shape(Dims(4, kUnknownDim))};
}

std::vector<Var> Neibs2Images::grad(const GradArgs& args) const {
  std::vector<Var> grads(4);
  const Var& g = args.grads[0];
  if (!g) return grads;
  if (is_discrete(args.inputs[1].dtype())) {
    grads[1] = zero_grad_for(args.inputs[1]);
    return grads;
  }
  auto op = make_ref<Images2Neibs>();
  op->mode = mode;
  grads[1] =
      specify_shape(apply(op, {g, args.inputs[2], args.inputs[3]}), args.inputs[1].type().shape());
  return grads;
}

std::vector<std::vector<Var>> Neibs2Images::infer_shape(const Apply& node) const {
  std::vector<Var> dims;
  for (int64_t i = 0; i < 4; ++i) dims.push_back(entry_of(node.inputs()[0], i));
  return {dims};
}

void Neibs2Images::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Dims lengths = four_lengths(*this, inputs[0]);
  check_rows(*this, read_patches(*this, mode, lengths.data(), inputs[2], inputs[3]), inputs[1]);
  own_layout(outputs[0], lengths.data(), 4);
}

void Neibs2Images::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  if (outputs[0].size() == 0) return;
  const Patches p = read_patches(*this, mode, outputs[0].shape, inputs[2], inputs[3]);
  dispatch_dtype(inputs[1].dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, bool>) {
      PHINTYS_CHECK(false, "neibs2images: infer() refuses this dtype");
    } else {
      scatter<T>(p, inputs[1], outputs[0]);
    }
  });
}
bool Neibs2Images::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::Patches patches;
  if (!index_kernels(queue)) return false;
  describe(mode, outputs[0], inputs[1], inputs.subspan(2), &patches);
  return queue.check(index_kernels(queue)->add_patches(queue.stream, patches));
}

}  // namespace phintys
