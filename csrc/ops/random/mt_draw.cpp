#include "ops/random/mt_draw.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "ops/build.h"
#include "ops/random/mt19937.h"
#include "ops/random/random_util.h"

namespace phintys {

namespace {

enum class Law {
  uniform,
  normal,
  poisson,
  binomial,
  random_integers,
  choice,
  permutation,
  multinomial,
};

struct Kind {
  const char* name;
  Law law;
  int parameters;
  const char* names[3];
  DType dtypes[3];
  DType result;
};

constexpr DType kReal = DType::f64, kInt = DType::i64;
constexpr Kind kKinds[] = {
    {"uniform", Law::uniform, 2, {"low", "high"}, {kReal, kReal}, kReal},
    {"normal", Law::normal, 2, {"avg", "std"}, {kReal, kReal}, kReal},
    {"poisson", Law::poisson, 1, {"lam"}, {kReal}, kInt},
    {"binomial", Law::binomial, 2, {"n", "p"}, {kInt, kReal}, kInt},
    {"random_integers", Law::random_integers, 2, {"low", "high"}, {kInt, kInt}, kInt},
    {"choice", Law::choice, 3, {"a", "replace", "p"}, {kInt, kInt, kReal}, kInt},
    {"permutation", Law::permutation, 1, {"n"}, {kInt}, kInt},
    {"multinomial", Law::multinomial, 2, {"n", "pvals"}, {kInt, kReal}, kInt},
};

const Kind* find_kind(const std::string& name) {
  for (const Kind& k : kKinds) {
    if (name == k.name) return &k;
  }
  return nullptr;
}

const Kind& kind_of(const MtDraw& op) {
  const Kind* kind = find_kind(op.kind);
  PHINTYS_CHECK(kind, "mt19937_draw: unknown kind");
  return *kind;
}

size_t first_length(const Kind& k) { return static_cast<size_t>(k.parameters) + 1; }

TensorView leading(const TensorView& p) {
  return {p.data, p.dtype, p.ndim - 1, p.shape, p.strides};
}

// --- element by element
// ---------------------------------------------------------------------------

// f(a, b) for each element, in C order.
template <class A, class B, class R, class F>
void each(const TensorView* parameters, int second, const TensorView& out, F&& f) {
  const Parameter first(parameters[0], out.shape, out.ndim);
  const Parameter other(parameters[second], out.shape, out.ndim);
  constexpr int64_t kBlock = 256;
  A a[kBlock];
  B b[kBlock];
  R* data = reinterpret_cast<R*>(out.data);
  const int64_t n = out.size();
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t count = std::min(kBlock, n - at);
    first.read(at, count, a);
    other.read(at, count, b);
    for (int64_t i = 0; i < count; ++i) data[at + i] = f(a[i], b[i]);
  }
}

double uniform(RandomState& state, double low, double high) {
  const double range = high - low;
  if (!std::isfinite(range)) {
    fail(ErrorKind::value, "random uniform: the range from ", low, " to ", high,
         " exceeds valid bounds");
  }
  return low + range * state.next_double();
}

double normal(RandomState& state, double avg, double std_) {
  if (std::signbit(std_) && !std::isnan(std_)) {
    fail(ErrorKind::value, "random normal: std must not be negative, got ", std_);
  }
  return avg + std_ * state.normal();
}

int64_t poisson(RandomState& state, double lam) {
  if (!(lam >= 0) || lam > 9.22337203e18) {
    fail(ErrorKind::value, "random poisson: lam must not be negative, NaN or too large, got ", lam);
  }
  return state.poisson(lam);
}

int64_t binomial(RandomState& state, int64_t n, double p) {
  if (n < 0) fail(ErrorKind::value, "random binomial: n must not be negative, got ", n);
  if (!(p >= 0 && p <= 1)) {
    fail(ErrorKind::value, "random binomial: p must be between 0 and 1, got ", p);
  }
  return state.binomial(n, p);
}

int64_t integer(RandomState& state, int64_t low, int64_t high) {
  if (low > high) {
    fail(ErrorKind::value, "random integers: low must not exceed high, got ", low, " and ", high);
  }
  const uint64_t last = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return static_cast<int64_t>(static_cast<uint64_t>(low) + state.interval(last));
}

void shuffle(RandomState& state, int64_t n, int64_t* out) {
  std::iota(out, out + n, int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(out[i], out[state.interval(static_cast<uint64_t>(i))]);
  }
}

// --- choice
// ---------------------------------------------------------------------------------------

struct Choice {
  int64_t n;
  const double* p;  // null: all the same
  double* sums;
  int64_t* chosen;
};

void cumulate(const double* p, int64_t n, double* sums) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sums[i] = sum += p[i];
  for (int64_t i = 0; i < n; ++i) sums[i] /= sum;
}

