// Binding a fused region to shapes: choosing the loop structure and resolving operands.
#include <algorithm>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ops/elementwise/table.h"
#include "vm/bound.h"
#include "vm/chains.h"

namespace phintys::vm {

namespace {

constexpr int64_t kInnerMin = 512;  // shorter inner runs are packed together
constexpr int64_t kScratchBudget = 24 * 1024;
constexpr int64_t kShortRow = 512;         // reduced rows below this share a tile
constexpr int64_t kBlockElements = 65536;  // of a partial reduction
// Inputs from here on come from memory. Where several steps take turns, tiles are small and the
// next one's lines asked for in time: in tiles that are worth it elsewhere, these would be more
// lines than the processor can have under way. What is reduced waits in rows this short: memory
// rests while they are read. A single chain that writes its results is one stream as it is.
constexpr int64_t kMemoryBytes = int64_t{32} << 20;
constexpr int64_t kMemoryTile = 256;
constexpr int64_t kMemoryRow = 2048;
// Smaller regions run step by step: loops make lists of calls of them.
constexpr int64_t kChainElements = 256;
// Outputs from here on are written past the caches: they would not stay there, and the lines that
// they go to need not be read first.
constexpr int64_t kStreamBytes = int64_t{4} << 20;

const char* step_name(const FusedStep& s) {
  return s.op < 0 ? "cast" : ops::elementwise_info(s.op).name;
}

bool is_contraction(const FusedStep& s) {
  std::string_view name = step_name(s);
  return name == "mul_add" || name == "mul_sub" || name == "neg_mul_add";
}

const char* join_op_name(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum:
      return "add";
    case ReduceKind::prod:
      return "mul";
    case ReduceKind::max:
      return "maximum";
    case ReduceKind::min:
      return "minimum";
    case ReduceKind::all:
      return "and_";
    case ReduceKind::any:
      return "or_";
  }
  return "add";
}

// Names the first step whose operands do not fit, as the user would have seen it without fusion.
[[noreturn]] void shape_error(const FusedOp& op, std::span<const TensorView> inputs) {
  size_t nd = static_cast<size_t>(op.ndim);
  std::vector<Dims> shapes;  // kUnknownDim where broadcast
  for (int i = 0; i < op.n_inputs; ++i) {
    Dims s(nd, 1);
    for (size_t d = 0; d < nd; ++d)
      s[d] = (op.broadcast[static_cast<size_t>(i)] >> d & 1)
                 ? kUnknownDim
                 : inputs[static_cast<size_t>(i)].shape[d];
    shapes.push_back(s);
  }
  auto text = [](Dims s) {
    for (int64_t& d : s)
      if (d == kUnknownDim) d = 1;
    return to_string(s);
  };
  for (const FusedStep& step : op.steps) {
    Dims s(nd, kUnknownDim);
    std::vector<int> from(nd, 0);
    for (int k = 0; k < step_arity(step); ++k) {
      const Dims& a = shapes[static_cast<size_t>(step.args[k])];
      for (size_t d = 0; d < nd; ++d) {
        if (a[d] == kUnknownDim) continue;
        if (s[d] == kUnknownDim) {
          s[d] = a[d];
          from[d] = k;
        } else if (s[d] != a[d]) {
          // The user wrote a product and a sum, not one step for both.
          bool contracted = is_contraction(step);
          bool in_product = contracted && k == 1;
          std::string all;
          for (int j = 0; j < (in_product ? 2 : step_arity(step)); ++j)
            all += (j ? ", " : "") + text(shapes[static_cast<size_t>(step.args[j])]);
          std::string where =
              to_string(in_product && step.product_loc ? step.product_loc : step.loc);
          fail(ErrorKind::value, "Input dimension mis-match. (input[", from[d], "].shape[", d,
               "] = ", s[d], ", input[", k, "].shape[", d, "] = ", a[d], ") in ",
               in_product   ? "mul"
               : contracted ? "add or sub after mul"
                            : step_name(step),
               " on shapes ", all, where.empty() ? "" : ", built at ", where);
        }
      }
    }
    shapes.push_back(s);
  }
  fail(ErrorKind::value, "Input dimension mis-match between the outputs of a fused region");
}

}  // namespace

