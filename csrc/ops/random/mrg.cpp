#include "ops/random/mrg.h"

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/random/mrg_kernels.h"
#include "ops/random/random_util.h"

namespace phintys {

// --- MrgUniform
// -----------------------------------------------------------------------------------

namespace {

// Theano's float16: 15 bits of the word, and a factor that keeps their maximum below 1.
void halves_of(const uint32_t* words, int64_t n, Half* out) {
  const float norm = half_to_float(float_to_half(3.0458e-05f));
  for (int64_t i = 0; i < n; ++i) {
    out[i] = float_to_half(static_cast<float>((words[i] & 0x7fff) + 1) * norm);
  }
}

// The streams of a tile: whole rounds over all streams, then the first ones once more.
struct MrgWork {
  int32_t* states;
  int64_t streams, n;
  char* out;
  DType dtype;

  void run(int64_t tile) const {
    const int64_t first = tile * kMrgTile;
    const int width = static_cast<int>(std::min<int64_t>(kMrgTile, streams - first));
    MrgTile t{};
    for (int i = 0; i < width; ++i) {
      for (int w = 0; w < 6; ++w) {
        t.word[w][i] = static_cast<uint32_t>(states[(first + i) * 6 + w]);
      }
    }
    const int64_t rounds = n / streams;
    fill(t, width, rounds, first);
    const int64_t rest = std::clamp<int64_t>(n - rounds * streams - first, 0, width);
    if (rest > 0) fill(t, static_cast<int>(rest), 1, rounds * streams + first);
    for (int i = 0; i < width; ++i) {
      for (int w = 0; w < 6; ++w) {
        states[(first + i) * 6 + w] = static_cast<int32_t>(t.word[w][i]);
      }
    }
  }

  void fill(MrgTile& t, int width, int64_t steps, int64_t at) const {
    if (dtype == DType::f32) {
      PHINTYS_ISA_CALL(mrg_fill_f32)
      (t, width, steps, streams, reinterpret_cast<float*>(out) + at);
    } else if (dtype == DType::f64) {
      PHINTYS_ISA_CALL(mrg_fill_f64)
      (t, width, steps, streams, reinterpret_cast<double*>(out) + at);
    } else {
      uint32_t words[kMrgTile];
      for (int64_t k = 0; k < steps; ++k) {
        PHINTYS_ISA_CALL(mrg_fill_words)(t, width, 1, 0, words);
        halves_of(words, width, reinterpret_cast<Half*>(out) + at + k * streams);
      }
    }
  }
};

}  // namespace

void MrgUniform::check_attributes() const {
  if (!is_float(dtype)) {
    fail(ErrorKind::type, "mrg_uniform: numbers of dtype ", dtype_name(dtype), " cannot be drawn");
  }
}

std::string MrgUniform::str() const {
  return "mrg_uniform{" + std::string(dtype_name(dtype)) + "}";
}

std::vector<Type> MrgUniform::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  const Type& t = inputs[0].type();
  if (t.ndim() != 2 || t.dtype() != DType::i32) {
    fail(ErrorKind::type, "mrg_uniform: the states must be an int32 matrix of 6 columns, got ",
         t.str());
  }
  return {t, Type::tensor(dtype, known_lengths(*this, inputs, 1))};
}

std::vector<Var> MrgUniform::grad(const GradArgs& args) const {
  return std::vector<Var>(args.inputs.size());
}

std::vector<std::vector<Var>> MrgUniform::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0]), symbolic_lengths(node.output(1)->type(), node.inputs(), 1)};
}

uint64_t MrgUniform::shape_inputs() const { return length_bits(1, kMaxRank); }

void MrgUniform::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& states = inputs[0];
  const Dims shape = run_lengths(*this, inputs, 1);
  if (states.shape[1] != 6 || (states.shape[0] == 0 && product(shape) != 0)) {
    fail(ErrorKind::value, "mrg_uniform: the states must be a matrix of 6 columns, got shape ",
         shape_text(states));
  }
  if (product(shape) > 2147483647) {
    fail(ErrorKind::value, "rng_mrg does not support more than 2**31 - 1 samples, shape ",
         to_string(shape), " is asked for");
  }
  own_layout(outputs[0], states.shape, 2);
  own_layout(outputs[1], shape.data(), static_cast<int>(shape.size()));
}

