#include "ops/random/philox_rows.h"

#include <cmath>
#include <numeric>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/random/philox_kernels.h"
#include "ops/random/random_util.h"

namespace phintys {

namespace {

enum class Rows { categorical, multinomial, permutation, sample };

struct Kind {
  const char* name;
  Rows rows;
  size_t parameters;
};
constexpr Kind kKinds[] = {{"categorical", Rows::categorical, 1},
                           {"multinomial", Rows::multinomial, 2},
                           {"permutation", Rows::permutation, 2},
                           {"sample", Rows::sample, 2}};

const Kind* find_kind(const std::string& name) {
  for (const Kind& k : kKinds) {
    if (name == k.name) return &k;
  }
  return nullptr;
}

const Kind& kind_of(const PhiloxRows& op) {
  const Kind* kind = find_kind(op.kind);
  PHINTYS_CHECK(kind, "philox_rows: unknown kind");
  return *kind;
}

// Which input holds probabilities, 0 for none.
size_t probabilities_at(Rows rows) {
  return rows == Rows::permutation ? 0 : rows == Rows::multinomial ? 2 : 1;
}

// p without its last axis.
TensorView leading(const TensorView& p) {
  return {p.data, p.dtype, p.ndim - 1, p.shape, p.strides};
}

// --- probabilities
// --------------------------------------------------------------------------------

// One row of probabilities.
struct Row {
  const char* data;
  int64_t n, stride;
  double operator[](int64_t i) const { return *reinterpret_cast<const double*>(data + i * stride); }
};

double checked_sum(const char* what, const Row& p) {
  double total = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    if (!(p[i] >= 0) || std::isinf(p[i])) {
      fail(ErrorKind::value, "random ", what,
           ": probabilities must be finite and not negative, got ", p[i], " at index ", i);
    }
    total += p[i];
  }
  if (!(total > 0) || std::isinf(total)) {
    fail(ErrorKind::value, "random ", what, ": the probabilities add up to ", total);
  }
  return total;
}

// The first index whose cumulated probability exceeds `target`; never one of probability zero.
int64_t pick(const Row& p, double target) {
  double sum = 0;
  int64_t last = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    const double w = p[i];
    if (w == 0) continue;
    sum += w;
    last = i;
    if (target < sum) return i;
  }
  return last;
}

// Cumulated probabilities, and for each of as many equal parts of [0, 1) where to begin the search:
// some two steps for each number, however long the row is (Chen and Asau, "On generating random
// variates from an empirical distribution", AIIE Transactions 6, 1974).
class Table {
 public:
  Table(const Row& p, double total, double* sums, int64_t* guide)
      : n_(p.n), last_(0), total_(total), sums_(sums), guide_(guide) {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) {
      sums[i] = sum += p[i];
      if (p[i] > 0) last_ = i;
    }
    int64_t at = 0;
    for (int64_t j = 0; j < n_; ++j) {
      const double part = static_cast<double>(j) / static_cast<double>(n_) * total;
      while (at < last_ && sums[at] <= part) ++at;
      guide[j] = at;
    }
  }
  // The first index whose sum exceeds u times the total; never one of probability zero.
  int64_t find(double u) const {
    const double target = u * total_;
    int64_t i = guide_[static_cast<int64_t>(u * static_cast<double>(n_))];
    while (i > 0 && sums_[i - 1] > target) --i;
    while (i < last_ && sums_[i] <= target) ++i;
    return i;
  }

 private:
  int64_t n_, last_;
  double total_;
  const double* sums_;
  const int64_t* guide_;
};

constexpr int64_t kBlock = 256;

// Calls f(u, index) with a number in [0, 1) for each index in [begin, end).
template <class F>
void each_uniform(const PhiloxState& state, int64_t begin, int64_t end, F&& f) {
  const auto fill = PHINTYS_ISA_CALL(philox_fill_uniform_f64);
  alignas(64) double u[kBlock];
  for (int64_t at = begin / kBlock * kBlock; at < end; at += kBlock) {
    fill(state, static_cast<uint64_t>(at / kPhiloxGroup), kBlock / kPhiloxGroup, u);
    const int64_t from = std::max(at, begin), to = std::min(at + kBlock, end);
    for (int64_t i = from; i < to; ++i) f(u[i - at], i);
  }
}

