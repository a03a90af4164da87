#include "ops/elemwise.h"

#include <array>
#include <memory>

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/elementwise/registry.h"
#include "ops/elementwise/table.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

using GradFn = void (*)(std::span<const Var> inputs, const Var& z, const Var& gz, Var* result);

template <class Op>
concept HasGrad1 = requires(Var v) { Op::template grad<Var>(v, v, v); };
template <class Op>
concept HasGrad2 = requires(Var v) { Op::template grad<Var>(v, v, v, v); };
template <class Op>
concept HasGrad3 = requires(Var v) { Op::template grad<Var>(v, v, v, v, v); };

// The gradient of one op with its operands spread out; null where it is zero for every dtype.
template <class Op>
constexpr GradFn grad_of() {
  constexpr int kArity = Op::info.arity;
  if constexpr (Op::info.zero_grad && Op::info.complex != ComplexUse::general) {
    return nullptr;
  } else {
    static_assert(kArity >= 1 && kArity <= 3);
    return [](std::span<const Var> in, const Var& z, const Var& gz, Var* result) {
      Grads<Var, kArity> g = [&] {
        if constexpr (kArity == 1) {
          static_assert(HasGrad1<Op>);
          return Op::template grad<Var>(in[0], z, gz);
        } else if constexpr (kArity == 2) {
          static_assert(HasGrad2<Op>);
          return Op::template grad<Var>(in[0], in[1], z, gz);
        } else {
          static_assert(HasGrad3<Op>);
          return Op::template grad<Var>(in[0], in[1], in[2], z, gz);
        }
      }();
      for (int i = 0; i < kArity; ++i) result[i] = std::move(g.wrt[i]);
    };
  }
}

template <class List>
struct GradTable;
template <class... Op>
struct GradTable<ops::OpList<Op...>> {
  static constexpr std::array<GradFn, sizeof...(Op)> value = {grad_of<Op>()...};
};
constexpr auto& kGrads = GradTable<ops::AllOps>::value;

const ElementwiseInfo kCastInfo{.name = "cast",
                                .arity = 1,
                                .rule = DTypeRule::upcast,
                                .summary = "x converted to another dtype."};

}  // namespace

Ref<const Elemwise> Elemwise::get(int index) {
  static const std::vector<Ref<const Elemwise>> all = [] {
    std::vector<Ref<const Elemwise>> v;
    for (int i = 0; i < ops::kNumElementwise; ++i) {
      v.push_back(Ref<const Elemwise>(new Elemwise(i, DType::f64)));
    }
    return v;
  }();
  PHINTYS_CHECK(index >= 0 && index < ops::kNumElementwise, "elementwise op ", index);
  return all[static_cast<size_t>(index)];
}

Ref<const Elemwise> Elemwise::get(std::string_view name) {
  const int index = ops::elementwise_index(name);
  if (index < 0) fail(ErrorKind::key, "there is no elementwise op \"", name, "\"");
  return get(index);
}

Ref<const Elemwise> Elemwise::cast(DType to) {
  static const std::vector<Ref<const Elemwise>> all = [] {
    std::vector<Ref<const Elemwise>> v;
    for (int i = 0; i < kNumDTypes; ++i) {
      v.push_back(Ref<const Elemwise>(new Elemwise(-1, static_cast<DType>(i))));
    }
    return v;
  }();
  return all[static_cast<size_t>(to)];
}

const ElementwiseInfo& Elemwise::info() const {
  return is_cast() ? kCastInfo : ops::elementwise_info(index_);
}

const char* Elemwise::name() const { return info().name; }
int Elemwise::version() const { return info().version; }
const char* Elemwise::summary() const { return info().summary; }

void Elemwise::visit(AttrVisitor& visitor) const {
  if (is_cast()) visitor.value("dtype", cast_to_);
}

uint64_t Elemwise::hash() const {
  return hash_combine(hash_string("elemwise"), is_cast()
                                                   ? 1000000u + static_cast<uint64_t>(cast_to_)
                                                   : static_cast<uint64_t>(index_));
}

std::string Elemwise::str() const {
  if (is_cast()) return "Elemwise{Cast{" + std::string(dtype_name(cast_to_)) + "}}";
  return std::string("Elemwise{") + info().name + ",no_inplace}";
}

namespace {

// The static length of one axis of an elementwise result: 1 iff all operands are known to be 1.
int64_t result_dim(const Op& op, std::span<const Var> inputs, int axis) {
  int64_t result = 1;
  bool stretched = false;
  for (const Var& v : inputs) {
    const int64_t d = v.type().dim(axis);
    if (d == 1) continue;
    if (!stretched) {
      result = d;
      stretched = true;
      continue;
    }
    if (result >= 0 && d >= 0 && result != d) {
      std::string text;
      for (const Var& w : inputs) text += (text.empty() ? "" : ", ") + w.type().str();
      fail(ErrorKind::value, op.str(), ": Input dimension mis-match on axis ", axis, ": lengths ",
           result, " and ", d, " (inputs: ", text, ")");
    }
    if (result < 0) result = d;
  }
  return result;
}

}  // namespace

