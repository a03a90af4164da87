#include "runtime/binding.h"

#include <algorithm>

#include "base/error.h"
#include "runtime/failure.h"
#include "runtime/limits.h"
#include "runtime/planner.h"
#include "runtime/scratch.h"

namespace phintys::runtime {

namespace {

int64_t state_bytes(const BufferState& s, DType dtype) {
  return product(s.shape) * static_cast<int64_t>(item_size(dtype));
}

class SegmentBinder {
 public:
  SegmentBinder(const Program& program, const std::vector<TensorView>& leaves, int segment,
                const Binding* parent, const std::vector<Layout>& dynamic,
                const InnerRunners& runners)
      : p_(program), leaves_(leaves), dynamic_(dynamic), runners_(runners), b_(new Binding) {
    b_->segment = segment;
    size_t s = static_cast<size_t>(segment);
    begin_ = p_.segments[s];
    end_ =
        s + 1 < p_.segments.size() ? p_.segments[s + 1] : static_cast<int>(p_.instructions.size());
    if (parent) {
      b_->states = parent->states;
    } else {
      b_->states.resize(p_.buffers.size());
      define_leaves();
    }
    data_.assign(p_.buffers.size(), nullptr);
    for (size_t i = 0; i < p_.buffers.size(); ++i)
      if (p_.buffers[i].kind == BufferKind::constant || is_known_input(i))
        data_[i] = leaves_[i].data;
    if (parent)  // which holds those of the segments before it too
      for (const auto& [buffer, array] : parent->known) remember(buffer, array);
    gone_.assign(p_.buffers.size(), false);
    position_.assign(static_cast<size_t>(end_ - begin_), -1);
  }

  std::unique_ptr<Binding> run() {
    for (int i = begin_; i < end_; ++i) lay_out(i);
    find_root_uses();
    plan_outputs();
    choose_direct_updates();
    for (const auto& [output, input] : p_.overwrites)
      b_->overwrites.push_back(p_.outputs_elsewhere && output_may_overwrite(output, input));
    plan_arena();
    make_views();
    return std::move(b_);
  }

 private:
  BufferState& state(int buffer) { return b_->states[static_cast<size_t>(buffer)]; }
  const BufferInfo& info(int buffer) const { return p_.buffers[static_cast<size_t>(buffer)]; }
  const Instruction& instruction(int i) const { return p_.instructions[static_cast<size_t>(i)]; }
  int root(int buffer) { return state(buffer).root; }
  bool is_known_input(size_t buffer) const {
    return p_.buffers[buffer].kind == BufferKind::input && p_.buffers[buffer].known;
  }

  void define_leaves() {
    for (size_t i = 0; i < p_.buffers.size(); ++i) {
      if (p_.buffers[i].kind == BufferKind::temp) continue;
      const TensorView& v = leaves_[i];
      BufferState& s = b_->states[i];
      s.shape = Dims(v.shape, v.shape + v.ndim);
      s.strides = Dims(v.strides, v.strides + v.ndim);
      s.root = static_cast<int>(i);
      s.defined = true;
    }
  }

  void remember(int buffer, const Array& array) {
    b_->known.emplace_back(buffer, array);
    data_[static_cast<size_t>(buffer)] = array.data();
  }

  TensorView view(int buffer) {
    BufferState& s = state(buffer);
    return {data_[static_cast<size_t>(buffer)], info(buffer).type.dtype(),
            static_cast<int>(s.shape.size()), s.shape.data(), s.strides.data()};
  }
  std::vector<TensorView> input_views(const Instruction& instr) {
    std::vector<TensorView> views;
    for (int in : instr.inputs) views.push_back(view(in));
    return views;
  }

