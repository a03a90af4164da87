#include "ops/linalg/signature.h"

#include <array>

#include "ops/build.h"
#include "ops/build_elementwise.h"

namespace phintys::linalg {

namespace {

// What is known of each letter's dimension.
template <class V>
struct Letters {
  std::array<V, 26> value{};
  std::array<bool, 26> known{};
  V& operator[](char c) { return value[static_cast<size_t>(c - 'a')]; }
  bool has(char c) const { return known[static_cast<size_t>(c - 'a')]; }
  void set(char c, V v) {
    value[static_cast<size_t>(c - 'a')] = std::move(v);
    known[static_cast<size_t>(c - 'a')] = true;
  }
};

int core_of(const std::string& letters) { return static_cast<int>(letters.size()); }

bool stretched(std::span<const int64_t> stretch, size_t operand, int axis) {
  return operand < stretch.size() && (stretch[operand] >> axis & 1) != 0;
}

std::string where(const Op& op, const std::string& signature) {
  return std::string(op.name()) + " (" + signature + ")";
}

}  // namespace

Signature Signature::parse(const std::string& text) {
  Signature s;
  std::vector<std::string>* list = &s.in;
  list->emplace_back();
  for (char c : text) {
    if (c == ',') {
      list->emplace_back();
    } else if (c == '>') {
      list = &s.out;
      list->emplace_back();
    } else if (c != '-') {
      list->back() += c;
    }
  }
  return s;
}

bool lapack_dtype(DType d) {
  return d == DType::f32 || d == DType::f64 || d == DType::c64 || d == DType::c128;
}

std::vector<Type> infer_by(const Op& op, const std::string& signature, std::span<const Var> inputs,
                           const std::vector<DType>& dtypes, std::span<const int64_t> stretch) {
  const Signature s = Signature::parse(signature);
  check_inputs(op, inputs, static_cast<int>(s.in.size()));
  Letters<int64_t> dims;
  Dims stack;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Type& t = inputs[i].type();
    const int n_stack = t.ndim() - core_of(s.in[i]);
    if (n_stack < 0) {
      fail(ErrorKind::type, where(op, signature), ": operand ", i, " must have ", s.in[i].size(),
           " or more dimensions, got ", t.str());
    }
    if (i == 0) {
      stack.assign(static_cast<size_t>(n_stack), kUnknownDim);
    } else if (n_stack != static_cast<int>(stack.size())) {
      fail(ErrorKind::type, where(op, signature),
           ": operands have stacks of different ranks: ", inputs[0].type().str(), " and ", t.str());
    }
    for (int k = 0; k < n_stack; ++k) {
      int64_t& have = stack[static_cast<size_t>(k)];
      if (!stretched(stretch, i, k)) {
        have = merge_known(op, have, t.dim(k), k);
      } else if (t.dim(k) != 1) {
        fail(ErrorKind::value, where(op, signature), ": axis ", k, " of ", t.str(),
             " is not known to be 1 and cannot be stretched");
      }
    }
    for (int k = 0; k < core_of(s.in[i]); ++k) {
      const char c = s.in[i][static_cast<size_t>(k)];
      const int64_t d = t.dim(n_stack + k);
      dims.set(c, dims.has(c) ? merge_known(op, dims[c], d, n_stack + k) : d);
    }
  }
  if (!dims.has('r') && dims.has('m') && dims.has('n')) {
    const int64_t m = dims['m'], n = dims['n'];
    dims.set('r', m < 0 || n < 0 ? kUnknownDim : std::min(m, n));
  }
  // All stretched: each of them is 1.
  for (int k = 0; k < static_cast<int>(stack.size()); ++k) {
    bool all = true;
    for (size_t i = 0; i < inputs.size(); ++i) all = all && stretched(stretch, i, k);
    if (all) stack[static_cast<size_t>(k)] = 1;
  }
  std::vector<Type> types;
  for (size_t o = 0; o < s.out.size(); ++o) {
    Dims shape = stack;
    for (char c : s.out[o]) shape.push_back(dims[c]);
    types.push_back(Type::tensor(dtypes[o], std::move(shape)));
  }
  return types;
}