class Binder {
 public:
  Binder(const FusedOp& op, std::span<const TensorView> inputs)
      : op_(op), inputs_(inputs), bound_(new BoundFused) {}

  std::unique_ptr<BoundFused> run() {
    bound_->op_ = &op_;
    iteration_shape();
    choose_space();
    resolve_access();
    if (!bound_->single_) refine_elementwise();
    classify();
    build_instrs();
    finish();
    return std::move(bound_);
  }

 private:
  using B = BoundFused;
  size_t nd() const { return static_cast<size_t>(op_.ndim); }
  int n_inputs() const { return op_.n_inputs; }

  void iteration_shape() {
    iter_ = Dims(nd(), kUnknownDim);
    strides_.assign(static_cast<size_t>(n_inputs()), Dims(nd(), 0));
    for (size_t i = 0; i < strides_.size(); ++i) {
      for (size_t d = 0; d < nd(); ++d) {
        if (op_.broadcast[i] >> d & 1) {
          if (inputs_[i].shape[d] != 1)
            fail(ErrorKind::value, "dimension ", d, " of operand ", i,
                 " was built as broadcastable (length 1) but has length ", inputs_[i].shape[d]);
          continue;
        }
        int64_t n = inputs_[i].shape[d];
        if (iter_[d] == kUnknownDim) iter_[d] = n;
        if (iter_[d] != n) shape_error(op_, inputs_);
        strides_[i][d] = inputs_[i].strides[d];
      }
    }
    for (int64_t& n : iter_)
      if (n == kUnknownDim) n = 1;
    bound_->total_ = product(iter_);
  }

  bool reduced_axis(size_t d) const {
    return std::find(op_.axes.begin(), op_.axes.end(), static_cast<int64_t>(d)) != op_.axes.end();
  }

  // Appends dimension d to a group, merging it with the group's last dimension where every operand
  // strides through both as through one.
  struct Group {
    Dims shape;
    std::vector<Dims> strides;
  };
  void append(Group& g, size_t d) {
    g.strides.resize(strides_.size());
    if (iter_[d] == 1) return;
    bool merge = !g.shape.empty();
    for (size_t i = 0; merge && i < strides_.size(); ++i)
      merge = g.strides[i].back() == strides_[i][d] * iter_[d];
    if (merge) {
      g.shape.back() *= iter_[d];
      for (size_t i = 0; i < strides_.size(); ++i) g.strides[i].back() = strides_[i][d];
    } else {
      g.shape.push_back(iter_[d]);
      for (size_t i = 0; i < strides_.size(); ++i) g.strides[i].push_back(strides_[i][d]);
    }
  }
  static Group concat(Group a, const Group& b) {
    a.strides.resize(std::max(a.strides.size(), b.strides.size()));
    for (int64_t n : b.shape) a.shape.push_back(n);
    for (size_t i = 0; i < b.strides.size(); ++i)
      for (int64_t s : b.strides[i]) a.strides[i].push_back(s);
    return a;
  }
  void set_space(const Group& outer, const Group& inner) {
    outer_ = outer;
    inner_ = inner;
    outer_.strides.resize(strides_.size());
    inner_.strides.resize(strides_.size());
    bound_->space_ = {outer.shape, inner.shape, product(outer.shape), product(inner.shape)};
  }

