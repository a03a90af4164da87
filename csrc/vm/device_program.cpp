#include "vm/device_program.h"

#include <algorithm>
#include <cstdlib>

namespace phintys::vm {

using device::FusedInput;
using device::FusedInstr;
using device::FusedKind;
using device::FusedProgram;

// ---- Space --------------------------------------------------------------------------------------

namespace {

void append_dimension(const DeviceRegion& region, size_t d, DeviceSpace::Group* g) {
  const size_t n = region.inputs.size();
  g->strides.resize(n);
  const int64_t size = region.shape[d];
  if (size == 1) return;
  bool merge = !g->shape.empty();
  for (size_t i = 0; merge && i < n; ++i)
    merge = g->strides[i].back() == region.inputs[i].strides[d] * size;
  if (merge) {
    g->shape.back() *= size;
    for (size_t i = 0; i < n; ++i) g->strides[i].back() = region.inputs[i].strides[d];
  } else {
    g->shape.push_back(size);
    for (size_t i = 0; i < n; ++i) g->strides[i].push_back(region.inputs[i].strides[d]);
  }
}

DeviceSpace::Group concat(DeviceSpace::Group a, const DeviceSpace::Group& b) {
  for (const int64_t n : b.shape) a.shape.push_back(n);
  for (size_t i = 0; i < a.strides.size(); ++i)
    for (const int64_t s : b.strides[i]) a.strides[i].push_back(s);
  return a;
}

// Neighbours among what is kept lie closer together than neighbours among what is reduced.
bool kept_is_dense(const DeviceSpace::Group& kept, const DeviceSpace::Group& reduced) {
  if (kept.shape.empty() || reduced.shape.empty()) return false;
  for (size_t i = 0; i < kept.strides.size(); ++i) {
    const int64_t k = std::abs(kept.strides[i].back()), r = std::abs(reduced.strides[i].back());
    if (k != r && k != 0 && r != 0) return k < r;
  }
  return false;
}

}  // namespace

DeviceSpace device_space(const DeviceRegion& region) {
  DeviceSpace s;
  const size_t nd = region.shape.size();
  s.outer.strides.resize(region.inputs.size());
  s.inner.strides.resize(region.inputs.size());
  if (!region.reduction) {
    for (size_t d = 0; d < nd; ++d) append_dimension(region, d, &s.inner);
    return s;
  }
  size_t tail = nd;  // trailing kept dimensions start here
  while (tail > 0 && (!region.reduced[tail - 1] || region.shape[tail - 1] == 1)) --tail;
  DeviceSpace::Group kept, kept_tail, reduced, all_kept;
  kept.strides = kept_tail.strides = reduced.strides = all_kept.strides = s.outer.strides;
  for (size_t d = 0; d < nd; ++d) {
    append_dimension(region, d, region.reduced[d] ? &reduced : d >= tail ? &kept_tail : &kept);
    if (!region.reduced[d]) append_dimension(region, d, &all_kept);
  }
  if (kept_tail.size() > 1) {
    s.shape = device::FusedShape::columns;
    s.groups = kept.size();
    s.outer = concat(kept, reduced);
    s.inner = kept_tail;
  } else if (kept_is_dense(all_kept, reduced)) {
    s.shape = device::FusedShape::columns;
    s.outer = reduced;
    s.inner = all_kept;
  } else {
    s.shape = device::FusedShape::rows;
    s.outer = all_kept;
    s.inner = reduced;
  }
  return s;
}

// ---- Program ------------------------------------------------------------------------------------

namespace {

device::FusedDim make_dim(int64_t size) {
  device::FusedDim dim{size, 0, 0};
  if (size < 2 || size >= int64_t{1} << 31) return dim;
  int bits = 1;
  while (int64_t{1} << bits < size) ++bits;
  const uint64_t power = uint64_t{1} << (31 + bits);
  const auto divisor = static_cast<uint64_t>(size);
  dim.multiply = static_cast<uint32_t>((power + divisor - 1) / divisor);
  dim.shift = static_cast<uint32_t>(bits - 1);
  return dim;
}

bool dense(const Dims& shape, const Dims& strides, int64_t item) {
  for (size_t d = shape.size(); d-- > 0;) {
    if (strides[d] != item) return false;
    item *= shape[d];
  }
  return true;
}

int word_of(DType d) {
  if (is_complex(d)) return 16;
  return d == DType::i64 || d == DType::u64 || d == DType::u32 || d == DType::f64 ? 8 : 4;
}

class Writer {
 public:
  Writer(const DeviceRegion& region, const DeviceSpace& space, DeviceLaunch* launch)
      : region_(region), space_(space), launch_(*launch), p_(launch->program) {}

