#include "ops/sparse/matmul.h"

#include <bit>

#include "kernels/parallel.h"
#include "ops/advanced_subtensor.h"
#include "ops/build.h"
#include "ops/sparse/pattern.h"

namespace phintys {

namespace {

// How `major` rows are cut, each piece with a work row of `minor` elements of its own: few enough
// pieces that clearing those rows costs less than the product.
int64_t pieces_of(int64_t major, int64_t minor, int64_t count) {
  return std::clamp<int64_t>(count * 8 / (minor + 1), 1, std::clamp<int64_t>(major / 8, 1, 16));
}

// f(piece, first row, last row) on several threads
template <class F>
void for_pieces(int64_t pieces, int64_t major, F&& f) {
  parallel_for(pieces, [&](int64_t k) { f(k, major * k / pieces, major * (k + 1) / pieces); });
}

void check_rows(const Op& op, const TensorView& indptr, int64_t major) {
  if (major_length(op, indptr) == major) return;
  fail(ErrorKind::value, op.str(), ": the pattern of the product has ", indptr.shape[0] - 1,
       " compressed rows instead of ", major);
}

// What finds the different minor indices of a row of a product: a bit for each if the row has
// enough of them, else the last row that had each.
template <class I>
struct RowSet {
  uint64_t* bits;
  I* stamps;
  int64_t words;

  static int64_t words_of(int64_t minor) { return (minor + 63) / 64; }
  static size_t bytes(int64_t minor) {
    return static_cast<size_t>(words_of(minor)) * 8 * (1 + 8 * sizeof(I));
  }
  RowSet(void* block, int64_t minor)
      : bits(static_cast<uint64_t*>(block)),
        stamps(reinterpret_cast<I*>(bits + words_of(minor))),
        words(words_of(minor)) {
    std::fill(bits, bits + words, uint64_t{0});
    std::fill(stamps, stamps + minor, I(-1));
  }
  // Puts the indices of row i, in order, at out[0, room), if there is an `out`; returns their
  // number.
  int64_t row(const Pattern<I>& a, const Pattern<I>& b, int64_t i, I* out, int64_t room) {
    int64_t products = 0;
    for (int64_t p = a.indptr[i]; p < a.indptr[i + 1]; ++p) {
      const int64_t k = a.indices[p];
      products += static_cast<int64_t>(b.indptr[k + 1]) - static_cast<int64_t>(b.indptr[k]);
    }
    return products * 4 >= words ? by_bits(a, b, i, out, room) : by_stamps(a, b, i, out, room);
  }

 private:
  template <class F>
  static void each(const Pattern<I>& a, const Pattern<I>& b, int64_t i, F&& f) {
    for (int64_t p = a.indptr[i]; p < a.indptr[i + 1]; ++p) {
      const int64_t k = a.indices[p];
      for (int64_t q = b.indptr[k]; q < b.indptr[k + 1]; ++q) f(b.indices[q]);
    }
  }
  int64_t by_bits(const Pattern<I>& a, const Pattern<I>& b, int64_t i, I* out, int64_t room) {
    each(a, b, i, [&](I j) { bits[j >> 6] |= uint64_t{1} << (j & 63); });
    int64_t n = 0;
    for (int64_t w = 0; w < words; ++w) {
      uint64_t word = bits[w];
      if (word == 0) continue;
      bits[w] = 0;
      if (!out) {
        n += std::popcount(word);
        continue;
      }
      for (; word != 0; word &= word - 1, ++n) {
        if (n < room) out[n] = static_cast<I>(w * 64 + std::countr_zero(word));
      }
    }
    return n;
  }
  int64_t by_stamps(const Pattern<I>& a, const Pattern<I>& b, int64_t i, I* out, int64_t room) {
    int64_t n = 0;
    each(a, b, i, [&](I j) {
      if (stamps[j] == static_cast<I>(i)) return;
      stamps[j] = static_cast<I>(i);
      if (out && n < room) out[n] = j;
      ++n;
    });
    if (out) std::sort(out, out + std::min(n, room));
    return n;
  }
};

// The operands of SparseMatmulIndptr and SparseMatmulIndices, checked.
template <class I>
struct Operands {
  ContiguousInputs in;
  Pattern<I> a, b;
  int64_t pieces;