  void choose_space() {
    B& b = *bound_;
    Group all, kept, reduced, kept_tail;
    if (!op_.is_reduction()) {
      for (size_t d = 0; d < nd(); ++d) append(all, d);
      b.strategy_ = Strategy::elementwise;
      b.single_ = b.total_ == 1;
      return set_space({}, all);
    }
    size_t tail = nd();  // trailing kept dimensions start here
    while (tail > 0 && (!reduced_axis(tail - 1) || iter_[tail - 1] == 1)) --tail;
    for (size_t d = 0; d < nd(); ++d) {
      if (reduced_axis(d)) {
        append(reduced, d);
      } else {
        append(d >= tail ? kept_tail : kept, d);
      }
    }
    b.reduced_ = product(reduced.shape);
    int64_t tail_size = product(kept_tail.shape);
    if (tail_size > 1 && b.reduced_ != 1) {
      b.strategy_ = Strategy::accumulate;
      b.kept_ = tail_size;
      return set_space(kept, concat(reduced, kept_tail));
    }
    kept = concat(kept, kept_tail);
    b.kept_ = product(kept.shape);
    if (b.kept_ == 1 || b.reduced_ >= kShortRow) {
      b.strategy_ = Strategy::fold_blocks;
      return set_space(kept, reduced);
    }
    b.strategy_ = Strategy::fold_rows;
    set_space({}, concat(kept, reduced));
  }

  // Contiguous in C order over the group's dimensions.
  static bool dense(const Dims& shape, const Dims& strides, int64_t item) {
    for (size_t d = shape.size(); d-- > 0;) {
      if (strides[d] != item) return false;
      item *= shape[d];
    }
    return true;
  }

  void resolve_access() {
    B& b = *bound_;
    b.access_.clear();
    for (size_t i = 0; i < strides_.size(); ++i) {
      InputAccess a;
      a.item = static_cast<int64_t>(item_size(inputs_[i].dtype));
      a.outer_strides = outer_.strides[i];
      a.inner_strides = inner_.strides[i];
      bool zero = std::all_of(a.inner_strides.begin(), a.inner_strides.end(),
                              [](int64_t s) { return s == 0; });
      a.access = zero                                           ? Access::scalar
                 : dense(inner_.shape, a.inner_strides, a.item) ? Access::moving
                                                                : Access::packed;
      b.access_.push_back(a);
    }
  }

  // If some operand would have to be packed, let the trailing dimensions alone be the inner space
  // when they are long enough: most operands are then contiguous or constant along them.
  void refine_elementwise() {
    B& b = *bound_;
    if (b.strategy_ != Strategy::elementwise) return;
    bool packed = false;
    for (const InputAccess& a : b.access_) packed |= a.access == Access::packed;
    if (!packed || inner_.shape.size() < 2) return;
    size_t split = inner_.shape.size();
    int64_t n = 1;
    while (split > 0 && n < kInnerMin) n *= inner_.shape[--split];
    if (split == 0) return;
    Group outer, inner;
    outer.strides.resize(strides_.size());
    inner.strides.resize(strides_.size());
    for (size_t d = 0; d < inner_.shape.size(); ++d) {
      Group& g = d < split ? outer : inner;
      g.shape.push_back(inner_.shape[d]);
      for (size_t i = 0; i < strides_.size(); ++i) g.strides[i].push_back(inner_.strides[i][d]);
    }
    set_space(outer, inner);
    resolve_access();
  }

  // Which registers are one value for a whole outer position, the order of the steps, and until
  // which position a register is read.
  void classify() {
    size_t n = static_cast<size_t>(n_inputs()) + op_.steps.size();
    single_value_.assign(n, false);
    last_use_.assign(n, -1);
    for (int i = 0; i < n_inputs(); ++i)
      single_value_[static_cast<size_t>(i)] =
          bound_->access_[static_cast<size_t>(i)].access == Access::scalar;
    for (size_t s = 0; s < op_.steps.size(); ++s) {
      bool single = true;
      for (int k = 0; k < step_arity(op_.steps[s]); ++k)
        single = single && single_value_[static_cast<size_t>(op_.steps[s].args[k])];
      single_value_[static_cast<size_t>(n_inputs()) + s] = single || bound_->single_;
    }
    product_ = summed_product();
    plan_ = plan_chains(op_, cheap_steps());
    for (size_t p = 0; p < plan_.order.size(); ++p) {
      const FusedStep& step = op_.steps[static_cast<size_t>(plan_.order[p])];
      for (int k = 0; k < step_arity(step); ++k)
        last_use_[static_cast<size_t>(step.args[k])] = static_cast<int>(p);
    }
    position_.resize(op_.steps.size());
    for (size_t p = 0; p < plan_.order.size(); ++p)
      position_[static_cast<size_t>(plan_.order[p])] = static_cast<int>(p);
    read_.resize(n);
    for (size_t r = 0; r < n; ++r) read_[r] = last_use_[r] >= 0;
    for (const FusedOutput& o : op_.outputs)
      last_use_[static_cast<size_t>(o.reg)] = static_cast<int>(op_.steps.size());
    if (product_ < 0) return;
    const FusedStep& factors = op_.steps[static_cast<size_t>(product_)];
    for (int k = 0; k < step_arity(factors); ++k)
      last_use_[static_cast<size_t>(factors.args[k])] = static_cast<int>(op_.steps.size());
  }