void MrgUniform::perform(PerformContext&, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[1];
  if (outputs[0].data != inputs[0].data) copy_elements(outputs[0], inputs[0]);
  if (out.size() == 0) return;
  const int64_t streams = inputs[0].shape[0];
  const MrgWork work{outputs[0].as<int32_t>(), streams, out.size(), out.data, dtype};
  // Streams beyond the number of elements are not used.
  const int64_t tiles = (std::min(streams, out.size()) + kMrgTile - 1) / kMrgTile;
  // A chunk of some ten thousand numbers.
  const int64_t per_tile = out.size() / streams * kMrgTile + kMrgTile;
  parallel_ranges(tiles, std::max<int64_t>(1, 16384 / per_tile), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) work.run(t);
  });
}

bool MrgUniform::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const device::RandomKernels* kernels = queue.table.random;
  const TensorView &from = inputs[0], &to = outputs[0], &out = outputs[1];
  if (!kernels || !from.contiguous()) return false;
  if (to.data != from.data && to.size() != 0) {
    queue.check(queue.table.copy(queue.stream, to.data, from.data,
                                 static_cast<size_t>(to.size()) * sizeof(int32_t), nullptr));
  }
  return queue.check(
      kernels->mrg(queue.stream, {to.as<int32_t>(), from.shape[0], out.size(), dtype, out.data}));
}

// --- ChooseFromUniform
// ----------------------------------------------------------------------------

namespace {

// The first column at which the sum of the row passes u, or -1.
template <class P>
int64_t crossing(const P* row, int64_t n, int64_t step, double u, double* sum) {
  *sum = 0;
  for (int64_t m = 0; m < n; ++m) {
    *sum += static_cast<double>(row[m * step]);
    if (*sum > u) return m;
  }
  return -1;
}

struct ChooseWork {
  TensorView p, u;
  int64_t n;
  int64_t* out;

  double uniform(int64_t row, int64_t sample) const {
    const char* at = u.data + (sample * p.shape[0] + row) * u.strides[0];
    return u.dtype == DType::f32 ? static_cast<double>(*reinterpret_cast<const float*>(at))
                                 : *reinterpret_cast<const double*>(at);
  }

  template <class P>
  void count(int64_t row) const {
    const int64_t columns = p.shape[1];
    const int64_t step = p.strides[1] / static_cast<int64_t>(sizeof(P));
    const P* values = reinterpret_cast<const P*>(p.data + row * p.strides[0]);
    int64_t* counts = out + row * columns;
    std::fill(counts, counts + columns, int64_t{0});
    for (int64_t s = 0; s < n; ++s) {
      double sum;
      const int64_t m = crossing(values, columns, step, uniform(row, s), &sum);
      if (m >= 0) ++counts[m];
    }
  }

  // What was chosen gets no probability, and the rest is scaled to 1 again. Where rounding leaves
  // the sum below u, the last column that has any probability is chosen.
  template <class P>
  void choose(int64_t row, P* left) const {
    const int64_t columns = p.shape[1];
    const char* values = p.data + row * p.strides[0];
    for (int64_t m = 0; m < columns; ++m) {
      left[m] = *reinterpret_cast<const P*>(values + m * p.strides[1]);
    }
    for (int64_t s = 0; s < n; ++s) {
      double sum;
      int64_t m = crossing(left, columns, 1, uniform(row, s), &sum);
      if (m < 0) {
        m = columns - 1;
        while (m > 0 && !(left[m] > 0)) --m;
      }
      out[row * n + s] = m;
      if (s == n - 1) break;
      P rest = static_cast<P>(sum - static_cast<double>(left[m]));
      left[m] = 0;
      for (int64_t k = m; k < columns; ++k) rest += left[k];
      for (int64_t k = 0; k < columns; ++k) left[k] /= rest;
    }
  }
};

}  // namespace