  Operands(const Op& op, PerformContext& context, std::span<const TensorView> inputs, int64_t minor)
      : in(context, inputs,
           static_cast<size_t>(pieces_of(inputs[1].shape[0] - 1, minor, inputs[0].shape[0])) *
               RowSet<I>::bytes(minor)),
        a(Pattern<I>::of(in, inputs, 0, inputs[3].shape[0] - 1)),
        b(Pattern<I>::of(in, inputs, 2, minor)),
        pieces(pieces_of(a.major, minor, a.count)) {
    a.check(op);
    b.check(op);
  }
  // f(row, a set for it) on several threads
  template <class F>
  void each_row(F&& f) const {
    for_pieces(pieces, a.major, [&](int64_t piece, int64_t begin, int64_t end) {
      RowSet<I> set(in.extra<char>() + static_cast<size_t>(piece) * RowSet<I>::bytes(b.minor),
                    b.minor);
      for (int64_t i = begin; i < end; ++i) f(i, set);
    });
  }
};

Var take(const Var& x, const Var& order) {
  return apply(make_ref<AdvancedSubtensor1>(), {x, order});
}

Var conjugate(const Var& v) { return is_complex(v.dtype()) ? conj(v) : v; }

}  // namespace

// --- SparseMatmulIndptr -------------------------------------------------------------------------

std::vector<Type> SparseMatmulIndptr::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 5);
  check_pattern_types(*this, inputs, 0);
  check_pattern_types(*this, inputs, 2);
  check_int_scalar(*this, inputs[4], "the length of the minor dimension");
  if (inputs[0].dtype() != inputs[2].dtype()) {
    fail(ErrorKind::type, str(), ": the index vectors of both operands must have one dtype");
  }
  return {vector_of(inputs[0].dtype())};
}

std::vector<std::vector<Var>> SparseMatmulIndptr::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void SparseMatmulIndptr::layout(std::span<const TensorView> inputs,
                                std::span<Layout> outputs) const {
  major_length(*this, inputs[1]);
  major_length(*this, inputs[3]);
  own_layout(outputs[0], inputs[1].shape, 1);
}

void SparseMatmulIndptr::perform(PerformContext& context, std::span<const TensorView> inputs,
                                 std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[4], "a length");
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const Operands<I> operands(*this, context, inputs, minor);
    I* indptr = outputs[0].template as<I>();
    operands.each_row([&](int64_t i, RowSet<I>& set) {
      indptr[i + 1] = static_cast<I>(set.row(operands.a, operands.b, i, nullptr, 0));
    });
    accumulate_counts(*this, indptr, operands.a.major);
  });
}

// --- SparseMatmulIndices ------------------------------------------------------------------------

std::vector<Type> SparseMatmulIndices::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 7);
  const auto types = SparseMatmulIndptr().infer(inputs.first(5));
  check_int_scalar(*this, inputs[6], "the number of entries");
  if (inputs[5].ndim() != 1 || inputs[5].dtype() != inputs[0].dtype()) {
    fail(ErrorKind::type, str(), ": the product's indptr must be a vector of the others' dtype");
  }
  return types;
}

std::vector<std::vector<Var>> SparseMatmulIndices::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[6], DType::i64)}};
}

void SparseMatmulIndices::layout(std::span<const TensorView> inputs,
                                 std::span<Layout> outputs) const {
  check_rows(*this, inputs[5], major_length(*this, inputs[1]));
  major_length(*this, inputs[3]);
  const int64_t count = length_value(*this, inputs[6], "the number of entries");
  own_layout(outputs[0], &count, 1);
}

void SparseMatmulIndices::perform(PerformContext& context, std::span<const TensorView> inputs,
                                  std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[4], "a length");
  const int64_t count = outputs[0].shape[0];
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const Operands<I> operands(*this, context, inputs, minor);
    const I* indptr = operands.in.template as<I>(5);
    I* out = outputs[0].template as<I>();
    operands.each_row([&](int64_t i, RowSet<I>& set) {
      const int64_t first = indptr[i], stop = indptr[i + 1];
      const bool fits = first >= 0 && first <= stop && stop <= count;
      if (fits && set.row(operands.a, operands.b, i, out + first, stop - first) == stop - first) {
        return;
      }
      fail(ErrorKind::value, str(), ": the indptr given for the product is not its own");
    });
  });
}

// --- SparseMatmulValues -------------------------------------------------------------------------