  // The step of which a sum over long rows is the only use, a product of two rows: the sum then
  // computes it on its way. -1 if there is none.
  int summed_product() const {
    if (bound_->strategy_ != Strategy::fold_blocks || op_.outputs.size() != 1) return -1;
    const FusedOutput& o = op_.outputs[0];
    if (o.reg < n_inputs()) return -1;
    const int index = o.reg - n_inputs();
    const FusedStep& s = op_.steps[static_cast<size_t>(index)];
    const std::string_view name = step_name(s);
    if ((name != "mul" && name != "sqr") || s.compute != s.result) return -1;
    if (!reduce_kernels(static_cast<ReduceKind>(o.reduce), s.result).fold_products) return -1;
    for (int k = 0; k < step_arity(s); ++k)
      if (single_value_[static_cast<size_t>(s.args[k])]) return -1;
    for (const FusedStep& other : op_.steps)
      for (int k = 0; k < step_arity(other); ++k)
        if (other.args[k] == o.reg) return -1;
    return index;
  }

  std::vector<bool> cheap_steps() const {
    std::vector<bool> cheap(op_.steps.size(), false);
    if (bound_->total_ < kChainElements) return cheap;
    for (size_t s = 0; s < op_.steps.size(); ++s)
      cheap[s] = !single_value_[static_cast<size_t>(n_inputs()) + s] && in_chains(op_.steps[s]) &&
                 static_cast<int>(s) != product_;
    return cheap;
  }

  // The kernel of a step in a chain that has computed register `previous` and holds `held`, if
  // that is not negative.
  const ChainKernel& chain_kernel(const FusedStep& step, int previous, int held) const {
    size_t index = 0;
    for (int j = 0; j < 3; ++j) {
      auto kind = ChainOperand::previous;
      if (j < step_arity(step) && step.args[j] != previous)
        kind = single_value_[static_cast<size_t>(step.args[j])] ? ChainOperand::scalar
               : step.args[j] == held                           ? ChainOperand::held
                                                                : ChainOperand::row;
      index = index * kNumChainOperands + static_cast<size_t>(kind);
    }
    const ChainKernels& k = *chain_kernels(step.op, step.compute);
    return held < 0 ? k.plain[index] : k.holding[index];
  }

  DType reg_dtype(int r) const {
    return r < n_inputs() ? op_.input_dtypes[static_cast<size_t>(r)]
                          : op_.steps[static_cast<size_t>(r - n_inputs())].result;
  }
  int64_t reg_item(int r) const { return static_cast<int64_t>(item_size(reg_dtype(r))); }

  int new_pointer() {
    B& b = *bound_;
    b.row_of_.push_back(-1);
    b.slot_of_.push_back(-1);
    PHINTYS_CHECK(b.n_ptrs_ < kMaxPointers, "a fused region is too large");
    return b.n_ptrs_++;
  }
  int take_row() {
    if (!free_rows_.empty()) {
      int r = free_rows_.back();
      free_rows_.pop_back();
      return r;
    }
    return bound_->rows_++;
  }
  // A row holding the single value of register r throughout the tile.
  int filled(int r) {
    int& p = filled_[static_cast<size_t>(r)];
    if (p < 0) {
      p = new_pointer();
      bound_->row_of_[static_cast<size_t>(p)] = bound_->rows_++;  // never shared
      bound_->fills_.push_back(
          {static_cast<int16_t>(p), static_cast<int16_t>(r), reg_item(r), true});
    }
    return p;
  }