void draw_categorical(const PhiloxState& state, const TensorView& p, const TensorView& out,
                      PerformContext& context) {
  const Parameter rows(leading(p), out.shape, out.ndim);
  const int64_t k = p.shape[p.ndim - 1], stride = p.strides[p.ndim - 1];
  int64_t* data = out.as<int64_t>();
  if (!rows.uniform()) {
    const int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, k));
    parallel_ranges(out.size(), grain, [&](int64_t begin, int64_t end) {
      each_uniform(state, begin, end, [&](double u, int64_t i) {
        const Row row{rows.at(i), k, stride};
        data[i] = pick(row, u * checked_sum("categorical", row));
      });
    });
    return;
  }
  // One table for all draws.
  const Row row{rows.data(), k, stride};
  const double total = checked_sum("categorical", row);
  const auto bytes = static_cast<size_t>(k) * 8;
  char* memory = static_cast<char*>(context.scratch(2 * bytes));
  const Table table(row, total, reinterpret_cast<double*>(memory),
                    reinterpret_cast<int64_t*>(memory + bytes));
  parallel_ranges(out.size(), 4096, [&](int64_t begin, int64_t end) {
    each_uniform(state, begin, end, [&](double u, int64_t i) { data[i] = table.find(u); });
  });
}

// --- multinomial
// ----------------------------------------------------------------------------------

// One index after the other: its count is binomial among the trials that are left. Rows go in
// blocks so that the binomial kernel has whole vectors; its elements are those of the result.
void draw_multinomial(const PhiloxState& state, const TensorView& n_given, const TensorView& p,
                      const TensorView& out) {
  const int ndim = out.ndim - 1;
  const Parameter counts(n_given, out.shape, ndim);
  const Parameter rows(leading(p), out.shape, ndim);
  const int64_t k = p.shape[p.ndim - 1], stride = p.strides[p.ndim - 1];
  const auto binomial = PHINTYS_ISA_CALL(philox_binomial_lanes);
  int64_t* data = out.as<int64_t>();
  const int64_t n_rows = out.size() / k;
  constexpr int64_t kRows = 64;
  parallel_ranges(n_rows, kRows, [&](int64_t begin, int64_t end) {
    int64_t given[kRows];
    double left[kRows], mass[kRows], share[kRows], result[kRows];
    const int64_t n = end - begin;
    counts.read(begin, n, given);
    for (int64_t r = 0; r < kRows; ++r) {
      left[r] = r < n ? static_cast<double>(given[r]) : 0;
      mass[r] = r < n ? checked_sum("multinomial", {rows.at(begin + r), k, stride}) : 1;
      share[r] = 0;
      if (left[r] < 0)
        fail(ErrorKind::value, "random multinomial: n must not be negative, got ", left[r]);
    }
    for (int64_t j = 0; j + 1 < k; ++j) {
      for (int64_t r = 0; r < n; ++r) {
        const double w = Row{rows.at(begin + r), k, stride}[j];
        share[r] = mass[r] > 0 ? std::min(1.0, std::max(0.0, w / mass[r])) : 0.0;
        mass[r] -= w;
      }
      const int64_t padded = (n + kLanePad - 1) / kLanePad * kLanePad;
      binomial({state, static_cast<uint64_t>(begin * k + j), static_cast<uint64_t>(k), padded, left,
                share, result});
      for (int64_t r = 0; r < n; ++r) {
        data[(begin + r) * k + j] = static_cast<int64_t>(result[r]);
        left[r] -= result[r];
      }
    }
    // What is left goes to the last index, or to the last one that has any probability.
    for (int64_t r = 0; r < n; ++r) {
      int64_t* counts_of = data + (begin + r) * k;
      counts_of[k - 1] = 0;
      int64_t at = k - 1;
      const Row row{rows.at(begin + r), k, stride};
      while (at > 0 && row[at] == 0) --at;
      counts_of[at] += static_cast<int64_t>(left[r]);
    }
  });
}

