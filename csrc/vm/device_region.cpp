#include "vm/device_region.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "ops/elementwise/table.h"
#include "vm/chains.h"

namespace phintys::vm {

using device::FusedKind;

namespace {

const char* join_name(ReduceOp reduce) {
  switch (reduce) {
    case ReduceOp::sum:
      return "add";
    case ReduceOp::prod:
      return "mul";
    case ReduceOp::max:
      return "maximum";
    case ReduceOp::min:
      return "minimum";
    case ReduceOp::all:
      return "and_";
    case ReduceOp::any:
      return "or_";
  }
  return "add";
}

DType part_of(DType d) { return d == DType::c64 ? DType::f32 : DType::f64; }

// The words of `from` are those of `to` as they are.
bool same_word(DType from, DType to) {
  if (from == to) return true;
  switch (from) {
    case DType::b8:
      return to == DType::i8 || to == DType::u8 || to == DType::i16 || to == DType::u16 ||
             to == DType::i32;
    case DType::u8:
      return to == DType::i16 || to == DType::u16 || to == DType::i32;
    case DType::i8:
      return to == DType::i16 || to == DType::i32;
    case DType::i16:
    case DType::u16:
      return to == DType::i32;
    case DType::u32:
      return to == DType::i64;
    default:
      return false;
  }
}

class Lowering {
 public:
  Lowering(const FusedOp& op, std::span<const TensorView> inputs) : op_(op), inputs_(inputs) {}

  DeviceRegion run() {
    read_inputs();
    for (const FusedStep& step : op_.steps) values_.push_back(lower(step));
    for (size_t o = 0; o < op_.outputs.size(); ++o) add_output(static_cast<int>(o));
    return std::move(region_);
  }

 private:
  void read_inputs() {
    const auto nd = static_cast<size_t>(op_.ndim);
    region_.shape = Dims(nd, 1);
    region_.reduced.assign(nd, 0);
    for (const int64_t axis : op_.axes) region_.reduced[static_cast<size_t>(axis)] = 1;
    for (int i = 0; i < op_.n_inputs; ++i) {
      const auto is = static_cast<size_t>(i);
      DeviceInput in{op_.input_dtypes[is], Dims(nd, 0), {DevicePlace::In::operand, i, 0}};
      for (size_t d = 0; d < nd; ++d) {
        if (op_.broadcast[is] >> d & 1) continue;
        region_.shape[d] = inputs_[is].shape[d];
        in.strides[d] = inputs_[is].strides[d];
      }
      region_.inputs.push_back(in);
      values_.push_back(i);
    }
    // Along dimensions of length 1 all strides are alike.
    for (DeviceInput& in : region_.inputs) {
      for (size_t d = 0; d < nd; ++d)
        if (region_.shape[d] == 1) in.strides[d] = 0;
    }
  }

  int append(const DeviceStep& step) {
    region_.steps.push_back(step);
    return static_cast<int>(region_.inputs.size() + region_.steps.size()) - 1;
  }
  int cast(int value, DType from, DType to) {
    if (same_word(from, to)) return value;
    const auto key = std::pair(value, std::pair(from, to));
    if (const auto found = casts_.find(key); found != casts_.end()) return found->second;
    DeviceStep step{};
    step.op = -1;
    step.kind = FusedKind::cast;
    step.from = from;
    step.to = to;
    step.args[0] = value;
    return casts_[key] = append(step);
  }

  int lower(const FusedStep& step) {
    const auto value = [&](int k) { return values_[static_cast<size_t>(step.args[k])]; };
    if (step.op < 0) return cast(value(0), step.compute, step.result);
    const ElementwiseInfo& info = ops::elementwise_info(step.op);
    if (info.rule == DTypeRule::second) return value(1);
    DType compute = computed_dtype(step.compute);
    if (info.heavy && compute == DType::c64) compute = DType::c128;
    DeviceStep to{};
    to.op = step.op;
    to.kind = device_kind(compute);
    to.arity = info.arity;
    to.heavy = info.heavy;
    to.commutative = info.commutative;
    to.cost = info.cost;
    to.to = natural_result(info, compute);
    for (int k = 0; k < info.arity; ++k) {
      const bool condition = info.rule == DTypeRule::select && k == 0;
      to.args[k] = condition ? value(k) : cast(value(k), step.compute, compute);
    }
    const int result = append(to);
    return cast(result, to.to, step.result);
  }