  bool run() {
    p_ = FusedProgram{};
    find_used();
    choose_kernel();
    order_steps();
    place_inputs();
    write_steps();
    write_ends();
    return write_dims() && assign_places();
  }

 private:
  // An instruction whose operands are values, before they have places.
  struct Draft {
    FusedInstr instr{};
    int x = -1, y = -1;  // values
    int result = -1;     // the value that it computes
    int sum = -1;        // reduction
    // Numbers of slots or scalars.
    int x_place = 0, y_place = 0, d_place = 0;
  };

  size_t n_inputs() const { return region_.inputs.size(); }
  const DeviceStep& step(int value) const {
    return region_.steps[static_cast<size_t>(value) - n_inputs()];
  }
  bool scalar(int value) const {
    return value < static_cast<int>(n_inputs()) && region_.single(value);
  }

  void find_used() {
    used_.assign(n_inputs() + region_.steps.size(), 0);
    for (const DeviceOutput& out : region_.outputs) used_[static_cast<size_t>(out.value)] = 1;
    for (size_t s = region_.steps.size(); s-- > 0;) {
      if (!used_[n_inputs() + s]) continue;
      const DeviceStep& step = region_.steps[s];
      for (int k = 0; k < step.arity; ++k) used_[static_cast<size_t>(step.args[k])] = 1;
    }
  }

  void choose_kernel() {
    int word = 4;
    bool heavy = false;
    for (size_t v = 0; v < used_.size(); ++v) {
      if (!used_[v]) continue;
      word = std::max(word, word_of(region_.dtype(static_cast<int>(v))));
      if (v < n_inputs()) continue;
      const DeviceStep& step = region_.steps[v - n_inputs()];
      heavy |= step.heavy;
      if (step.heavy && step.cost > device::kFusedCost) word = std::max(word, 8);
    }
    for (const DeviceOutput& out : region_.outputs) {
      word = std::max(word, word_of(out.dtype));
      if (region_.reduction) word = std::max(word, word_of(out.reduced));
    }
    p_.word = static_cast<uint8_t>(word);
    p_.family = static_cast<uint8_t>(word == 16 ? 2 : !heavy ? 0 : word == 4 ? 1 : 2);
    p_.shape = space_.shape;
  }

  // A step that goes on with the result of the step before comes next, if there is one.
  void order_steps() {
    std::vector<uint8_t> done(used_.size(), 0);
    for (size_t i = 0; i < n_inputs(); ++i) done[i] = 1;
    int previous = -1;
    for (;;) {
      int next = -1;
      for (size_t s = 0; s < region_.steps.size(); ++s) {
        const size_t v = n_inputs() + s;
        if (done[v] || !used_[v]) continue;
        const DeviceStep& step = region_.steps[s];
        bool ready = true, follows = false;
        for (int k = 0; k < step.arity; ++k) {
          ready = ready && done[static_cast<size_t>(step.args[k])];
          follows = follows || step.args[k] == previous;
        }
        if (!ready || (next >= 0 && !follows)) continue;
        next = static_cast<int>(v);
        if (follows) break;
      }
      if (next < 0) return;
      done[static_cast<size_t>(next)] = 1;
      order_.push_back(next);
      previous = next;
    }
  }