  const TileKernels& kernels(const FusedStep& s) const {
    const TileKernels& k =
        s.op < 0 ? cast_kernels(s.compute, s.result) : elementwise_kernels(s.op, s.compute);
    if (!k.scalar || !k.tile[0])
      fail(ErrorKind::type, step_name(s), " has no kernel for ", dtype_name(s.compute),
           s.loc ? ", built at " : "", to_string(s.loc));
    return k;
  }

  bool streamed(int r) const {
    return !bound_->single_ && bound_->total_ * reg_item(r) >= kStreamBytes;
  }

  void build_instrs() {
    B& b = *bound_;
    size_t n_regs = single_value_.size();
    for (size_t r = 0; r < n_regs; ++r) new_pointer();
    filled_.assign(n_regs, -1);
    direct_output_.assign(n_regs, -1);
    if (!op_.is_reduction()) {
      for (size_t o = 0; o < op_.outputs.size(); ++o) {
        int r = op_.outputs[o].reg;
        size_t rs = static_cast<size_t>(r);
        if (r >= n_inputs() && direct_output_[rs] < 0 && (b.single_ || !single_value_[rs]) &&
            (!streamed(r) || streams_itself(r)))
          direct_output_[rs] = static_cast<int>(o);
      }
    }
    for (int i = 0; i < n_inputs(); ++i) add_input(i);
    for (size_t p = 0; p < plan_.order.size();) {
      size_t end = p + 1;
      while (end < plan_.order.size() && plan_.continues[end]) ++end;
      if (plan_.order[p] == product_) {
        cost_ += 1.0;
      } else if (end == p + 1 && !streams_itself(step_reg(p))) {
        add_step(static_cast<size_t>(plan_.order[p]));
      } else {
        add_chain(p, end);
      }
      p = end;
    }
    if (op_.is_reduction()) {
      add_reductions();
    } else {
      add_outputs();
    }
  }

  void add_input(int i) {
    B& b = *bound_;
    const InputAccess& a = b.access_[static_cast<size_t>(i)];
    auto p = static_cast<int16_t>(i);
    if (b.single_ || a.access == Access::scalar) {
      b.scalar_inputs_.push_back({p, p, 0});
    } else if (a.access == Access::moving) {
      b.moves_.push_back({p, p, a.item});
    } else {
      b.row_of_[static_cast<size_t>(i)] = take_row();
      b.packs_.push_back({p, p, a.item});
    }
  }

  void add_step(size_t index) {
    B& b = *bound_;
    const FusedStep& s = op_.steps[index];
    size_t reg = static_cast<size_t>(n_inputs()) + index;
    const TileKernels& k = kernels(s);
    int arity = step_arity(s);
    B::Instr instr{nullptr, static_cast<int16_t>(reg), 0, 0, 0};
    int16_t* args[3] = {&instr.a, &instr.b, &instr.c};
    for (int j = 0; j < arity; ++j) *args[j] = static_cast<int16_t>(s.args[j]);
    cost_ += s.op < 0 ? 1.0 : ops::elementwise_info(s.op).cost;
    if (single_value_[reg]) {
      instr.fn = k.scalar;
      if (direct_output_[reg] < 0) b.slot_of_[reg] = b.slots_++;
      b.scalar_instrs_.push_back(instr);
      return;
    }
    unsigned mask = 0;
    for (int j = 0; j < arity; ++j)
      if (single_value_[static_cast<size_t>(s.args[j])]) mask |= 1u << j;
    instr.fn = k.tile[mask];
    if (!instr.fn) {
      instr.fn = k.tile[0];
      for (int j = 0; j < arity; ++j)
        if (mask >> j & 1) *args[j] = static_cast<int16_t>(filled(s.args[j]));
    }
    place_result(static_cast<size_t>(position_[index]), reg, s, arity);
    b.instrs_.push_back(instr);
  }

  int step_reg(size_t position) const { return n_inputs() + plan_.order[position]; }

