#include "ops/random/philox_draw.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "device/queue.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/random/philox_kernels.h"
#include "ops/random/philox_parameters.h"
#include "ops/random/random_util.h"

namespace phintys {

namespace {

using device::Law;

struct Kind {
  const char* name;
  Law law;
  int parameters;
  const char* parameter_names[2];
  DType parameter_dtype;
  DTypeSet results;
};

constexpr DTypeSet kFloats = dtype_bit(DType::f32) | dtype_bit(DType::f64);
constexpr DTypeSet kWords = dtype_bit(DType::u32) | dtype_bit(DType::u64);
constexpr DTypeSet kCounts = dtype_bit(DType::i64);

constexpr Kind kKinds[] = {
    {"bits", Law::bits, 0, {}, DType::f64, kWords},
    {"uniform", Law::uniform, 0, {}, DType::f64, kFloats},
    {"normal", Law::normal, 0, {}, DType::f64, kFloats},
    {"exponential", Law::exponential, 0, {}, DType::f64, kFloats},
    {"gamma", Law::gamma, 1, {"shape"}, DType::f64, kFloats},
    {"log_gamma", Law::log_gamma, 1, {"shape"}, DType::f64, kFloats},
    {"truncated_normal", Law::truncated_normal, 2, {"lower", "upper"}, DType::f64, kFloats},
    {"poisson", Law::poisson, 1, {"mean"}, DType::f64, kCounts},
    {"binomial", Law::binomial, 2, {"n", "p"}, DType::f64, kCounts},
    {"integers", Law::integers, 2, {"low", "high"}, DType::i64, kCounts},
};

const Kind* find_kind(const std::string& name) {
  for (const Kind& k : kKinds) {
    if (name == k.name) return &k;
  }
  return nullptr;
}

const Kind& kind_of(const PhiloxDraw& op) {
  const Kind* kind = find_kind(op.kind);
  PHINTYS_CHECK(kind, "philox_draw: unknown kind");
  return *kind;
}

// --- without parameters
// ---------------------------------------------------------------------------

template <class T>
using Fill = void (*)(PhiloxState, uint64_t group, int64_t n, T* out);

template <class T>
void fill(Fill<T> kernel, const PhiloxState& state, const TensorView& out) {
  constexpr int64_t kPerGroup = kPhiloxGroup * 8 / static_cast<int64_t>(sizeof(T));
  const int64_t n = out.size();
  T* data = reinterpret_cast<T*>(out.data);
  parallel_ranges((n + kPerGroup - 1) / kPerGroup, 512, [&](int64_t begin, int64_t end) {
    const int64_t whole = std::min(end, n / kPerGroup);
    kernel(state, static_cast<uint64_t>(begin), whole - begin, data + begin * kPerGroup);
    if (whole == end) return;
    T rest[kPerGroup];
    kernel(state, static_cast<uint64_t>(whole), 1, rest);
    std::memcpy(data + whole * kPerGroup, rest,
                static_cast<size_t>(n - whole * kPerGroup) * sizeof(T));
  });
}

template <class T>
Fill<T> fill_kernel(Law law) {
  if constexpr (std::is_same_v<T, float>) {
    return law == Law::uniform  ? PHINTYS_ISA_CALL(philox_fill_uniform_f32)
           : law == Law::normal ? PHINTYS_ISA_CALL(philox_fill_normal_f32)
                                : PHINTYS_ISA_CALL(philox_fill_exponential_f32);
  } else {
    return law == Law::uniform  ? PHINTYS_ISA_CALL(philox_fill_uniform_f64)
           : law == Law::normal ? PHINTYS_ISA_CALL(philox_fill_normal_f64)
                                : PHINTYS_ISA_CALL(philox_fill_exponential_f64);
  }
}

void fill_bits(const PhiloxState& state, const TensorView& out) {
  const Fill<uint64_t> kernel = PHINTYS_ISA_CALL(philox_fill_bits);
  // Two 32-bit words are the halves of one of 64 bits.
  const int64_t bytes = out.size() * static_cast<int64_t>(item_size(out.dtype));
  constexpr int64_t kBytes = kPhiloxGroup * 8;
  parallel_ranges((bytes + kBytes - 1) / kBytes, 512, [&](int64_t begin, int64_t end) {
    uint64_t words[kPhiloxGroup];
    for (int64_t g = begin; g < end; ++g) {
      kernel(state, static_cast<uint64_t>(g), 1, words);
      const int64_t n = std::min(kBytes, bytes - g * kBytes);
      std::memcpy(out.data + g * kBytes, words, static_cast<size_t>(n));
    }
  });
}

// --- with parameters
// ------------------------------------------------------------------------------

constexpr int64_t kBlock = 256;
constexpr int64_t kGrain = 2048;

[[noreturn]] void bad_parameter(const Kind& kind, const char* rule, double a, double b) {
  if (kind.parameters == 1) {
    fail(ErrorKind::value, "random ", kind.name, ": ", kind.parameter_names[0], " ", rule, ", got ",
         a);
  }
  fail(ErrorKind::value, "random ", kind.name, ": ", rule, ", got ", kind.parameter_names[0], " = ",
       a, " and ", kind.parameter_names[1], " = ", b);
}

void check_parameters(const Kind& kind, const double* a, const double* b, int64_t n) {
  bool good = true;
  for (int64_t i = 0; i < n; ++i) good &= problem(kind.law, a[i], b[i]) == nullptr;
  if (good) return;
  for (int64_t i = 0; i < n; ++i) {
    if (const char* rule = problem(kind.law, a[i], b[i])) bad_parameter(kind, rule, a[i], b[i]);
  }
}

using LaneKernel = void (*)(const LaneWork&);

LaneKernel lane_kernel(Law law) {
  switch (law) {
    case Law::gamma:
      return PHINTYS_ISA_CALL(philox_gamma_lanes);
    case Law::log_gamma:
      return PHINTYS_ISA_CALL(philox_log_gamma_lanes);
    case Law::poisson:
      return PHINTYS_ISA_CALL(philox_poisson_lanes);
    case Law::binomial:
      return PHINTYS_ISA_CALL(philox_binomial_lanes);
    default:
      return PHINTYS_ISA_CALL(philox_truncated_normal_lanes);
  }
}

template <class T>
void draw_lanes(const Kind& kind, const PhiloxState& state, const TensorView* parameters,
                const TensorView& out) {
  const LaneKernel kernel = lane_kernel(kind.law);
  const Parameter first(parameters[0], out.shape, out.ndim);
  const Parameter second(parameters[kind.parameters - 1], out.shape, out.ndim);
  T* data = reinterpret_cast<T*>(out.data);
  parallel_ranges(out.size(), kGrain, [&](int64_t begin, int64_t end) {
    alignas(64) double a[kBlock], b[kBlock], result[kBlock];
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t n = std::min(kBlock, end - at);
      first.read(at, n, a);
      second.read(at, n, b);
      check_parameters(kind, a, b, n);
      // Whole vectors: the last element is repeated.
      const int64_t padded = (n + kLanePad - 1) / kLanePad * kLanePad;
      std::fill(a + n, a + padded, a[n - 1]);
      std::fill(b + n, b + padded, b[n - 1]);
      kernel({state, static_cast<uint64_t>(at), 1, padded, a, b, result});
      for (int64_t i = 0; i < n; ++i) data[at + i] = static_cast<T>(result[i]);
    }
  });
}

void draw_integers(const Kind& kind, const PhiloxState& state, const TensorView* parameters,
                   const TensorView& out) {
  const Fill<uint64_t> bits = PHINTYS_ISA_CALL(philox_fill_bits);
  const Parameter lows(parameters[0], out.shape, out.ndim);
  const Parameter highs(parameters[1], out.shape, out.ndim);
  int64_t* data = out.as<int64_t>();
  parallel_ranges(out.size(), kGrain, [&](int64_t begin, int64_t end) {
    int64_t low[kBlock], high[kBlock];
    uint64_t words[kBlock];
    BoundedInteger bounded(1);
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t n = std::min(kBlock, end - at);
      lows.read(at, n, low);
      highs.read(at, n, high);
      bits(state, static_cast<uint64_t>(at / kPhiloxGroup), (n + 15) / kPhiloxGroup, words);
      for (int64_t i = 0; i < n; ++i) {
        if (low[i] >= high[i]) {
          fail(ErrorKind::value, "random ", kind.name,
               ": low must be below high, got low = ", low[i], " and high = ", high[i]);
        }
        const uint64_t range = static_cast<uint64_t>(high[i]) - static_cast<uint64_t>(low[i]);
        if (range != bounded.range) bounded = BoundedInteger(range);
        data[at + i] =
            static_cast<int64_t>(static_cast<uint64_t>(low[i]) +
                                 bounded(words[i], state, static_cast<uint64_t>(at + i)));
      }
    }
  });
}