std::vector<Type> ChooseFromUniform::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  const Type& p = inputs[0].type();
  const Type& u = inputs[1].type();
  const auto real = [](DType d) { return d == DType::f32 || d == DType::f64; };
  if (p.ndim() != 2 || !real(p.dtype()) || u.ndim() != 1 || !real(u.dtype()) ||
      inputs[2].ndim() != 0 || inputs[2].dtype() != DType::i64) {
    fail(ErrorKind::type, str(),
         ": a float matrix, a float vector and an int64 scalar are needed, got ", p.str(), ", ",
         u.str(), " and ", inputs[2].type().str());
  }
  int64_t n = kUnknownDim;
  if (!constant_int_value(inputs[2].get(), &n) || n < 0) n = kUnknownDim;
  return {Type::tensor(DType::i64, Dims{p.dim(0), replace ? p.dim(1) : n})};
}

std::vector<Var> ChooseFromUniform::grad(const GradArgs& args) const {
  return {zero_grad_for(args.inputs[0]), zero_grad_for(args.inputs[1]),
          zero_grad_for(args.inputs[2])};
}

std::vector<std::vector<Var>> ChooseFromUniform::infer_shape(const Apply& node) const {
  const Var& p = node.inputs()[0];
  return {{shape_i(p, 0), replace ? shape_i(p, 1) : node.inputs()[2]}};
}

void ChooseFromUniform::layout(std::span<const TensorView> inputs,
                               std::span<Layout> outputs) const {
  const TensorView& p = inputs[0];
  const int64_t n = load_int(inputs[2].data, DType::i64);
  if (!replace && n > p.shape[1]) {
    fail(ErrorKind::value, str(),
         ": Cannot sample without replacement n samples bigger than the "
         "size of the distribution: ",
         n, " of ", p.shape[1]);
  }
  const Dims product_shape{p.shape[0], n};
  int64_t wanted;
  if (n < 0 || !checked_product(product_shape, &wanted) || inputs[1].shape[0] != wanted) {
    fail(ErrorKind::value, str(), ": unis.shape[0] != pvals.shape[0] * n: ", inputs[1].shape[0],
         " numbers for ", p.shape[0], " rows and n = ", n);
  }
  const Dims shape{p.shape[0], replace ? p.shape[1] : n};
  own_layout(outputs[0], shape.data(), 2);
}

void ChooseFromUniform::perform(PerformContext& context, std::span<const TensorView> inputs,
                                std::span<const TensorView> outputs) const {
  const TensorView& p = inputs[0];
  const ChooseWork work{p, inputs[1], load_int(inputs[2].data, DType::i64),
                        outputs[0].as<int64_t>()};
  if (outputs[0].size() == 0) return;
  const int64_t rows = p.shape[0], columns = p.shape[1];
  const int64_t grain = std::max<int64_t>(1, 8192 / (columns * std::max<int64_t>(1, work.n)));
  if (replace) {
    parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        p.dtype == DType::f32 ? work.count<float>(r) : work.count<double>(r);
      }
    });
    return;
  }
  char* memory = static_cast<char*>(context.scratch(static_cast<size_t>(rows * columns) * 8));
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      char* left = memory + r * columns * 8;
      p.dtype == DType::f32 ? work.choose(r, reinterpret_cast<float*>(left))
                            : work.choose(r, reinterpret_cast<double*>(left));
    }
  });
}

bool ChooseFromUniform::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                std::span<const TensorView> outputs) const {
  const device::RandomKernels* kernels = queue.table.random;
  if (!kernels) return false;
  const TensorView &p = inputs[0], &u = inputs[1], &out = outputs[0];
  if (out.size() == 0) return true;
  device::RandomChoice work{};
  work.rows = p.shape[0];
  work.columns = p.shape[1];
  work.n = replace ? u.shape[0] / work.rows : out.shape[1];
  work.replace = replace;
  work.out = out.as<int64_t>();
  if (!device::to_tensor_plain(p, &work.p) || !device::to_tensor_plain(u, &work.u)) return false;
  if (!replace) {
    work.scratch = queue.scratch(static_cast<size_t>(p.size()) * item_size(p.dtype));
  }
  return queue.check(kernels->choose(queue.stream, work));
}

}  // namespace phintys