  // Which operand of a step may be the accumulator, if it holds `value`; -1: none.
  static int accumulator_operand(const DeviceStep& step, int value) {
    if (value < 0) return -1;
    if (step.args[0] == value) return 0;
    if (step.arity > 1 && step.args[step.arity - 1] == value) return step.arity - 1;
    return -1;
  }

  void place_inputs() {
    int first = -1;
    if (!order_.empty()) {
      const DeviceStep& step = this->step(order_[0]);
      for (int k = 0; k < step.arity && first < 0; ++k) {
        const int a = step.args[k];
        if (a < static_cast<int>(n_inputs()) && !scalar(a) && accumulator_operand(step, a) >= 0)
          first = a;
      }
    }
    for (int i = 0; i < static_cast<int>(n_inputs()); ++i) {
      if (!used_[static_cast<size_t>(i)]) continue;
      if (scalar(i)) {
        scalars_.push_back(i);
      } else if (i != first) {
        inputs_.push_back(i);
      }
    }
    if (first >= 0) inputs_.insert(inputs_.begin(), first);
    held_ = inputs_.empty() ? -1 : inputs_[0];
  }

  void load(int value) {
    if (held_ == value) return;
    Draft draft;
    draft.instr.kind = FusedKind::load;
    draft.x = value;
    drafts_.push_back(draft);
    held_ = value;
  }

  void write_steps() {
    store_outputs(held_);
    for (const int value : order_) {
      const DeviceStep& step = this->step(value);
      int at = accumulator_operand(step, held_);
      if (at < 0) {
        load(step.args[0]);
        at = 0;
      }
      Draft draft;
      draft.result = value;
      draft.instr.kind = step.kind;
      if (step.op < 0) {
        draft.instr.code = static_cast<uint8_t>(step.from);
        draft.instr.to = static_cast<uint8_t>(step.to);
      } else {
        draft.instr.code = static_cast<uint8_t>(step.op);
        if (!device::fused_in_registers(p_.word, p_.family, step.kind, step.heavy))
          draft.instr.flags |= FusedInstr::kThroughSlot;
        if (at > 0 && !(step.arity == 2 && step.commutative))
          draft.instr.code |= FusedInstr::kReversed;
        if (step.arity > 1) draft.x = step.args[at == 0 ? 1 : 0];
        if (step.arity > 2) draft.y = step.args[at == 0 ? 2 : 1];
      }
      drafts_.push_back(draft);
      held_ = value;
      store_outputs(value);
    }
  }

  // Outputs that are the accumulator's value.
  void store_outputs(int value) {
    if (region_.reduction || value < 0) return;
    for (size_t o = 0; o < region_.outputs.size(); ++o) {
      if (region_.outputs[o].value != value) continue;
      Draft draft;
      draft.instr.kind = FusedKind::output;
      draft.instr.to = static_cast<uint8_t>(o);
      drafts_.push_back(draft);
      stored_.push_back(value);
    }
  }

  void write_ends() {
    for (size_t o = 0; o < region_.outputs.size(); ++o) {
      const DeviceOutput& out = region_.outputs[o];
      if (!region_.reduction) {
        if (std::find(stored_.begin(), stored_.end(), out.value) != stored_.end()) continue;
        load(out.value);
        store_outputs(out.value);
        continue;
      }
      load(out.value);
      Draft draft;
      draft.instr.kind = out.kind;
      draft.instr.code = static_cast<uint8_t>(out.op);
      draft.instr.flags = FusedInstr::kReduce;
      if (!device::fused_in_registers(p_.word, p_.family, out.kind, false))
        draft.instr.flags |= FusedInstr::kThroughSlot;
      draft.sum = static_cast<int>(o);
      drafts_.push_back(draft);
      held_ = -1;
    }
  }