  // The operands, with data only where it is there while binding: in a body, the rows are not.
  std::vector<TensorView> computed(const Instruction& instr, std::vector<TensorView> inputs) const {
    for (size_t k = 0; k < inputs.size(); ++k) {
      const int b = instr.inputs[k];
      if (info(b).kind == BufferKind::input)
        inputs[k].data = p_.owner < 0 ? leaves_[static_cast<size_t>(b)].data : nullptr;
      if (info(b).kind == BufferKind::shared) inputs[k].data = leaves_[static_cast<size_t>(b)].data;
    }
    return inputs;
  }

  void lay_out(int i) {
    const Instruction& instr = instruction(i);
    std::vector<TensorView> inputs = input_views(instr);
    std::vector<Layout> layouts(instr.outputs.size());
    BoundInstruction bound;
    bound.instr = &instr;
    try {
      if (instr.fused) bound.fused = vm::BoundFused::bind(*instr.fused, inputs);
      if (instr.dynamic) {
        layouts = dynamic_;
      } else if (!instr.inner.empty()) {
        runners_[static_cast<size_t>(i)]->layout(inputs, layouts);
      } else {
        instr.op->layout(inputs, layouts);
      }
      for (size_t o = 0; o < layouts.size(); ++o) define(instr, o, layouts[o]);
      if (instr.at_bind) return evaluate(instr, bound, inputs);
    } catch (const Error& e) {
      rethrow_with_node(e, p_, instr, b_->states, computed(instr, std::move(inputs)));
    }
    bool own = false;
    for (const Layout& l : layouts) own |= l.alias < 0 && !instr.opaque;
    bound.kind = instr.fused            ? RunKind::fused
                 : !own                 ? RunKind::view
                 : !instr.inner.empty() ? RunKind::inner
                                        : RunKind::perform;
    position_[static_cast<size_t>(i - begin_)] = static_cast<int>(b_->instructions.size());
    b_->instructions.push_back(std::move(bound));
  }

  void define(const Instruction& instr, size_t o, const Layout& layout) {
    int buffer = instr.outputs[o];
    BufferState& s = state(buffer);
    s.shape = layout.shape;
    s.level = b_->segment;
    s.defined = true;
    int64_t elements;
    if (!checked_product(layout.shape, &elements) || elements > INT64_MAX / 16)
      fail(ErrorKind::memory, "an array of shape ", to_string(layout.shape),
           " does not fit in memory");
    if (layout.alias < 0) {
      s.held = instr.opaque;
      s.strides = s.held ? layout.strides
                         : contiguous_strides(layout.shape, item_size(info(buffer).type.dtype()));
      s.root = buffer;
      s.alias_of = -1;
      return;
    }
    s.strides = layout.strides;
    s.alias_of = instr.inputs[static_cast<size_t>(layout.alias)];
    s.offset = layout.offset;
    s.root = root(s.alias_of);
  }

  // Runs an instruction whose inputs are known now; its outputs live as long as the binding.
  void evaluate(const Instruction& instr, BoundInstruction& bound,
                const std::vector<TensorView>& inputs) {
    std::vector<TensorView> outputs;
    bool own = false;
    for (int buffer : instr.outputs) {
      BufferState& s = state(buffer);
      if (s.alias_of >= 0) {
        data_[static_cast<size_t>(buffer)] = data_[static_cast<size_t>(s.alias_of)] + s.offset;
      } else {
        remember(buffer, Array::empty(info(buffer).type.dtype(), s.shape));
        own = true;
      }
      outputs.push_back(view(buffer));
    }
    if (!own) {  // a view of a known value: copied, so that it has memory of its own too
      for (size_t o = 0; o < instr.outputs.size(); ++o) {
        int buffer = instr.outputs[o];
        Array copy = Array::copy_of(outputs[o]);
        BufferState& s = state(buffer);
        s.strides = copy.strides();
        s.root = buffer;
        s.alias_of = -1;
        remember(buffer, copy);
      }
      return;
    }
    if (!bound.fused) {
      ScratchContext scratch;
      return instr.op->perform(scratch, inputs, outputs);
    }
    std::vector<char*> in, out;
    for (const TensorView& v : inputs) in.push_back(v.data);
    for (const TensorView& v : outputs) out.push_back(v.data);
    std::vector<char> workspace(bound.fused->workspace_bytes() + 64);
    bound.fused->run(in.data(), out.data(), workspace.data());
  }