  static DType natural_result(const ElementwiseInfo& info, DType compute) {
    switch (info.rule) {
      case DTypeRule::compare:
      case DTypeRule::predicate:
        return DType::b8;
      case DTypeRule::to_int64:
        return DType::i64;
      case DTypeRule::make_complex:
        return compute == DType::f32 ? DType::c64 : DType::c128;
      case DTypeRule::upcast_real:
        return is_complex(compute) ? part_of(compute) : compute;
      default:
        return compute;
    }
  }

  DType register_dtype(int r) const {
    return r < op_.n_inputs ? op_.input_dtypes[static_cast<size_t>(r)]
                            : op_.steps[static_cast<size_t>(r - op_.n_inputs)].result;
  }

  bool reduces_something() const {
    for (size_t d = 0; d < region_.reduced.size(); ++d)
      if (region_.reduced[d] && region_.shape[d] != 1) return true;
    return false;
  }

  void add_output(int index) {
    const FusedOutput& o = op_.outputs[static_cast<size_t>(index)];
    DType dtype = register_dtype(o.reg);
    DeviceOutput out{
        values_[static_cast<size_t>(o.reg)], o.dtype, {DevicePlace::In::operand, index, 0}};
    region_.reduction = o.reduced && reduces_something();
    if (!region_.reduction) {
      if (o.reduced) out.value = cast(out.value, dtype, o.dtype);
      out.dtype = o.reduced ? o.dtype : dtype;
    } else {
      if (dtype == DType::f16) {
        out.value = cast(out.value, dtype, DType::f32);
        dtype = DType::f32;
      }
      out.reduced = dtype;
      out.kind = device_kind(computed_dtype(dtype));
      out.op = ops::elementwise_index(join_name(o.reduce));
    }
    region_.outputs.push_back(out);
  }

  const FusedOp& op_;
  std::span<const TensorView> inputs_;
  DeviceRegion region_;
  std::vector<int> values_;  // by register
  std::map<std::pair<int, std::pair<DType, DType>>, int> casts_;
};

}  // namespace

bool DeviceRegion::single(int input) const {
  const Dims& strides = inputs[static_cast<size_t>(input)].strides;
  return std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 0; });
}

DType computed_dtype(DType d) {
  switch (d) {
    case DType::i8:
    case DType::i16:
    case DType::u8:
    case DType::u16:
      return DType::i32;
    case DType::u32:
      return DType::i64;
    case DType::f16:
      return DType::f32;
    default:
      return d;
  }
}

FusedKind device_kind(DType d) {
  switch (d) {
    case DType::b8:
      return FusedKind::b8;
    case DType::i32:
      return FusedKind::i32;
    case DType::i64:
      return FusedKind::i64;
    case DType::u64:
      return FusedKind::u64;
    case DType::f32:
      return FusedKind::f32;
    case DType::f64:
      return FusedKind::f64;
    case DType::c64:
      return FusedKind::c64;
    case DType::c128:
      return FusedKind::c128;
    default:
      PHINTYS_CHECK(false, "no device computes in this dtype");
  }
  return FusedKind::f32;
}

DeviceRegion lower_region(const FusedOp& op, std::span<const TensorView> inputs) {
  return Lowering(op, inputs).run();
}