static_assert(kBlock % kPhiloxGroup == 0 && kGrain % kBlock == 0 && kBlock <= kMaxLaneWork);

}  // namespace

void PhiloxDraw::check_attributes() const {
  const Kind* k = find_kind(kind);
  if (!k) fail(ErrorKind::value, "philox_draw: there is no kind \"", kind, "\"");
  if (!contains(k->results, dtype)) {
    fail(ErrorKind::type, "random ", kind, ": numbers of dtype ", dtype_name(dtype),
         " cannot be drawn");
  }
}

std::string PhiloxDraw::str() const {
  return "PhiloxDraw{" + kind + "," + std::string(dtype_name(dtype)) + "}";
}

std::vector<Type> PhiloxDraw::infer(std::span<const Var> inputs) const {
  const Kind& k = kind_of(*this);
  const size_t first = static_cast<size_t>(k.parameters) + 1;
  check_inputs(*this, inputs, static_cast<int>(first), true);
  check_state(*this, inputs[0], DType::u64, "a vector of two uint64 (key, number of the draw)");
  Dims shape = known_lengths(*this, inputs, first);
  for (size_t i = 1; i < first; ++i) {
    const Type& t = inputs[i].type();
    if (t.dtype() != k.parameter_dtype || t.ndim() > static_cast<int>(shape.size())) {
      fail(ErrorKind::type, "random ", kind, ": ", k.parameter_names[i - 1], " must be ",
           dtype_name(k.parameter_dtype), " with at most ", shape.size(), " dimensions, got ",
           t.str());
    }
  }
  return {inputs[0].type(), Type::tensor(dtype, std::move(shape))};
}