  // The last instruction that reads a buffer's memory, through itself or any view of it.
  void find_root_uses() {
    root_use_.assign(p_.buffers.size(), -1);
    for (size_t i = 0; i < p_.buffers.size(); ++i) {
      const BufferState& s = b_->states[i];
      if (!s.defined || s.root < 0) continue;
      int& use = root_use_[static_cast<size_t>(s.root)];
      use = std::max(use, p_.buffers[i].last_use);
    }
  }

  bool own_temp(int buffer) {
    return info(buffer).kind == BufferKind::temp && !info(buffer).known && root(buffer) == buffer;
  }

  void plan_outputs() {
    direct_.assign(p_.buffers.size(), false);
    for (size_t k = 0; k < p_.outputs.size(); ++k) {
      int buffer = p_.outputs[k];
      bool last = b_->segment + 1 == static_cast<int>(p_.segments.size());
      if (!state(buffer).defined) continue;
      bool repeated = std::count(p_.outputs.begin(),
                                 p_.outputs.begin() + static_cast<std::ptrdiff_t>(k), buffer) > 0;
      OutputPlan plan = OutputPlan::copied;
      if (own_temp(buffer) && !repeated) {
        bool large = !state(buffer).held &&
                     (p_.outputs_elsewhere ||
                      state_bytes(state(buffer), info(buffer).type.dtype()) > kSmallOutput);
        plan = large ? OutputPlan::direct : OutputPlan::arena;
        if (large && state(buffer).level == b_->segment) {
          b_->direct_outputs.push_back(static_cast<int>(k));
          direct_[static_cast<size_t>(buffer)] = true;
        }
      } else if (nearly_all(buffer)) {
        plan = OutputPlan::direct;
        b_->direct_outputs.push_back(static_cast<int>(k));
        direct_[static_cast<size_t>(root(buffer))] = true;
      }
      if (last) b_->output_plans.push_back(plan);
    }
  }

  // Whether an output is a contiguous view of nearly all of a large value computed in this segment
  // that nothing else outlives the call with: the caller then gets that value's memory.
  bool nearly_all(int buffer) {
    const int whole = root(buffer);
    if (p_.outputs_elsewhere || whole < 0 || !own_temp(whole) || state(whole).held ||
        state(whole).level != b_->segment)
      return false;
    const BufferState& s = state(buffer);
    const DType dtype = info(buffer).type.dtype();
    const TensorView view{nullptr, dtype, static_cast<int>(s.shape.size()), s.shape.data(),
                          s.strides.data()};
    const int64_t bytes = state_bytes(s, dtype);
    const int64_t all = state_bytes(state(whole), info(whole).type.dtype());
    if (bytes <= kSmallOutput || bytes < all - all / 8 || !view.contiguous()) return false;
    for (const UpdatePlan& update : p_.updates)
      if (root(update.buffer) == whole) return false;
    return std::count_if(p_.outputs.begin(), p_.outputs.end(),
                         [&](int other) { return root(other) == whole; }) == 1;
  }

  void choose_direct_updates() {
    for (size_t u = 0; u < p_.updates.size(); ++u) {
      const UpdatePlan& update = p_.updates[u];
      if (update.direct_from < begin_ || update.direct_from >= end_) continue;
      if (!direct_update_fits(update)) continue;
      b_->direct_updates.emplace_back(static_cast<int>(u), update.buffer);
    }
    // All or none: what a commit by copying allocates could fail after a direct write.
    if (b_->direct_updates.size() != p_.updates.size()) b_->direct_updates.clear();
    for (const auto& [update, buffer] : b_->direct_updates)
      direct_[static_cast<size_t>(buffer)] = true;
    if (!b_->direct_updates.empty()) plan_scratch();
    b_->stoppable = b_->instructions.size();
    for (const auto& [u, buffer] : b_->direct_updates) {
      int first = p_.updates[static_cast<size_t>(u)].direct_from;
      size_t at = static_cast<size_t>(position_[static_cast<size_t>(first - begin_)]);
      b_->stoppable = std::min(b_->stoppable, at + 1);
    }
  }