namespace {

// Moves the steps that `moved` marks (by value) into a region of their own. Elements of its outputs
// lie in scratch memory, each for one element of `shape`.
DeviceRegion move_steps(DeviceRegion* region, const std::vector<uint8_t>& moved, const Dims& shape,
                        size_t* scratch) {
  const size_t n_inputs = region->inputs.size();
  DeviceRegion first, rest;
  first.shape = shape;
  first.reduced.assign(shape.size(), 0);
  first.inputs = region->inputs;
  rest.shape = region->shape;
  rest.reduced = region->reduced;
  rest.reduction = region->reduction;
  rest.inputs = region->inputs;
  if (shape.empty())
    for (DeviceInput& in : first.inputs) in.strides = Dims();
  std::vector<uint8_t> wanted(moved.size(), 0);
  for (size_t s = 0; s < region->steps.size(); ++s) {
    const DeviceStep& step = region->steps[s];
    for (int k = 0; k < step.arity && !moved[n_inputs + s]; ++k)
      wanted[static_cast<size_t>(step.args[k])] = 1;
  }
  for (const DeviceOutput& out : region->outputs) wanted[static_cast<size_t>(out.value)] = 1;

  // Numbers of the values in both; those of steps in `rest` come after all its inputs.
  std::vector<int> in_first(moved.size(), -1), in_rest(moved.size(), -1);
  for (size_t i = 0; i < n_inputs; ++i) in_first[i] = in_rest[i] = static_cast<int>(i);
  const auto append = [](DeviceRegion* to, DeviceStep step, const std::vector<int>& numbers) {
    for (int k = 0; k < step.arity; ++k) step.args[k] = numbers[static_cast<size_t>(step.args[k])];
    to->steps.push_back(step);
    return static_cast<int>(to->inputs.size() + to->steps.size()) - 1;
  };
  for (size_t v = n_inputs; v < moved.size(); ++v) {
    if (!moved[v]) continue;
    const DeviceStep& step = region->steps[v - n_inputs];
    in_first[v] = append(&first, step, in_first);
    if (!wanted[v]) continue;
    const DevicePlace place{DevicePlace::In::scratch, 0, *scratch};
    const auto item = static_cast<int64_t>(item_size(step.to));
    *scratch += (static_cast<size_t>(product(shape) * item) + 255) / 256 * 256;
    first.outputs.push_back({in_first[v], step.to, place});
    in_rest[v] = static_cast<int>(rest.inputs.size());
    Dims strides(rest.shape.size(), 0);
    int64_t stride = item;
    for (size_t d = shape.size(); d-- > 0; stride *= shape[d])
      if (shape[d] != 1) strides[d] = stride;
    rest.inputs.push_back({step.to, strides, place});
  }
  for (size_t v = n_inputs; v < moved.size(); ++v)
    if (!moved[v]) in_rest[v] = append(&rest, region->steps[v - n_inputs], in_rest);
  for (DeviceOutput out : region->outputs) {
    out.value = in_rest[static_cast<size_t>(out.value)];
    rest.outputs.push_back(out);
  }
  *region = std::move(rest);
  return first;
}

}  // namespace

DeviceRegion split_single_steps(DeviceRegion* region, size_t* scratch) {
  const size_t n_inputs = region->inputs.size();
  std::vector<uint8_t> single(n_inputs + region->steps.size());
  for (size_t i = 0; i < n_inputs; ++i) single[i] = region->single(static_cast<int>(i));
  bool worth_it = false;
  for (size_t s = 0; s < region->steps.size(); ++s) {
    const DeviceStep& step = region->steps[s];
    bool all = true;
    for (int k = 0; k < step.arity; ++k) all = all && single[static_cast<size_t>(step.args[k])];
    single[n_inputs + s] = all;
    worth_it = worth_it || (all && step.heavy);
  }
  if (!worth_it || product(region->shape) == 1) return DeviceRegion();
  return move_steps(region, single, Dims(), scratch);
}

DeviceRegion split_steps(DeviceRegion* region, size_t steps, size_t* scratch) {
  std::vector<uint8_t> moved(region->inputs.size() + region->steps.size(), 0);
  for (size_t s = 0; s < steps; ++s) moved[region->inputs.size() + s] = 1;
  const Dims shape = region->shape;
  return move_steps(region, moved, shape, scratch);
}

}  // namespace phintys::vm