std::vector<Var> PhiloxDraw::grad(const GradArgs& args) const {
  const Kind& k = kind_of(*this);
  std::vector<Var> result(args.inputs.size());
  if (!args.grads[1] || is_discrete(dtype)) return result;
  for (int i = 1; i <= k.parameters; ++i) {
    result[static_cast<size_t>(i)] =
        undefined_grad(*this, i, k.parameter_names[i - 1],
                       "Random numbers are not differentiated with respect to this parameter.");
  }
  return result;
}

bool PhiloxDraw::connected(int in, int out) const {
  return out == 1 && in >= 1 && in <= kind_of(*this).parameters && !is_discrete(dtype);
}

std::vector<std::vector<Var>> PhiloxDraw::infer_shape(const Apply& node) const {
  const size_t first = static_cast<size_t>(kind_of(*this).parameters) + 1;
  return {{constant_int(2)}, symbolic_lengths(node.output(1)->type(), node.inputs(), first)};
}

uint64_t PhiloxDraw::shape_inputs() const {
  return length_bits(static_cast<size_t>(kind_of(*this).parameters) + 1, kMaxRank);
}

bool PhiloxDraw::infallible() const { return kind_of(*this).parameters == 0; }

void PhiloxDraw::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Kind& k = kind_of(*this);
  const size_t first = static_cast<size_t>(k.parameters) + 1;
  if (inputs[0].shape[0] != 2) {
    fail(ErrorKind::value, "random ", kind, ": the state must have 2 elements, got ",
         inputs[0].shape[0]);
  }
  const Dims shape = run_lengths(*this, inputs, first);
  for (size_t i = 1; i < first; ++i) {
    check_broadcast(*this, inputs[i], shape, k.parameter_names[i - 1]);
  }
  own_layout(outputs[0], inputs[0].shape, 1);
  own_layout(outputs[1], shape.data(), static_cast<int>(shape.size()));
}

void PhiloxDraw::perform(PerformContext&, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const Kind& k = kind_of(*this);
  const PhiloxState state = read_philox(inputs[0]);
  const TensorView& out = outputs[1];
  const TensorView* parameters = inputs.data() + 1;
  if (out.size() != 0) {
    if (k.law == Law::bits) {
      fill_bits(state, out);
    } else if (k.law == Law::integers) {
      draw_integers(k, state, parameters, out);
    } else if (k.parameters == 0 && dtype == DType::f32) {
      fill(fill_kernel<float>(k.law), state, out);
    } else if (k.parameters == 0) {
      fill(fill_kernel<double>(k.law), state, out);
    } else if (dtype == DType::f32) {
      draw_lanes<float>(k, state, parameters, out);
    } else if (dtype == DType::f64) {
      draw_lanes<double>(k, state, parameters, out);
    } else {
      draw_lanes<int64_t>(k, state, parameters, out);
    }
  }
  store_next_philox(state, outputs[0]);
}

bool PhiloxDraw::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const device::RandomKernels* kernels = queue.table.random;
  if (!kernels) return false;
  const Kind& k = kind_of(*this);
  const TensorView& out = outputs[1];
  device::RandomDraw draw{
      stream_of(queue, inputs[0], outputs[0]), k.law, dtype, out.data, out.size(), {}};
  for (int i = 0; i < k.parameters; ++i) {
    const TensorView& given = inputs[static_cast<size_t>(i) + 1];
    if (!to_stretched(given, out.shape, out.ndim, &draw.parameters[i])) return false;
  }
  return queue.check(kernels->draw(queue.stream, draw));
}

}  // namespace phintys