int64_t locate(const double* sums, int64_t n, double u) {
  return std::min<int64_t>(std::upper_bound(sums, sums + n, u) - sums, n - 1);
}

void check_probabilities(const double* p, int64_t n) {
  // Kahan's sum, which NumPy compares with 1 too.
  double sum = p[0], lost = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!(p[i] >= 0)) {
      fail(ErrorKind::value, "random choice: probabilities must not be negative or NaN, got ",
           p[i]);
    }
    if (i == 0) continue;
    const double y = p[i] - lost;
    const double t = sum + y;
    lost = (t - sum) - y;
    sum = t;
  }
  if (!(std::fabs(sum - 1.0) <= 1.4901161193847656e-08)) {
    fail(ErrorKind::value, "random choice: the probabilities add up to ", sum, " instead of 1");
  }
}

// Rounds of draws with replacement; what was found has no probability in the next round.
void choose_weighted(RandomState& state, const Choice& c, double* p, int64_t m, int64_t* out) {
  int64_t found = 0;
  while (found < m) {
    for (int64_t i = 0; i < found; ++i) p[out[i]] = 0;
    cumulate(p, c.n, c.sums);
    std::fill(c.chosen, c.chosen + c.n, int64_t{0});
    const int64_t wanted = m - found;
    for (int64_t i = 0; i < wanted; ++i) {
      const int64_t at = locate(c.sums, c.n, state.next_double());
      if (!c.chosen[at]) out[found++] = at;
      c.chosen[at] = 1;
    }
  }
}

void choose(RandomState& state, PerformContext& context, const TensorView* parameters,
            const TensorView& out) {
  const int64_t n = load_int(parameters[0].data, kInt), m = out.size();
  const bool replace = load_int(parameters[1].data, kInt) != 0;
  const TensorView& p = parameters[2];
  int64_t* data = out.as<int64_t>();
  if (m == 0) return;
  if (n <= 0) fail(ErrorKind::value, "random choice: a must not be empty, its length is ", n);
  if (!replace && m > n) {
    fail(ErrorKind::value, "random choice: cannot take ", m, " different ones of ", n);
  }
  const bool weighted = p.shape[0] != 0;
  if (!weighted && replace) {
    for (int64_t i = 0; i < m; ++i) {
      data[i] = static_cast<int64_t>(state.interval(static_cast<uint64_t>(n - 1)));
    }
    return;
  }
  if (n > kMaxDraw)
    fail(ErrorKind::memory, "random choice: an array of length ", n, " is too large");
  const auto bytes = static_cast<size_t>(n) * 8;
  char* memory = static_cast<char*>(context.scratch(weighted ? 3 * bytes : bytes));
  int64_t* chosen = reinterpret_cast<int64_t*>(memory);
  if (!weighted) {
    shuffle(state, n, chosen);
    std::copy(chosen, chosen + m, data);
    return;
  }
  if (p.shape[0] != n) {
    fail(ErrorKind::value, "random choice: a has ", n, " elements, p has ", p.shape[0]);
  }
  double* weights = reinterpret_cast<double*>(memory + bytes);
  double* sums = reinterpret_cast<double*>(memory + 2 * bytes);
  Parameter(p, p.shape, 1).read(0, n, weights);
  check_probabilities(weights, n);
  if (replace) {
    cumulate(weights, n, sums);
    for (int64_t i = 0; i < m; ++i) data[i] = locate(sums, n, state.next_double());
    return;
  }
  const int64_t possible = std::count_if(weights, weights + n, [](double w) { return w > 0; });
  if (possible < m) {
    fail(ErrorKind::value, "random choice: fewer non-zero entries in p (", possible,
         ") than the size asked for (", m, ")");
  }
  choose_weighted(state, {n, weights, sums, chosen}, weights, m, data);
}

// --- multinomial
// ----------------------------------------------------------------------------------

// NumPy's order of summation: eight partial sums, in blocks of at most 128.
template <class T>
T pairwise_sum(const char* p, int64_t n, int64_t stride) {
  const auto at = [&](int64_t i) { return *reinterpret_cast<const T*>(p + i * stride); };
  if (n < 8) {
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += at(i);
    return sum;
  }
  if (n <= 128) {
    T r[8];
    for (int64_t j = 0; j < 8; ++j) r[j] = at(j);
    int64_t i = 8;
    for (; i + 8 <= n; i += 8) {
      for (int64_t j = 0; j < 8; ++j) r[j] += at(i + j);
    }
    T sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; ++i) sum += at(i);
    return sum;
  }
  int64_t half = n / 2;
  half -= half % 8;
  return pairwise_sum<T>(p, half, stride) + pairwise_sum<T>(p + half * stride, n - half, stride);
}

