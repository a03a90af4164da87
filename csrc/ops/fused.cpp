#include "ops/fused.h"

#include "ops/elementwise/table.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr const char* kReductions[] = {"Sum", "Prod", "Max", "Min", "All", "Any"};

bool needs_elements(ReduceOp op) { return op == ReduceOp::max || op == ReduceOp::min; }

}  // namespace

std::string FusedOp::str() const {
  std::string text;
  auto append = [&](const char* word) { text += (text.empty() ? "" : ",") + std::string(word); };
  for (const FusedStep& s : steps) append(s.op < 0 ? "cast" : ops::elementwise_info(s.op).name);
  for (const FusedOutput& o : outputs) {
    if (o.reduced) append(kReductions[static_cast<int>(o.reduce)]);
  }
  return "Fused{" + text + "}";
}

std::vector<Type> FusedOp::infer(std::span<const Var> inputs) const {
  PHINTYS_CHECK(static_cast<int>(inputs.size()) == n_inputs, str());
  return output_types;
}

void FusedOp::layout(std::span<const TensorView> inputs, std::span<Layout> results) const {
  Dims shape(static_cast<size_t>(ndim), 1);
  for (int axis = 0; axis < ndim; ++axis) {
    int first = -1;
    int64_t& d = shape[static_cast<size_t>(axis)];
    for (int i = 0; i < n_inputs; ++i) {
      const int64_t e = inputs[static_cast<size_t>(i)].shape[axis];
      if (broadcast[static_cast<size_t>(i)] >> axis & 1) {
        if (e == 1) continue;
        fail(ErrorKind::value, "input ", i, " must have length 1 on axis ", axis,
             ", where it is broadcast, not ", e);
      }
      if (first < 0) {
        d = e;
        first = i;
      } else if (e != d) {
        fail(ErrorKind::value, "Input dimension mis-match. (input[", first, "].shape[", axis,
             "] = ", d, ", input[", i, "].shape[", axis, "] = ", e, ")");
      }
    }
  }
  Dims kept;
  int64_t reduced = 1;
  size_t next = 0;
  for (int axis = 0; axis < ndim; ++axis) {
    const int64_t d = shape[static_cast<size_t>(axis)];
    if (next < axes.size() && axes[next] == axis) {
      reduced *= d;
      ++next;
    } else {
      kept.push_back(d);
    }
  }
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (!outputs[o].reduced) {
      own_layout(results[o], shape.data(), ndim);
      continue;
    }
    if (reduced == 0 && needs_elements(outputs[o].reduce) && product(kept) != 0) {
      fail(ErrorKind::value, "zero-size array to reduction operation ",
           outputs[o].reduce == ReduceOp::max ? "maximum" : "minimum",
           " which has no identity (shape ", to_string(shape), ")");
    }
    own_layout(results[o], kept.data(), static_cast<int>(kept.size()));
  }
}

// Only max and min of nothing fail, which layout() tells before anything runs.
bool FusedOp::infallible() const {
  for (const FusedOutput& o : outputs) {
    if (o.reduced && needs_elements(o.reduce)) return false;
  }
  return true;
}

}  // namespace phintys