// --- without replacement
// --------------------------------------------------------------------------

// Fisher and Yates, stopped after m numbers. `all` has room for n.
void permute(const PhiloxState& state, int64_t row, int64_t n, int64_t m, int64_t* all,
             int64_t* out) {
  const auto bits = PHINTYS_ISA_CALL(philox_fill_bits);
  alignas(64) uint64_t words[kBlock];
  std::iota(all, all + n, int64_t{0});
  const int64_t first = row * m;
  for (int64_t at = first / kPhiloxGroup * kPhiloxGroup; at < first + m; at += kBlock) {
    const int64_t wanted = std::min(kBlock, first + m - at);
    bits(state, static_cast<uint64_t>(at / kPhiloxGroup),
         (wanted + kPhiloxGroup - 1) / kPhiloxGroup, words);
    for (int64_t e = std::max(at, first); e < std::min(at + kBlock, first + m); ++e) {
      const int64_t i = e - first;
      const BoundedInteger bounded(static_cast<uint64_t>(n - i));
      const auto j = static_cast<int64_t>(bounded(words[e - at], state, static_cast<uint64_t>(e)));
      std::swap(all[i], all[i + j]);
    }
  }
  if (out != all) std::copy(all, all + m, out);
}

void draw_permutation(const PhiloxState& state, int64_t n, const TensorView& out,
                      PerformContext& context) {
  const int64_t m = out.shape[out.ndim - 1];
  const int64_t n_rows = out.size() / m;
  int64_t* data = out.as<int64_t>();
  if (m == n) {
    parallel_ranges(n_rows, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) permute(state, r, n, m, data + r * m, data + r * m);
    });
    return;
  }
  int64_t* all = static_cast<int64_t*>(context.scratch(static_cast<size_t>(n) * sizeof(int64_t)));
  for (int64_t r = 0; r < n_rows; ++r) permute(state, r, n, m, all, data + r * m);
}

// Index i comes when an exponential clock of rate p[i] rings: the first m to ring are a sample
// without replacement.
void draw_sample(const PhiloxState& state, const TensorView& p, const TensorView& out,
                 PerformContext& context) {
  const Row row{p.data, p.shape[0], p.strides[0]};
  const int64_t k = row.n, m = out.shape[out.ndim - 1];
  checked_sum("sample", row);
  int64_t possible = 0;
  for (int64_t i = 0; i < k; ++i) possible += row[i] > 0;
  if (m > possible) {
    fail(ErrorKind::value, "random sample: ", m, " different indices are asked for, only ",
         possible, " have a probability above zero");
  }
  const auto words = static_cast<size_t>(k + kPhiloxGroup);
  char* memory = static_cast<char*>(context.scratch(words * sizeof(double) + words * 8));
  double* when = reinterpret_cast<double*>(memory);
  int64_t* order = reinterpret_cast<int64_t*>(memory + words * sizeof(double));
  const auto fill = PHINTYS_ISA_CALL(philox_fill_exponential_f64);
  int64_t* data = out.as<int64_t>();
  const int64_t groups = (k + kPhiloxGroup - 1) / kPhiloxGroup;
  for (int64_t r = 0; r < out.size() / m; ++r) {
    fill(state, static_cast<uint64_t>(r * groups), groups, when);
    for (int64_t i = 0; i < k; ++i) {
      when[i] = row[i] > 0 ? when[i] / row[i] : HUGE_VAL;
      order[i] = i;
    }
    std::partial_sort(order, order + m, order + k, [&](int64_t a, int64_t b) {
      return when[a] != when[b] ? when[a] < when[b] : a < b;
    });
    std::copy(order, order + m, data + r * m);
  }
}

}  // namespace

