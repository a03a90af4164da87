#include "ops/sparse/pattern.h"

#include <atomic>

#include "kernels/parallel.h"
#include "ops/build.h"

namespace phintys {

namespace {

// Fails unless the numbers of major indices agree.
void check_majors(const Op& op, const TensorView& indptr, const TensorView& other) {
  if (major_length(op, indptr) == major_length(op, other)) return;
  fail(ErrorKind::value, op.str(), ": sparse matrices with ", indptr.shape[0] - 1, " and ",
       other.shape[0] - 1, " compressed rows");
}

// A pattern with the entries of each row in order of their indices; equal ones keep theirs.
template <class I>
struct SortedRows {
  const I* indices;
  const I* order;  // old positions; null: nothing has moved
  bool distinct;   // no row has an index twice

  static size_t bytes(const TensorView& indices) {
    return static_cast<size_t>(indices.shape[0]) * 2 * sizeof(I);
  }
  SortedRows(const Pattern<I>& p, I* scratch)
      : indices(p.indices), order(nullptr), distinct(false) {
    std::atomic<bool> sorted{true}, rising{true};
    parallel_ranges(p.major, p.grain(), [&](int64_t begin, int64_t end) {
      bool falls = false, stays = false;
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t k = p.indptr[i] + 1; k < p.indptr[i + 1]; ++k) {
          falls |= p.indices[k - 1] > p.indices[k];
          stays |= p.indices[k - 1] == p.indices[k];
        }
      }
      if (falls) sorted.store(false, std::memory_order_relaxed);
      if (falls || stays) rising.store(false, std::memory_order_relaxed);
    });
    distinct = rising;
    if (sorted) return;
    I* keys = scratch;
    I* positions = scratch + p.count;
    parallel_ranges(p.major, p.grain(4), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const I first = p.indptr[i], last = p.indptr[i + 1];
        for (I k = first; k < last; ++k) positions[k] = k;
        std::sort(positions + first, positions + last, [&](I a, I b) {
          return p.indices[a] != p.indices[b] ? p.indices[a] < p.indices[b] : a < b;
        });
        for (I k = first; k < last; ++k) keys[k] = p.indices[positions[k]];
      }
    });
    indices = keys;
    order = positions;
  }
  int64_t position(int64_t k) const { return order ? static_cast<int64_t>(order[k]) : k; }
};

// Two patterns of one shape, with sorted rows.
template <class I>
struct Pair {
  Pattern<I> a, b;
  SortedRows<I> sorted_a, sorted_b;

  static size_t bytes(std::span<const TensorView> inputs) {
    return SortedRows<I>::bytes(inputs[0]) + SortedRows<I>::bytes(inputs[2]);
  }
  Pair(const Op& op, const ContiguousInputs& in, std::span<const TensorView> inputs, int64_t minor)
      : a(checked(op, Pattern<I>::of(in, inputs, 0, minor))),
        b(checked(op, Pattern<I>::of(in, inputs, 2, minor))),
        sorted_a(a, in.extra<I>()),
        sorted_b(b, in.extra<I>() + 2 * a.count) {}
  static Pattern<I> checked(const Op& op, const Pattern<I>& p) {
    p.check(op);
    return p;
  }
  int64_t grain() const { return std::min(a.grain(4), b.grain(4)); }
  bool distinct() const { return sorted_a.distinct && sorted_b.distinct; }
  // The number of different indices, or of common ones, in row i of distinct ones.
  int64_t count_distinct(int64_t i, bool intersection) const {
    int64_t at_a = a.indptr[i], at_b = b.indptr[i];
    const int64_t n_a = a.indptr[i + 1] - at_a, n_b = b.indptr[i + 1] - at_b;
    const int64_t end_a = at_a + n_a, end_b = at_b + n_b;
    int64_t common = 0;
    while (at_a < end_a && at_b < end_b) {
      const I key_a = a.indices[at_a], key_b = b.indices[at_b];
      common += key_a == key_b;
      at_a += key_a <= key_b;
      at_b += key_b <= key_a;
    }
    return intersection ? common : n_a + n_b - common;
  }
  // Fills the slots [at, stop) of row i of distinct indices; returns where it ended.
  int64_t merge_distinct(int64_t i, bool intersection, int64_t at, int64_t stop, int64_t dropped,
                         I* indices, int64_t* to_a, int64_t* to_b) const {
    int64_t at_a = a.indptr[i], at_b = b.indptr[i];
    const int64_t end_a = a.indptr[i + 1], end_b = b.indptr[i + 1];
    while (at_a < end_a && at_b < end_b) {
      const I key_a = a.indices[at_a], key_b = b.indices[at_b];
      const bool kept = !intersection || key_a == key_b;
      if (at < stop) indices[at] = key_a < key_b ? key_a : key_b;
      // What is not taken in this step is written again in a later one.
      const int64_t slot = kept ? at : dropped;
      to_a[at_a] = slot;
      to_b[at_b] = slot;
      at_a += key_a <= key_b;
      at_b += key_b <= key_a;
      at += kept;
    }
    auto rest = [&](int64_t from, int64_t end, const I* keys, int64_t* to) {
      for (; from < end; ++from) {
        if (!intersection && at < stop) indices[at] = keys[from];
        to[from] = intersection ? dropped : at;
        at += !intersection;
      }
    };
    rest(at_a, end_a, a.indices, to_a);
    rest(at_b, end_b, b.indices, to_b);
    return at;
  }
  // f(index, [first, last) in a, [first, last) in b, kept) for the different indices of row i.
  template <class F>
  void walk(int64_t i, bool intersection, F&& f) const {
    int64_t at_a = a.indptr[i], at_b = b.indptr[i];
    const int64_t end_a = a.indptr[i + 1], end_b = b.indptr[i + 1];
    const I* keys_a = sorted_a.indices;
    const I* keys_b = sorted_b.indices;
    while (at_a < end_a || at_b < end_b) {
      const I key = at_b >= end_b || (at_a < end_a && keys_a[at_a] < keys_b[at_b]) ? keys_a[at_a]
                                                                                   : keys_b[at_b];
      const int64_t first_a = at_a, first_b = at_b;
      while (at_a < end_a && keys_a[at_a] == key) ++at_a;
      while (at_b < end_b && keys_b[at_b] == key) ++at_b;
      f(key, first_a, at_a, first_b, at_b, !intersection || (at_a > first_a && at_b > first_b));
    }
  }
};

}  // namespace