  // A large output that a chain can write past the caches, as nothing reads it again.
  bool streams_itself(int r) const {
    const auto rs = static_cast<size_t>(r);
    if (op_.is_reduction() || r < n_inputs() || !streamed(r)) return false;
    if (single_value_[rs] || read_[rs]) return false;
    const FusedStep& s = op_.steps[rs - static_cast<size_t>(n_inputs())];
    return in_chains(s);
  }

  bool in_chains(const FusedStep& s) const {
    return s.op >= 0 && s.compute == s.result && chain_kernels(s.op, s.compute);
  }

  // The steps at positions [begin, end): each takes the result of the one before.
  void add_chain(size_t begin, size_t end) {
    B& b = *bound_;
    const FusedStep& first = op_.steps[static_cast<size_t>(plan_.order[begin])];
    int previous = first.args[0];
    for (int j = 0; single_value_[static_cast<size_t>(previous)]; ++j) previous = first.args[j];
    const int held = row_to_hold(op_, plan_, begin, end, previous, single_value_);
    const ChainFrames& frames = chain_frames(first.compute);
    const ChainFrame& frame = held < 0 ? frames.plain : frames.holding;
    const auto start = static_cast<int32_t>(b.chain_steps_.size());
    if (held >= 0) b.chain_steps_.push_back({frame.hold, static_cast<int16_t>(held), 0, 0});
    b.chain_steps_.push_back({frame.load, static_cast<int16_t>(previous), 0, 0});
    for (size_t p = begin; p < end; ++p) {
      const auto index = static_cast<size_t>(plan_.order[p]);
      const FusedStep& s = op_.steps[index];
      const int reg = step_reg(p);
      const int arity = step_arity(s);
      cost_ += ops::elementwise_info(s.op).cost;
      b.chain_steps_.push_back({chain_kernel(s, previous, held), static_cast<int16_t>(s.args[0]),
                                static_cast<int16_t>(s.args[arity > 1 ? 1 : 0]),
                                static_cast<int16_t>(s.args[arity > 2 ? 2 : 0])});
      const bool last = p + 1 == end;
      if (last || last_use_[static_cast<size_t>(reg)] > static_cast<int>(p) + 1) {
        place_result(p, static_cast<size_t>(reg), s, arity);
        b.chain_steps_.push_back(
            {streams_itself(reg) ? frame.stream : frame.store, static_cast<int16_t>(reg), 0, 0});
      } else {
        free_operands(p, s, arity, nullptr);
      }
      previous = reg;
    }
    b.chain_steps_.push_back({frame.end, 0, 0, 0});
    b.instrs_.push_back({nullptr, 0, 0, 0, 0, &frame, start});
  }

  // The scratch row of a step's result; rows of operands that die here are free for it if their
  // elements have the same size (kernels allow that), for later steps otherwise.
  void place_result(size_t position, size_t reg, const FusedStep& s, int arity) {
    B& b = *bound_;
    std::vector<int> later;
    free_operands(position, s, arity, &later);
    if (direct_output_[reg] >= 0) {
      b.output_moves_.push_back({static_cast<int16_t>(reg),
                                 static_cast<int16_t>(direct_output_[reg]),
                                 reg_item(static_cast<int>(reg))});
    } else {
      b.row_of_[reg] = take_row();
    }
    free_rows_.insert(free_rows_.end(), later.begin(), later.end());
  }

  // Rows of other sizes than the result go to `later`, unless it is null: then there is no result.
  void free_operands(size_t position, const FusedStep& s, int arity, std::vector<int>* later) {
    B& b = *bound_;
    const auto result = static_cast<int64_t>(item_size(s.result));
    for (int j = 0; j < arity; ++j) {
      size_t r = static_cast<size_t>(s.args[j]);
      bool repeated = false;
      for (int q = 0; q < j; ++q) repeated |= s.args[q] == s.args[j];
      if (repeated || last_use_[r] != static_cast<int>(position) || b.row_of_[r] < 0) continue;
      if (!later || reg_item(static_cast<int>(r)) == result) {
        free_rows_.push_back(b.row_of_[r]);
      } else {
        later->push_back(b.row_of_[r]);
      }
    }
  }