// Theano scales rows that add up to a little more than 1, or whose last element is next to nothing.
template <class T>
void multinomial_row(RandomState& state, int64_t n, const char* p, int64_t k, int64_t stride,
                     int64_t* out) {
  const auto at = [&](int64_t i) { return *reinterpret_cast<const T*>(p + i * stride); };
  for (int64_t i = 0; i < k; ++i) {
    if (!(at(i) >= 0)) {
      fail(ErrorKind::value, "random multinomial: pvals must not be negative or NaN, got ",
           static_cast<double>(at(i)));
    }
  }
  const T sum = pairwise_sum<T>(p, k, stride);
  const bool above = 1.0 < static_cast<double>(sum) && static_cast<double>(sum) < 1.0 + 1e-5;
  const T scale =
      above || static_cast<double>(at(k - 1)) < 5e-5 ? static_cast<T>(1.0 - 5e-5) : T{1};
  if (!(static_cast<double>(sum * scale) <= 1.0)) {
    fail(ErrorKind::value, "random multinomial: a row of pvals adds up to ",
         static_cast<double>(sum), ", more than 1");
  }
  std::fill(out, out + k, int64_t{0});
  double rest = 1.0;
  int64_t left = n;
  for (int64_t j = 0; j + 1 < k && left > 0; ++j) {
    const auto share = static_cast<double>(at(j) * scale);
    out[j] = state.binomial(left, std::min(1.0, std::max(0.0, share / rest)));
    left -= out[j];
    rest -= share;
  }
  if (left > 0) out[k - 1] = left;
}

void multinomial(RandomState& state, const TensorView* parameters, const TensorView& out) {
  const int ndim = out.ndim - 1;
  const TensorView& p = parameters[1];
  const Parameter counts(parameters[0], out.shape, ndim);
  const Parameter rows(leading(p), out.shape, ndim);
  const int64_t k = p.shape[p.ndim - 1], stride = p.strides[p.ndim - 1];
  for (int64_t r = 0; r < out.size() / k; ++r) {
    int64_t n;
    counts.read(r, 1, &n);
    if (n < 0) fail(ErrorKind::value, "random multinomial: n must not be negative, got ", n);
    int64_t* row = out.as<int64_t>() + r * k;
    if (p.dtype == DType::f32) {
      multinomial_row<float>(state, n, rows.at(r), k, stride, row);
    } else {
      multinomial_row<double>(state, n, rows.at(r), k, stride, row);
    }
  }
}

}  // namespace

void MtDraw::check_attributes() const {
  if (!find_kind(kind)) fail(ErrorKind::value, "mt19937_draw: there is no kind \"", kind, "\"");
}

std::vector<Type> MtDraw::infer(std::span<const Var> inputs) const {
  const Kind& k = kind_of(*this);
  const size_t first = first_length(k);
  check_inputs(*this, inputs, static_cast<int>(first), true);
  check_state(*this, inputs[0], DType::u32, "a vector of 628 uint32 (a Mersenne Twister's)");
  Dims shape = known_lengths(*this, inputs, first);
  const int lengths = static_cast<int>(shape.size());
  for (int i = 0; i < k.parameters; ++i) {
    const Type& t = inputs[static_cast<size_t>(i) + 1].type();
    const bool row = k.law == Law::multinomial && i == 1;
    const bool vector = k.law == Law::choice && i == 2;
    const bool scalar = k.law == Law::permutation || (k.law == Law::choice && i < 2);
    const int low = row || vector ? 1 : 0;
    const int high = vector ? 1 : scalar ? 0 : row ? lengths + 1 : lengths;
    const bool fits = t.dtype() == k.dtypes[i] || (row && t.dtype() == DType::f32);
    if (!fits || t.ndim() < low || t.ndim() > high) {
      fail(ErrorKind::type, "random ", kind, ": ", k.names[i], " must be ", dtype_name(k.dtypes[i]),
           " of ", low, " to ", high, " dimensions, got ", t.str());
    }
  }
  if (k.law == Law::permutation) {
    int64_t n = kUnknownDim;
    if (!constant_int_value(inputs[1].get(), &n) || n < 0) n = kUnknownDim;
    shape.push_back(n);
  } else if (k.law == Law::multinomial) {
    const Type& t = inputs[2].type();
    shape.push_back(t.dim(t.ndim() - 1));
  }
  check_rank(*this, static_cast<int64_t>(shape.size()));
  return {inputs[0].type(), Type::tensor(k.result, std::move(shape))};
}