  void plan_scratch() {
    for (const BoundInstruction& bound : b_->instructions) {
      if (bound.kind != RunKind::perform || !bound.instr->op->infallible()) continue;
      b_->scratch_bytes =
          std::max(b_->scratch_bytes, bound.instr->op->scratch_bytes(input_views(*bound.instr)));
    }
  }

  bool direct_update_fits(const UpdatePlan& update) {
    int sb = p_.shared_buffers[static_cast<size_t>(update.shared)];
    int buffer = update.buffer;
    if (sb < 0 || !own_temp(buffer) || state(sb).shape != state(buffer).shape ||
        state(sb).strides != state(buffer).strides ||
        info(sb).type.dtype() != info(buffer).type.dtype())
      return false;
    for (size_t j = 0; j < p_.shared.size(); ++j)
      if (static_cast<int>(j) != update.shared &&
          p_.shared[j] == p_.shared[static_cast<size_t>(update.shared)])
        return false;
    for (int out : p_.outputs)
      if (root(out) == sb) return false;
    for (const UpdatePlan& other : p_.updates)
      if (root(other.buffer) == sb) return false;
    for (int i = update.direct_from + 1; i < end_; ++i)
      for (int in : instruction(i).inputs)
        if (root(in) == sb) return false;
    return may_overwrite(update.direct_from, sb, buffer);
  }

  // True iff output number `output` may be written into the memory of input number `input`.
  bool output_may_overwrite(int output, int input) {
    int target = p_.input_buffers[static_cast<size_t>(input)];
    int buffer = p_.outputs[static_cast<size_t>(output)];
    for (size_t k = 0; k < p_.outputs.size(); ++k)
      if (static_cast<int>(k) != output && root(p_.outputs[k]) == target) return false;
    if (buffer == target) return true;
    if (!direct_[static_cast<size_t>(buffer)] || state(target).shape != state(buffer).shape ||
        state(target).strides != state(buffer).strides)
      return false;
    int from = 0;  // what computes it
    while (!std::count(instruction(from).outputs.begin(), instruction(from).outputs.end(), buffer))
      ++from;
    // Later segments read it through buffers that are defined now, if at all.
    for (int i = from + 1; i < static_cast<int>(p_.instructions.size()); ++i)
      for (int in : instruction(i).inputs)
        if (root(in) == target) return false;
    return may_overwrite(from, target, buffer);
  }

  // True iff instruction i may write `output` into the memory of root `target` while reading it.
  bool may_overwrite(int i, int target, int output) {
    const Instruction& instr = instruction(i);
    int o = static_cast<int>(std::find(instr.outputs.begin(), instr.outputs.end(), output) -
                             instr.outputs.begin());
    int at = position_[static_cast<size_t>(i - begin_)];
    if (at < 0) return false;
    const BoundInstruction& bound = b_->instructions[static_cast<size_t>(at)];
    int reads = 0;
    for (size_t k = 0; k < instr.inputs.size(); ++k) {
      if (root(instr.inputs[k]) != target) continue;
      ++reads;
      bool ok = bound.fused ? bound.fused->can_overwrite(static_cast<int>(k), o)
                            : instr.op->inplace_input() == static_cast<int>(k) && o == 0 &&
                                  instr.inputs[k] == target;
      if (!ok) return false;
    }
    return reads <= 1;
  }