std::vector<Type> SparseMatmulValues::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 9);
  for (size_t i : {0, 3}) {
    check_values(*this, inputs[i]);
    check_pattern_types(*this, inputs, i + 1);
  }
  check_pattern_types(*this, inputs, 6);
  check_int_scalar(*this, inputs[8], "the length of the minor dimension");
  if (inputs[0].ndim() != 1 || inputs[3].ndim() != 1 || inputs[0].dtype() != inputs[3].dtype()) {
    fail(ErrorKind::type, str(), ": the values must be vectors of one dtype, got ",
         inputs[0].type().str(), " and ", inputs[3].type().str());
  }
  if (inputs[1].dtype() != inputs[4].dtype() || inputs[1].dtype() != inputs[6].dtype()) {
    fail(ErrorKind::type, str(), ": all index vectors must have one dtype");
  }
  return {vector_of(inputs[0].dtype())};
}

std::vector<Var> SparseMatmulValues::grad(const GradArgs& args) const {
  std::vector<Var> result(9);
  const auto& in = args.inputs;
  const Var& g = args.grads[0];
  if (!g) return result;
  if (is_discrete(in[0].dtype())) {
    result[0] = zero_grad_for(in[0]);
    result[3] = zero_grad_for(in[3]);
    return result;
  }
  const Var inner = major_length(in[5]);
  // With respect to a: g times b transposed, where a has entries; to b: a transposed times g.
  const auto b = apply_multi(make_ref<SparseConvert>(), {in[4], in[5], in[8]});
  result[0] = apply(make_ref<SparseMatmulValues>(), {g, in[6], in[7], take(conjugate(in[3]), b[2]),
                                                     b[0], b[1], in[1], in[2], inner});
  const auto a = apply_multi(make_ref<SparseConvert>(), {in[1], in[2], inner});
  result[3] = apply(make_ref<SparseMatmulValues>(), {take(conjugate(in[0]), a[2]), a[0], a[1], g,
                                                     in[6], in[7], in[4], in[5], in[8]});
  return result;
}

std::vector<std::vector<Var>> SparseMatmulValues::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[6])};
}

void SparseMatmulValues::layout(std::span<const TensorView> inputs,
                                std::span<Layout> outputs) const {
  for (size_t i : {0, 3}) {
    if (inputs[i].shape[0] == inputs[i + 1].shape[0]) continue;
    fail(ErrorKind::value, str(), ": ", inputs[i].shape[0], " values for ", inputs[i + 1].shape[0],
         " indices");
  }
  check_rows(*this, inputs[7], major_length(*this, inputs[2]));
  major_length(*this, inputs[5]);
  own_layout(outputs[0], inputs[6].shape, 1);
}

void SparseMatmulValues::perform(PerformContext& context, std::span<const TensorView> inputs,
                                 std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[8], "a length");
  const int64_t major = inputs[2].shape[0] - 1;
  const int64_t pieces = pieces_of(major, minor, inputs[1].shape[0]);
  const size_t item = item_size(inputs[0].dtype);
  const ContiguousInputs in(context, inputs, static_cast<size_t>(pieces * minor) * item);
  dispatch_index(inputs[1].dtype, [&]<class I>() {
    const auto a = Pattern<I>::of(in, inputs, 1, inputs[5].shape[0] - 1);
    const auto b = Pattern<I>::of(in, inputs, 4, minor);
    const auto c = Pattern<I>::of(in, inputs, 6, minor);
    for (const Pattern<I>* p : {&a, &b, &c}) p->check(*this);
    dispatch_values(inputs[0].dtype, [&]<class T>() {
      const T* values = in.as<T>(0);
      const T* others = in.as<T>(3);
      T* out = outputs[0].template as<T>();
      for_pieces(pieces, major, [&](int64_t piece, int64_t begin, int64_t end) {
        T* sums = in.extra<T>() + piece * minor;
        std::fill(sums, sums + minor, T(0));
        for (int64_t i = begin; i < end; ++i) {
          // Only what the pattern has is cleared and read.
          for (int64_t p = c.indptr[i]; p < c.indptr[i + 1]; ++p) sums[c.indices[p]] = T(0);
          for (int64_t p = a.indptr[i]; p < a.indptr[i + 1]; ++p) {
            const T x = values[p];
            const int64_t k = a.indices[p];
            for (int64_t q = b.indptr[k]; q < b.indptr[k + 1]; ++q) {
              T& sum = sums[b.indices[q]];
              sum = multiply_add(x, others[q], sum);
            }
          }
          for (int64_t p = c.indptr[i]; p < c.indptr[i + 1]; ++p) out[p] = sums[c.indices[p]];
        }
      });
    });
  });
}

}  // namespace phintys