std::vector<std::vector<Var>> infer_shape_by(const std::string& signature, const Apply& node,
                                             std::span<const int64_t> stretch) {
  const Signature s = Signature::parse(signature);
  Letters<Var> dims;
  std::vector<Var> stack;
  for (size_t i = 0; i < s.in.size(); ++i) {
    const Var& v = node.inputs()[i];
    const int n_stack = v.ndim() - core_of(s.in[i]);
    for (int k = 0; k < n_stack; ++k) {
      const size_t at = static_cast<size_t>(k);
      if (stack.size() <= at) stack.emplace_back();
      if (!stack[at] && !stretched(stretch, i, k)) stack[at] = shape_i(v, k);
    }
    for (int k = 0; k < core_of(s.in[i]); ++k) {
      const char c = s.in[i][static_cast<size_t>(k)];
      if (!dims.has(c)) dims.set(c, shape_i(v, n_stack + k));
    }
  }
  if (!dims.has('r') && dims.has('m') && dims.has('n')) {
    dims.set('r', minimum(dims['m'], dims['n']));
  }
  for (Var& v : stack) {
    if (!v) v = constant_int(1);
  }
  std::vector<std::vector<Var>> shapes;
  for (const std::string& letters : s.out) {
    std::vector<Var> shape = stack;
    for (char c : letters) shape.push_back(dims[c]);
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

void layout_by(const Op& op, const std::string& signature, std::span<const TensorView> inputs,
               std::span<Layout> outputs, ErrorKind kind, std::span<const int64_t> stretch) {
  const Signature s = Signature::parse(signature);
  Letters<int64_t> dims;
  Dims stack;
  auto refuse = [&] {
    std::string shapes;
    for (const TensorView& v : inputs) shapes += (shapes.empty() ? "" : ", ") + shape_text(v);
    if (s.in.size() == 1) {
      fail(kind, where(op, signature), ": the last two dimensions must be square, got ", shapes);
    }
    fail(kind, where(op, signature), ": shapes ", shapes, " do not fit each other");
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorView& v = inputs[i];
    const int n_stack = v.ndim - core_of(s.in[i]);
    if (i == 0) stack.assign(static_cast<size_t>(n_stack), kUnknownDim);
    for (int k = 0; k < n_stack; ++k) {
      int64_t& have = stack[static_cast<size_t>(k)];
      if (stretched(stretch, i, k)) {
        if (v.shape[k] != 1) refuse();
        continue;
      }
      if (have != kUnknownDim && v.shape[k] != have) refuse();
      have = v.shape[k];
    }
    for (int k = 0; k < core_of(s.in[i]); ++k) {
      const char c = s.in[i][static_cast<size_t>(k)];
      const int64_t d = v.shape[n_stack + k];
      if (dims.has(c) && dims[c] != d) refuse();
      dims.set(c, d);
    }
  }
  if (!dims.has('r') && dims.has('m') && dims.has('n')) {
    dims.set('r', std::min(dims['m'], dims['n']));
  }
  for (int64_t& d : stack) d = d == kUnknownDim ? 1 : d;
  for (size_t o = 0; o < s.out.size(); ++o) {
    Dims shape = stack;
    for (char c : s.out[o]) shape.push_back(dims[c]);
    own_layout(outputs[o], shape.data(), static_cast<int>(shape.size()));
  }
}

bool Stack::uniform(int64_t* step) const {
  *step = 0;
  int64_t inner = 1;  // matrices that the dimensions so far hold
  for (int i = ndim_ - 1; i >= 0; --i) {
    if (shape_[i] == 1) continue;
    const int64_t stride = v_.shape[i] == 1 ? 0 : v_.strides[i];
    if (inner == 1) {
      *step = stride;
    } else if (stride != *step * inner) {
      return false;
    }
    inner *= shape_[i];
  }
  return true;
}

Chunks Chunks::of(int64_t total, double work, int64_t multiple) {
  constexpr double kWork = 2e5;
  constexpr int64_t kMost = 32;
  int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kWork / std::max(1.0, work)));
  grain = std::max(grain, (total + kMost - 1) / kMost);
  grain = (grain + multiple - 1) / multiple * multiple;
  return {total, grain, total <= 0 ? 0 : (total + grain - 1) / grain};
}

void fail_linalg(const Op& op, const std::string& what, int64_t index, int64_t count) {
  if (count == 1) fail(ErrorKind::linalg, op.name(), ": ", what);
  fail(ErrorKind::linalg, op.name(), ": ", what, " (matrix ", index, " of ", count, ")");
}

}  // namespace phintys::linalg