// As in Theano, also where the numbers are integers.
std::vector<Var> MtDraw::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  if (!args.grads[1]) return result;
  for (int i = 1; i <= kind_of(*this).parameters; ++i) {
    result[static_cast<size_t>(i)] = undefined_grad(
        *this, i, kind_of(*this).names[i - 1], "No gradient defined through raw random numbers op");
  }
  return result;
}

bool MtDraw::connected(int in, int out) const {
  return out == 1 && in >= 1 && in <= kind_of(*this).parameters;
}

std::vector<std::vector<Var>> MtDraw::infer_shape(const Apply& node) const {
  const Kind& k = kind_of(*this);
  std::vector<Var> dims = symbolic_lengths(node.output(1)->type(), node.inputs(), first_length(k));
  if (k.law == Law::permutation) {
    dims.push_back(node.inputs()[1]);
  } else if (k.law == Law::multinomial) {
    const Var& p = node.inputs()[2];
    dims.push_back(shape_i(p, p.ndim() - 1));
  }
  return {{constant_int(kMtState)}, dims};
}

uint64_t MtDraw::shape_inputs() const {
  const Kind& k = kind_of(*this);
  return length_bits(first_length(k), kMaxRank) | (k.law == Law::permutation ? 2 : 0);
}

void MtDraw::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Kind& k = kind_of(*this);
  if (inputs[0].shape[0] != kMtState) {
    fail(ErrorKind::value, "random ", kind, ": the state must have 628 elements, got ",
         inputs[0].shape[0]);
  }
  Dims shape = run_lengths(*this, inputs, first_length(k));
  if (k.law == Law::multinomial) {
    const TensorView& p = inputs[2];
    check_broadcast(*this, inputs[1], shape, "n");
    check_broadcast(*this, leading(p), shape, "pvals");
    shape.push_back(p.shape[p.ndim - 1]);
  } else if (k.law == Law::permutation) {
    const int64_t n = load_int(inputs[1].data, kInt);
    if (n < 0) fail(ErrorKind::value, "random permutation: n must not be negative, got ", n);
    shape.push_back(n);
  } else if (k.law != Law::choice) {
    for (int i = 0; i < k.parameters; ++i) {
      check_broadcast(*this, inputs[static_cast<size_t>(i) + 1], shape, k.names[i]);
    }
  }
  int64_t size;
  if (!checked_product(shape, &size) || size > kMaxDraw) {
    fail(ErrorKind::memory, "random ", kind, ": an array of shape ", to_string(shape),
         " is too large");
  }
  own_layout(outputs[0], inputs[0].shape, 1);
  own_layout(outputs[1], shape.data(), static_cast<int>(shape.size()));
}

void MtDraw::perform(PerformContext& context, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  copy_elements(outputs[0], inputs[0]);
  const TensorView* parameters = inputs.data() + 1;
  const TensorView& out = outputs[1];
  RandomState state(outputs[0].as<uint32_t>());
  if (out.size() == 0) return;
  switch (kind_of(*this).law) {
    case Law::uniform:
      each<double, double, double>(parameters, 1, out,
                                   [&](double a, double b) { return uniform(state, a, b); });
      break;
    case Law::normal:
      each<double, double, double>(parameters, 1, out,
                                   [&](double a, double b) { return normal(state, a, b); });
      break;
    case Law::poisson:
      each<double, double, int64_t>(parameters, 0, out,
                                    [&](double a, double) { return poisson(state, a); });
      break;
    case Law::binomial:
      each<int64_t, double, int64_t>(parameters, 1, out,
                                     [&](int64_t a, double b) { return binomial(state, a, b); });
      break;
    case Law::random_integers:
      each<int64_t, int64_t, int64_t>(parameters, 1, out,
                                      [&](int64_t a, int64_t b) { return integer(state, a, b); });
      break;
    case Law::choice:
      choose(state, context, parameters, out);
      break;
    case Law::permutation: {
      const int64_t n = out.shape[out.ndim - 1];
      for (int64_t r = 0; r < out.size() / n; ++r) shuffle(state, n, out.as<int64_t>() + r * n);
      break;
    }
    case Law::multinomial:
      multinomial(state, parameters, out);
      break;
  }
}

}  // namespace phintys