  bool write_dims() {
    const size_t n_outer = space_.outer.shape.size(), n_inner = space_.inner.shape.size();
    if (n_outer + n_inner > device::kMaxRank) return false;
    p_.n_outer = static_cast<uint8_t>(n_outer);
    p_.n_inner = static_cast<uint8_t>(n_inner);
    p_.outer = space_.outer.size();
    p_.inner = space_.inner.size();
    for (size_t d = 0; d < n_outer; ++d) p_.dims[d] = make_dim(space_.outer.shape[d]);
    for (size_t d = 0; d < n_inner; ++d) p_.dims[n_outer + d] = make_dim(space_.inner.shape[d]);
    constexpr int64_t kLarge = (int64_t{1} << 31) - (int64_t{1} << 20);
    p_.wide = p_.outer >= kLarge || p_.inner >= kLarge;
    return true;
  }

  FusedInput::Access access(size_t input) const {
    const DeviceSpace::Group& inner = space_.inner;
    const auto item = static_cast<int64_t>(item_size(region_.inputs[input].dtype));
    if (dense(inner.shape, inner.strides[input], item)) return FusedInput::Access::run;
    if (inner.shape.size() <= 1 || inner.shape.back() % (16 / p_.word) == 0)
      return FusedInput::Access::row;
    return FusedInput::Access::any;
  }

  void describe_inputs() {
    for (const int s : scalars_) {
      p_.scalars[p_.n_scalars++] = {nullptr, region_.dtype(s)};
      launch_.scalars.push_back(region_.inputs[static_cast<size_t>(s)].place);
    }
    for (const int i : inputs_) {
      const auto is = static_cast<size_t>(i);
      FusedInput& in = p_.inputs[p_.n_inputs++];
      in.dtype = region_.dtype(i);
      in.size = static_cast<uint8_t>(item_size(in.dtype));
      in.access = access(is);
      for (size_t d = 0; d < space_.outer.shape.size(); ++d)
        in.strides[d] = space_.outer.strides[is][d];
      for (size_t d = 0; d < space_.inner.shape.size(); ++d)
        in.strides[p_.n_outer + d] = space_.inner.strides[is][d];
      launch_.inputs.push_back(region_.inputs[is].place);
    }
    for (const DeviceOutput& o : region_.outputs) {
      device::FusedOutput& out = p_.outputs[p_.n_outputs++];
      out.dtype = o.dtype;
      out.reduced = o.reduced;
      out.kind = o.kind;
      out.code = static_cast<uint8_t>(o.op);
      out.size = static_cast<uint8_t>(item_size(o.dtype));
      launch_.outputs.push_back(o.place);
    }
  }

  // Slots by how long their values are needed, then the block's size by the number of slots.
  bool assign_places() {
    if (scalars_.size() > device::kMaxFusedInputs || inputs_.size() > device::kMaxFusedInputs ||
        region_.outputs.size() > device::kMaxFusedOutputs ||
        drafts_.size() > device::kMaxFusedInstrs)
      return false;
    describe_inputs();
    last_read_.assign(used_.size(), -1);
    for (size_t i = 0; i < drafts_.size(); ++i) {
      for (const int v : {drafts_[i].x, drafts_[i].y})
        if (v >= 0) last_read_[static_cast<size_t>(v)] = static_cast<int>(i);
    }
    slot_.assign(used_.size(), -1);
    for (const int i : inputs_) {
      slot_[static_cast<size_t>(i)] = take_slot();
      input_slots_.push_back(slot_[static_cast<size_t>(i)]);
    }
    p_.keep_first = !inputs_.empty() && last_read_[static_cast<size_t>(inputs_[0])] >= 0;
    std::vector<int> sums;
    if (region_.reduction)
      for (size_t o = 0; o < region_.outputs.size(); ++o) sums.push_back(take_slot());
    for (const int i : inputs_)
      if (last_read_[static_cast<size_t>(i)] < 0) free_.push_back(slot_[static_cast<size_t>(i)]);
    for (size_t i = 0; i < drafts_.size(); ++i) assign_draft(i, sums);
    return choose_block(sums);
  }