  void add_outputs() {
    B& b = *bound_;
    for (size_t o = 0; o < op_.outputs.size(); ++o) {
      int r = op_.outputs[o].reg;
      if (direct_output_[static_cast<size_t>(r)] == static_cast<int>(o)) {
        if (b.single_)
          b.output_moves_.push_back(
              {static_cast<int16_t>(r), static_cast<int16_t>(o), reg_item(r)});
        continue;
      }
      int p = new_pointer();
      b.output_moves_.push_back({static_cast<int16_t>(p), static_cast<int16_t>(o), reg_item(r)});
      b.copies_.push_back({static_cast<int16_t>(p), static_cast<int16_t>(r), reg_item(r),
                           single_value_[static_cast<size_t>(r)], streamed(r)});
    }
    b.overwritable_.assign(static_cast<size_t>(n_inputs()) * op_.outputs.size(), 0);
    for (int i = 0; i < n_inputs(); ++i)
      for (size_t o = 0; o < op_.outputs.size(); ++o)
        b.overwritable_[static_cast<size_t>(i) * op_.outputs.size() + o] = overwritable(i, o);
  }

  bool overwritable(int i, size_t o) const {
    const InputAccess& a = bound_->access_[static_cast<size_t>(i)];
    int r = op_.outputs[o].reg;
    if (direct_output_[static_cast<size_t>(r)] != static_cast<int>(o)) return false;
    if (a.item != reg_item(r)) return false;
    if (bound_->single_)
      return last_use_[static_cast<size_t>(i)] <= position_[static_cast<size_t>(r - n_inputs())];
    Dims shape = bound_->space_.outer_shape, strides = a.outer_strides;
    for (size_t d = 0; d < a.inner_strides.size(); ++d) {
      shape.push_back(bound_->space_.inner_shape[d]);
      strides.push_back(a.inner_strides[d]);
    }
    return a.access == Access::moving && dense(shape, strides, a.item) &&
           last_use_[static_cast<size_t>(i)] <= position_[static_cast<size_t>(r - n_inputs())];
  }

  void add_reductions() {
    B& b = *bound_;
    for (const FusedOutput& o : op_.outputs) {
      B::Reduction red{};
      int r = o.reg;
      red.ptr = static_cast<int16_t>(single_value_[static_cast<size_t>(r)] ? filled(r) : r);
      red.factor = -1;
      if (product_ >= 0) {
        const FusedStep& factors = op_.steps[static_cast<size_t>(product_)];
        red.ptr = static_cast<int16_t>(factors.args[0]);
        red.factor = static_cast<int16_t>(factors.args[step_arity(factors) - 1]);
      }
      red.kind = static_cast<ReduceKind>(o.reduce);
      red.acc = reg_dtype(r);
      red.out = o.dtype;
      red.fold = &reduce_kernels(red.kind, red.acc);
      red.join = &elementwise_kernels(ops::elementwise_index(join_op_name(red.kind)), red.acc);
      red.cast = red.acc == red.out ? nullptr : &cast_kernels(red.acc, red.out);
      if (!red.fold->fold || !red.join->tile[0])
        fail(ErrorKind::type, "no reduction kernel for ", dtype_name(red.acc));
      b.reductions_.push_back(red);
    }
    PHINTYS_CHECK(b.reductions_.size() <= kMaxReductions, "too many reductions in a region");
    cost_ += 1.0;
  }