void PhiloxRows::check_attributes() const {
  if (!find_kind(kind)) fail(ErrorKind::value, "philox_rows: there is no kind \"", kind, "\"");
}

std::vector<Type> PhiloxRows::infer(std::span<const Var> inputs) const {
  const Kind& k = kind_of(*this);
  const size_t first = k.parameters + 1;
  check_inputs(*this, inputs, static_cast<int>(first), true);
  check_state(*this, inputs[0], DType::u64, "a vector of two uint64 (key, number of the draw)");
  Dims shape = known_lengths(*this, inputs, first);
  const int lengths = static_cast<int>(shape.size());
  const size_t p = probabilities_at(k.rows);
  for (size_t i = 1; i < first; ++i) {
    const Type& t = inputs[i].type();
    const bool scalar = k.rows == Rows::permutation || (k.rows == Rows::sample && i == 2);
    const int low = i == p ? 1 : 0;
    const int high = scalar ? 0 : k.rows == Rows::sample ? 1 : lengths + (i == p);
    if (t.dtype() != (i == p ? DType::f64 : DType::i64) || t.ndim() < low || t.ndim() > high) {
      fail(ErrorKind::type, "random ", kind, ": parameter ", i, " must be ",
           i == p ? "float64" : "int64", " of ", low, " to ", high, " dimensions, got ", t.str());
    }
  }
  if (k.rows == Rows::multinomial) {
    const Type& t = inputs[p].type();
    shape.push_back(t.dim(t.ndim() - 1));
  } else if (k.rows != Rows::categorical) {
    int64_t m = kUnknownDim;
    if (!constant_int_value(inputs[2].get(), &m) || m < 0) m = kUnknownDim;
    shape.push_back(m);
  }
  check_rank(*this, static_cast<int64_t>(shape.size()));
  return {inputs[0].type(), Type::tensor(DType::i64, std::move(shape))};
}

std::vector<Var> PhiloxRows::grad(const GradArgs& args) const {
  return std::vector<Var>(args.inputs.size());
}

std::vector<std::vector<Var>> PhiloxRows::infer_shape(const Apply& node) const {
  const Kind& k = kind_of(*this);
  std::vector<Var> dims = symbolic_lengths(node.output(1)->type(), node.inputs(), k.parameters + 1);
  if (k.rows == Rows::multinomial) {
    const Var& p = node.inputs()[2];
    dims.push_back(shape_i(p, p.ndim() - 1));
  } else if (k.rows != Rows::categorical) {
    dims.push_back(node.inputs()[2]);
  }
  return {{constant_int(2)}, dims};
}

uint64_t PhiloxRows::shape_inputs() const {
  const Kind& k = kind_of(*this);
  uint64_t bits = length_bits(k.parameters + 1, kMaxRank);
  if (k.rows == Rows::permutation) bits |= 6;
  if (k.rows == Rows::sample) bits |= 4;
  return bits;
}

void PhiloxRows::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Kind& k = kind_of(*this);
  if (inputs[0].shape[0] != 2) {
    fail(ErrorKind::value, "random ", kind, ": the state must have 2 elements, got ",
         inputs[0].shape[0]);
  }
  Dims shape = run_lengths(*this, inputs, k.parameters + 1);
  const int64_t draws = product(shape);
  if (const size_t p = probabilities_at(k.rows)) {
    const TensorView& v = inputs[p];
    if (k.rows != Rows::sample) check_broadcast(*this, leading(v), shape, "p");
    if (v.shape[v.ndim - 1] == 0 && draws != 0) {
      fail(ErrorKind::value, "random ", kind, ": there are no probabilities, p has shape ",
           shape_text(v));
    }
    if (k.rows == Rows::multinomial) {
      check_broadcast(*this, inputs[1], shape, "n");
      shape.push_back(v.shape[v.ndim - 1]);
    }
  }
  if (k.rows == Rows::permutation || k.rows == Rows::sample) {
    const int64_t m = load_int(inputs[2].data, DType::i64);
    const int64_t n =
        k.rows == Rows::sample ? inputs[1].shape[0] : load_int(inputs[1].data, DType::i64);
    if (n < 0 || m < 0 || m > n) {
      fail(ErrorKind::value, "random ", kind, ": cannot take ", m, " different ones of ", n);
    }
    shape.push_back(m);
    int64_t needed;
    if (!checked_product(shape, &needed) || needed > kMaxDraw || n > kMaxDraw) {
      fail(ErrorKind::memory, "random ", kind, ": an array of shape ", to_string(shape),
           " is too large");
    }
  }
  own_layout(outputs[0], inputs[0].shape, 1);
  own_layout(outputs[1], shape.data(), static_cast<int>(shape.size()));
}