  int take_slot() {
    if (free_.empty()) return n_slots_++;
    const int slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void release_operands(size_t i) {
    const Draft& draft = drafts_[i];
    for (const int v : {draft.x, draft.y == draft.x ? -1 : draft.y}) {
      if (v >= 0 && !scalar(v) && last_read_[static_cast<size_t>(v)] == static_cast<int>(i))
        free_.push_back(slot_[static_cast<size_t>(v)]);
    }
  }
  int place_of(int value, uint8_t flag, Draft* draft) const {
    if (value < 0) return 0;
    if (scalar(value)) {
      const auto at = std::find(scalars_.begin(), scalars_.end(), value);
      return static_cast<int>(at - scalars_.begin());
    }
    draft->instr.flags |= flag;
    return slot_[static_cast<size_t>(value)];
  }

  void assign_draft(size_t i, const std::vector<int>& sums) {
    Draft& draft = drafts_[i];
    draft.x_place = place_of(draft.x, FusedInstr::kSlotX, &draft);
    draft.y_place = place_of(draft.y, FusedInstr::kSlotY, &draft);
    const bool through = draft.instr.flags & FusedInstr::kThroughSlot;
    if (draft.sum >= 0) {
      draft.x_place = sums[static_cast<size_t>(draft.sum)];
      draft.instr.flags |= FusedInstr::kSlotX;
      if (through) free_.push_back(draft.d_place = take_slot());
      return;
    }
    const bool keep = draft.result >= 0 && last_read_[static_cast<size_t>(draft.result)] >= 0;
    // A thread reads its operands before it keeps the result, but writes slot d early if it
    // computes there.
    if (!through) release_operands(i);
    if (keep || through) draft.d_place = take_slot();
    if (through) release_operands(i);
    if (keep) {
      slot_[static_cast<size_t>(draft.result)] = draft.d_place;
      if (!through) draft.instr.flags |= FusedInstr::kKeep;
    } else if (through) {
      free_.push_back(draft.d_place);
    }
  }

  bool choose_block(const std::vector<int>& sums) {
    const auto n_scalars = static_cast<int>(scalars_.size());
    int threads = device::kFusedThreads;
    const auto bytes = [&] { return 16 * (n_scalars + n_slots_ * device::kFusedGroups * threads); };
    while (threads > 32 && bytes() > device::kFusedShared) threads /= 2;
    if (bytes() > 2 * device::kFusedShared) return false;
    const auto place = [&](int index, bool slot) {
      return static_cast<uint16_t>(slot ? n_scalars + index * device::kFusedGroups * threads
                                        : index);
    };
    for (const Draft& draft : drafts_) {
      FusedInstr& to = p_.instrs[p_.n_instrs++] = draft.instr;
      to.x = place(draft.x_place, to.flags & FusedInstr::kSlotX);
      to.y = place(draft.y_place, to.flags & FusedInstr::kSlotY);
      to.d = place(draft.d_place, true);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) p_.inputs[i].slot = place(input_slots_[i], true);
    for (size_t o = 0; o < sums.size(); ++o) p_.outputs[o].slot = place(sums[o], true);
    p_.threads = static_cast<uint16_t>(threads);
    p_.shared = static_cast<uint32_t>(bytes());
    return true;
  }

  const DeviceRegion& region_;
  const DeviceSpace& space_;
  DeviceLaunch& launch_;
  FusedProgram& p_;
  std::vector<uint8_t> used_;
  std::vector<int> order_, scalars_, inputs_, stored_;
  std::vector<Draft> drafts_;
  int held_ = -1;  // the value in the accumulator
  std::vector<int> last_read_, slot_, free_, input_slots_;
  int n_slots_ = 0;
};

}  // namespace

bool write_program(const DeviceRegion& region, const DeviceSpace& space, DeviceLaunch* launch) {
  return Writer(region, space, launch).run();
}

}  // namespace phintys::vm