// --- SparseConvert ------------------------------------------------------------------------------

std::vector<Type> SparseConvert::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_pattern_types(*this, inputs, 0);
  check_int_scalar(*this, inputs[2], "the length of the minor dimension");
  const Type index = vector_of(inputs[0].dtype());
  return {index, index, vector_of(DType::i64)};
}

std::vector<std::vector<Var>> SparseConvert::infer_shape(const Apply& node) const {
  const Var count = shape_i(node.inputs()[0], 0);
  return {{count}, {cast(node.inputs()[2], DType::i64) + constant_int(1)}, {count}};
}

void SparseConvert::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  major_length(*this, inputs[1]);
  const int64_t length = length_value(*this, inputs[2], "a length") + 1;
  own_layout(outputs[0], inputs[0].shape, 1);
  own_layout(outputs[1], &length, 1);
  own_layout(outputs[2], inputs[0].shape, 1);
}

void SparseConvert::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const ContiguousInputs in(context, inputs);
  const int64_t minor = outputs[1].shape[0] - 1;
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const auto p = Pattern<I>::of(in, inputs, 0, minor);
    p.check(*this);
    I* indices = outputs[0].template as<I>();
    I* indptr = outputs[1].template as<I>();
    int64_t* order = outputs[2].template as<int64_t>();
    // A counting sort: indptr[j + 1] counts, then is the place of the next entry of j.
    std::fill(indptr, indptr + minor + 1, I(0));
    for (int64_t k = 0; k < p.count; ++k) ++indptr[p.indices[k]];
    I before = 0;
    for (int64_t j = 0; j <= minor; ++j) {
      const I n = indptr[j];
      indptr[j] = before;
      before = static_cast<I>(before + n);
    }
    for (int64_t i = 0; i < p.major; ++i) {
      for (int64_t k = p.indptr[i]; k < p.indptr[i + 1]; ++k) {
        const I to = indptr[p.indices[k]]++;
        indices[to] = static_cast<I>(i);
        order[to] = k;
      }
    }
    // Each indptr[j] is now the end of j, where j + 1 begins.
    for (int64_t j = minor; j > 0; --j) indptr[j] = indptr[j - 1];
    indptr[0] = 0;
  });
}

// --- SparseMajor --------------------------------------------------------------------------------

std::vector<Type> SparseMajor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_pattern_types(*this, inputs, 0);
  check_int_scalar(*this, inputs[2], "the length of the minor dimension");
  return {vector_of(DType::i64)};
}

std::vector<std::vector<Var>> SparseMajor::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void SparseMajor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  major_length(*this, inputs[1]);
  own_layout(outputs[0], inputs[0].shape, 1);
}