  void plan_arena() {
    int64_t bytes;
    for (BoundInstruction& bound : b_->instructions) {
      int i = static_cast<int>(bound.instr - p_.instructions.data());
      for (size_t o = 0; o < bound.instr->outputs.size(); ++o) place(i, bound.instr->outputs[o]);
      if (bound.fused && bound.fused->workspace_bytes() > 0) {
        bytes = static_cast<int64_t>(bound.fused->workspace_bytes());
        bound.workspace = planner_.allocate(bytes);
        planner_.release(bound.workspace, bytes);
      }
      if (p_.reuse_memory) release_dead(i);
    }
    b_->arena_bytes = static_cast<size_t>(planner_.size());
  }

  void place(int i, int buffer) {
    BufferState& s = state(buffer);
    if (s.root != buffer || s.held || direct_[static_cast<size_t>(buffer)]) return;
    int64_t bytes = state_bytes(s, info(buffer).type.dtype());
    for (int in : instruction(i).inputs) {
      BufferState& r = state(in);
      bool dies = r.root == in && own_temp(in) && r.level == b_->segment && r.arena_offset >= 0 &&
                  root_use_[static_cast<size_t>(in)] == i && !gone_[static_cast<size_t>(in)] &&
                  state_bytes(r, info(in).type.dtype()) == bytes && p_.reuse_memory;
      if (!dies || !may_overwrite(i, in, buffer)) continue;
      s.arena_offset = r.arena_offset;
      gone_[static_cast<size_t>(in)] = true;
      b_->arena_temps.push_back(buffer);
      return;
    }
    s.arena_offset = planner_.allocate(bytes);
    b_->arena_temps.push_back(buffer);
    if (root_use_[static_cast<size_t>(buffer)] < i)  // never read: free at once
      root_use_[static_cast<size_t>(buffer)] = i;
  }
  void release_dead(int i) {
    auto release = [&](int buffer) {
      BufferState& s = state(buffer);
      int r = s.root;
      if (r < 0 || root_use_[static_cast<size_t>(r)] != i) return;
      BufferState& rs = state(r);
      if (rs.level != b_->segment || rs.arena_offset < 0 || gone_[static_cast<size_t>(r)]) return;
      planner_.release(rs.arena_offset, state_bytes(rs, info(r).type.dtype()));
      gone_[static_cast<size_t>(r)] = true;
    };
    for (int in : instruction(i).inputs) release(in);
    for (int out : instruction(i).outputs) release(out);
  }

  static void add_work(BoundInstruction& bound, const TensorView& v) {
    bound.work += std::min(v.size(), Limits::kWorkPerLook);
  }

  void make_views() {
    for (BoundInstruction& bound : b_->instructions) {
      for (int in : bound.instr->inputs) bound.inputs.push_back(view(in));
      for (int out : bound.instr->outputs) bound.outputs.push_back(view(out));
      bound.segment = b_->segment;
      bound.work = Limits::kInstructionWork;
      if (bound.kind != RunKind::view) {
        for (const TensorView& v : bound.inputs) add_work(bound, v);
        for (const TensorView& v : bound.outputs) add_work(bound, v);
      }
      for (int out : bound.instr->outputs) {
        bound.outputs_alias.push_back(state(out).alias_of);
        bound.outputs_offset.push_back(state(out).offset);
      }
      bound.input_ptrs.resize(bound.inputs.size());
      bound.output_ptrs.resize(bound.outputs.size());
    }
  }

  const Program& p_;
  const std::vector<TensorView>& leaves_;
  const std::vector<Layout>& dynamic_;
  const InnerRunners& runners_;
  std::unique_ptr<Binding> b_;
  int begin_ = 0, end_ = 0;
  std::vector<char*> data_;
  std::vector<int> root_use_, position_;
  // Computed in memory of the caller's; block taken over or given back.
  std::vector<bool> direct_, gone_;
  ArenaPlanner planner_;
};

}  // namespace

std::unique_ptr<Binding> bind_segment(const Program& program, const std::vector<TensorView>& leaves,
                                      int segment, const Binding* parent,
                                      const std::vector<Layout>& dynamic,
                                      const InnerRunners& runners) {
  return SegmentBinder(program, leaves, segment, parent, dynamic, runners).run();
}

}  // namespace phintys::runtime