  void finish() {
    B& b = *bound_;
    int64_t item = 1;
    for (size_t r = 0; r < single_value_.size(); ++r)
      item = std::max(item, reg_item(static_cast<int>(r)));
    int64_t rows = std::max(1, b.rows_ + static_cast<int>(b.reductions_.size()));
    int64_t tile = kScratchBudget / (rows * item);
    b.tile_ = std::clamp<int64_t>(tile / 64 * 64, 256, b.rows_ == 0 ? 4096 : 2048);
    if (b.strategy_ == Strategy::elementwise && b.instrs_.size() > 1 && from_memory()) {
      b.prefetch_ = true;
      b.tile_ = kMemoryTile;
    }
    if (b.strategy_ == Strategy::fold_blocks && b.rows_ > 0 && from_memory())
      b.tile_ = std::min(b.tile_, std::max<int64_t>(256, kMemoryRow / item));
    // One pass over an input where it lies.
    if (b.strategy_ == Strategy::fold_blocks && b.rows_ == 0 && b.reductions_.size() == 1)
      b.tile_ = kBlockElements;
    b.cost_ = cost_;
    if (b.strategy_ == Strategy::fold_rows && b.reduced_ > 0)
      b.tile_ = std::max<int64_t>(b.tile_ / b.reduced_, 1) * b.reduced_;
    if (b.strategy_ == Strategy::accumulate && b.kept_ > 0 && b.kept_ <= b.tile_)
      b.tile_ = b.tile_ / b.kept_ * b.kept_;
    b.row_bytes_ = (b.tile_ * item + 63) / 64 * 64;
    check_empty();
    plan_partials();
  }

  bool from_memory() const {
    int64_t bytes = 0;
    for (const B::Move& m : bound_->moves_) bytes += bound_->total_ * m.item;
    return bytes >= kMemoryBytes;
  }

  void check_empty() const {
    const B& b = *bound_;
    if (!op_.is_reduction() || b.reduced_ != 0) return;
    for (const auto& r : b.reductions_) {
      char value[16];
      if (!reduce_identity(r.kind, r.acc, value) && b.outputs_size() > 0)
        fail(ErrorKind::value, "zero-size array to reduction operation ",
             r.kind == ReduceKind::max ? "maximum" : "minimum", " which has no identity");
    }
  }

  // Blocks of a reduction are a function of the shape, so results are one of the shape too.
  void plan_partials() {
    B& b = *bound_;
    if (b.total_ == 0 || b.reductions_.empty()) return;
    int64_t groups = b.space_.outer;
    if (b.strategy_ == Strategy::fold_blocks) {
      b.block_ = std::max(b.tile_, kBlockElements / b.tile_ * b.tile_);
      b.blocks_ = (b.space_.inner + b.block_ - 1) / b.block_;
    } else if (b.strategy_ == Strategy::accumulate) {
      b.block_ = std::max<int64_t>(1, kBlockElements / b.kept_);
      int64_t step = std::max<int64_t>(1, b.tile_ / b.kept_);
      b.block_ = (b.block_ + step - 1) / step * step;
      b.blocks_ = (b.reduced_ + b.block_ - 1) / b.block_;
      groups *= b.kept_;
    } else {
      return;
    }
    size_t bytes = 0;
    for (auto& r : b.reductions_) {
      r.partial_offset = bytes;
      bytes += static_cast<size_t>(groups * b.blocks_) * BoundFused::partial_bytes(r.acc);
      bytes = (bytes + 63) / 64 * 64;
    }
    b.workspace_bytes_ = bytes;
  }

  const FusedOp& op_;
  std::span<const TensorView> inputs_;
  std::unique_ptr<BoundFused> bound_;
  Dims iter_;
  std::vector<Dims> strides_;  // by input and iteration dimension; 0 where broadcast
  Group outer_, inner_;
  std::vector<bool> single_value_;
  std::vector<bool> read_;  // by steps
  ChainPlan plan_;
  int product_ = -1;           // the step that a sum computes itself
  std::vector<int> position_;  // of each step
  std::vector<int> last_use_, filled_, direct_output_, free_rows_;
  double cost_ = 0;
};

std::unique_ptr<BoundFused> BoundFused::bind(const FusedOp& op,
                                             std::span<const TensorView> inputs) {
  return Binder(op, inputs).run();
}

bool BoundFused::can_overwrite(int in, int out) const {
  size_t i = static_cast<size_t>(in) * op_->outputs.size() + static_cast<size_t>(out);
  return i < overwritable_.size() && overwritable_[i];
}

}  // namespace phintys::vm