void SparseMajor::perform(PerformContext& context, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const ContiguousInputs in(context, inputs);
  const int64_t minor = length_value(*this, inputs[2], "a length");
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const auto p = Pattern<I>::of(in, inputs, 0, minor);
    p.check(*this);
    int64_t* out = outputs[0].template as<int64_t>();
    parallel_ranges(p.major, p.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::fill(out + p.indptr[i], out + p.indptr[i + 1], i);
    });
  });
}

// --- SparseMergeIndptr --------------------------------------------------------------------------

std::vector<Type> SparseMergeIndptr::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 5);
  check_pattern_types(*this, inputs, 0);
  check_pattern_types(*this, inputs, 2);
  check_int_scalar(*this, inputs[4], "the length of the minor dimension");
  if (inputs[0].dtype() != inputs[2].dtype()) {
    fail(ErrorKind::type, str(), ": the index vectors of both patterns must have one dtype");
  }
  return {vector_of(inputs[0].dtype())};
}

std::vector<std::vector<Var>> SparseMergeIndptr::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void SparseMergeIndptr::layout(std::span<const TensorView> inputs,
                               std::span<Layout> outputs) const {
  check_majors(*this, inputs[1], inputs[3]);
  own_layout(outputs[0], inputs[1].shape, 1);
}

void SparseMergeIndptr::perform(PerformContext& context, std::span<const TensorView> inputs,
                                std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[4], "a length");
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const ContiguousInputs in(context, inputs, Pair<I>::bytes(inputs));
    const Pair<I> pair(*this, in, inputs, minor);
    I* indptr = outputs[0].template as<I>();
    parallel_ranges(pair.a.major, pair.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t n = 0;
        if (pair.distinct()) {
          n = pair.count_distinct(i, intersection);
        } else {
          pair.walk(i, intersection,
                    [&](I, int64_t, int64_t, int64_t, int64_t, bool kept) { n += kept; });
        }
        indptr[i + 1] = static_cast<I>(n);
      }
    });
    accumulate_counts(*this, indptr, pair.a.major);
  });
}

// --- SparseMerge --------------------------------------------------------------------------------

std::vector<Type> SparseMerge::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 7);
  const auto types = SparseMergeIndptr().infer(inputs.first(5));
  check_int_scalar(*this, inputs[6], "the number of entries");
  if (inputs[5].ndim() != 1 || inputs[5].dtype() != inputs[0].dtype()) {
    fail(ErrorKind::type, str(), ": the joined indptr must be a vector of the dtype of the others");
  }
  return {types[0], vector_of(DType::i64), vector_of(DType::i64)};
}

std::vector<std::vector<Var>> SparseMerge::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[6], DType::i64)},
          shape_list(node.inputs()[0]),
          shape_list(node.inputs()[2])};
}

void SparseMerge::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_majors(*this, inputs[1], inputs[3]);
  check_majors(*this, inputs[1], inputs[5]);
  const int64_t count = length_value(*this, inputs[6], "the number of entries");
  own_layout(outputs[0], &count, 1);
  own_layout(outputs[1], inputs[0].shape, 1);
  own_layout(outputs[2], inputs[2].shape, 1);
}

void SparseMerge::perform(PerformContext& context, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[4], "a length");
  const int64_t count = outputs[0].shape[0];
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const ContiguousInputs in(context, inputs, Pair<I>::bytes(inputs));
    const Pair<I> pair(*this, in, inputs, minor);
    const I* indptr = in.as<I>(5);
    I* indices = outputs[0].template as<I>();
    int64_t* to_a = outputs[1].template as<int64_t>();
    int64_t* to_b = outputs[2].template as<int64_t>();
    parallel_ranges(pair.a.major, pair.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t at = indptr[i];
        const int64_t stop = indptr[i + 1];
        if (at < 0 || stop > count) at = stop + 1;
        if (pair.distinct()) {
          at = pair.merge_distinct(i, intersection, at, stop, count, indices, to_a, to_b);
        } else {
          pair.walk(i, intersection,
                    [&](I key, int64_t a, int64_t a_end, int64_t b, int64_t b_end, bool kept) {
                      if (kept && at < stop) indices[at] = key;
                      const int64_t slot = kept ? at : count;
                      for (; a < a_end; ++a) to_a[pair.sorted_a.position(a)] = slot;
                      for (; b < b_end; ++b) to_b[pair.sorted_b.position(b)] = slot;
                      at += kept;
                    });
        }
        if (at == stop) continue;
        fail(ErrorKind::value, str(), ": the indptr given for the joined pattern is not its own");
      }
    });
  });
}

}  // namespace phintys