std::vector<Type> Elemwise::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, info().arity);
  const int ndim = inputs[0].ndim();
  SmallVec<DType, 4> dtypes;
  for (const Var& v : inputs) {
    if (v.ndim() != ndim) {
      fail(ErrorKind::type, str(), ": operands have ranks ", ndim, " and ", v.ndim(),
           "; add dimensions with dimshuffle first");
    }
    dtypes.push_back(v.dtype());
  }
  DType result = cast_to_;
  if (is_cast()) {
    if (is_complex(dtypes[0]) && !is_complex(cast_to_)) {
      fail(ErrorKind::type, "casting from complex (", dtype_name(dtypes[0]), ") to real (",
           dtype_name(cast_to_), ") is ambiguous: use real, imag, angle or abs first");
    }
  } else {
    ops::ResolvedDTypes resolved;
    std::string why;
    if (!ops::resolve_dtypes(index_, {dtypes.data(), dtypes.size()}, graph_config().floatX,
                             &resolved, &why)) {
      fail(ErrorKind::type, why);
    }
    result = resolved.result;
  }
  Dims shape(static_cast<size_t>(ndim), kUnknownDim);
  for (int i = 0; i < ndim; ++i) shape[static_cast<size_t>(i)] = result_dim(*this, inputs, i);
  return {Type::tensor(result, std::move(shape))};
}

namespace {

// The operands as an analytic op of complex result has them in its gradient (see ComplexUse).
std::vector<Var> conjugated(const Elemwise& op, std::span<const Var> inputs, DType result) {
  std::vector<Var> operands(inputs.begin(), inputs.end());
  const bool first_differs =
      op.info().rule == DTypeRule::select || op.info().rule == DTypeRule::second;
  for (size_t i = first_differs ? 1 : 0; i < operands.size(); ++i) {
    operands[i] = conj(phintys::cast(operands[i], result));
  }
  return operands;
}

}  // namespace

Var order_gradient(const char* name, const Var& parameter) {
  (void)parameter;
  return undefined_grad(*Elemwise::get(name), 0, "the order or parameter");
}

std::vector<Var> Elemwise::grad(const GradArgs& args) const {
  const size_t n = args.inputs.size();
  std::vector<Var> result(n);
  const Var& gz = args.grads[0];
  if (!gz) return result;
  const DType dtype = args.outputs[0].dtype();
  const bool curved = is_complex(dtype) && info().complex == ComplexUse::general;
  const bool zero = is_discrete(dtype) || (info().zero_grad && !curved);
  if (zero) {
    for (size_t i = 0; i < n; ++i) result[i] = zero_grad_for(args.inputs[i]);
    return result;
  }
  if (is_cast()) {
    result[0] = gz;
  } else if (is_complex(dtype) && info().complex == ComplexUse::analytic) {
    const std::vector<Var> operands = conjugated(*this, args.inputs, dtype);
    kGrads[static_cast<size_t>(index_)](operands, conj(args.outputs[0]), gz, result.data());
  } else {
    kGrads[static_cast<size_t>(index_)](args.inputs, args.outputs[0], gz, result.data());
  }
  for (size_t i = 0; i < n; ++i) {
    const Var& input = args.inputs[i];
    if (!result[i] || !result[i].type().is_tensor()) continue;
    if (is_zero(result[i])) {
      result[i] = zero_grad_for(input);
      continue;
    }
    result[i] = as_grad_of(unbroadcast_to(result[i], input), input);
  }
  return result;
}

std::vector<std::vector<Var>> Elemwise::infer_shape(const Apply& node) const {
  const int ndim = node.output()->ndim();
  std::vector<Var> dims;
  for (int axis = 0; axis < ndim; ++axis) {
    // Any operand that is not broadcast has the result's length; a known one needs no node.
    const Var* best = &node.inputs()[0];
    for (const Var& v : node.inputs()) {
      const int64_t d = v.type().dim(axis);
      if (d > 1 || d == 0) {
        best = &v;
        break;
      }
      if (d < 0 && best->type().dim(axis) == 1) best = &v;
    }
    dims.push_back(shape_i(*best, axis));
  }
  return {dims};
}

void Elemwise::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int ndim = inputs[0].ndim;
  Layout& out = outputs[0];
  own_layout(out, inputs[0].shape, ndim);
  for (int axis = 0; axis < ndim; ++axis) {
    size_t first = 0;
    for (size_t i = 0; i < inputs.size(); ++i) {
      int64_t& d = out.shape[static_cast<size_t>(axis)];
      const int64_t e = inputs[i].shape[axis];
      if (e == d || e == 1) continue;
      if (d != 1) {
        fail(ErrorKind::value, "Input dimension mis-match. (input[", first, "].shape[", axis,
             "] = ", d, ", input[", i, "].shape[", axis, "] = ", e, ")");
      }
      d = e;
      first = i;
    }
  }
}

const Elemwise* as_elemwise(const Op& op) { return dynamic_cast<const Elemwise*>(&op); }

}  // namespace phintys