void PhiloxRows::perform(PerformContext& context, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const PhiloxState state = read_philox(inputs[0]);
  const TensorView& out = outputs[1];
  if (out.size() != 0) {
    switch (kind_of(*this).rows) {
      case Rows::categorical:
        draw_categorical(state, inputs[1], out, context);
        break;
      case Rows::multinomial:
        draw_multinomial(state, inputs[1], inputs[2], out);
        break;
      case Rows::permutation:
        draw_permutation(state, load_int(inputs[1].data, DType::i64), out, context);
        break;
      case Rows::sample:
        draw_sample(state, inputs[1], out, context);
        break;
    }
  }
  store_next_philox(state, outputs[0]);
}

namespace {

bool enqueue_permutation(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) {
  const device::RandomKernels& kernels = *queue.table.random;
  const TensorView& out = outputs[1];
  const int64_t m = out.shape[out.ndim - 1];
  device::RandomPermutation work{stream_of(queue, inputs[0], outputs[0]),
                                 inputs[1].as<int64_t>(),
                                 m == 0 ? 0 : out.size() / m,
                                 m,
                                 out.as<int64_t>(),
                                 nullptr};
  if (const size_t bytes = kernels.permutation_scratch(work)) work.scratch = queue.scratch(bytes);
  return queue.check(kernels.permutation(queue.stream, work));
}

}  // namespace

bool PhiloxRows::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const device::RandomKernels* kernels = queue.table.random;
  if (!kernels) return false;
  const Rows rows = kind_of(*this).rows;
  if (rows == Rows::permutation) return enqueue_permutation(queue, inputs, outputs);
  const TensorView& p = inputs[probabilities_at(rows)];
  const TensorView& out = outputs[1];
  device::RandomRows work{};
  work.stream = stream_of(queue, inputs[0], outputs[0]);
  work.k = p.shape[p.ndim - 1];
  work.stride = p.strides[p.ndim - 1];
  work.out = out.as<int64_t>();
  // Dimensions of the result that count rows.
  const int ndim = rows == Rows::categorical ? out.ndim : out.ndim - 1;
  work.n = 1;
  for (int d = 0; d < ndim; ++d) work.n *= out.shape[d];
  work.m = ndim < out.ndim ? out.shape[ndim] : 1;
  const TensorView row = leading(p);
  if (rows == Rows::sample) {
    if (!device::to_tensor(row, &work.rows)) return false;
  } else if (!to_stretched(row, out.shape, ndim, &work.rows)) {
    return false;
  }
  switch (rows) {
    case Rows::categorical: {
      work.uniform = Parameter(row, out.shape, ndim).uniform();
      const size_t bytes = kernels->categorical_scratch(work);
      if (bytes && work.n > 0) work.scratch = queue.scratch(bytes);
      return queue.check(kernels->categorical(queue.stream, work));
    }
    case Rows::multinomial:
      if (!to_stretched(inputs[1], out.shape, ndim, &work.trials)) return false;
      return queue.check(kernels->multinomial(queue.stream, work));
    default: {
      const size_t bytes = kernels->sample_scratch(work);
      if (bytes) work.scratch = queue.scratch(bytes);
      return queue.check(kernels->sample(queue.stream, work));
    }
  }
}

}  // namespace phintys
