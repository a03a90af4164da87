#include "runtime/flat_loop.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/failure.h"

namespace phintys::runtime {

namespace {

constexpr int64_t kMaxPast = 8;     // steps that a state may reach back
constexpr size_t kMaxCalls = 512;   // longer bodies gain nothing
constexpr size_t kMaxRow = 2048;    // bytes that are copied in each step
constexpr size_t kMaxTemp = 32768;  // of a value that the body computes and no more
constexpr size_t kMaxMemory = size_t{1} << 20;

inline void copy_item(char* to, const char* from, size_t item) {
  switch (item) {
    case 8:
      std::memcpy(to, from, 8);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 2:
      std::memcpy(to, from, 2);
      return;
    case 1:
      *to = *from;
      return;
    default:
      std::memcpy(to, from, 16);
  }
}

// Few bytes, without the call of a library.
inline void copy_row(char* to, const char* from, size_t bytes) {
  if (bytes < 16 || bytes > 128) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (size_t b = 0; b + 16 < bytes; b += 16) std::memcpy(to + b, from + b, 16);
  std::memcpy(to + bytes - 16, from + bytes - 16, 16);
}

template <class Word>
void repeat(char* from, char* to) {
  Word last;
  std::memcpy(&last, from - sizeof last, sizeof last);
  for (; from < to; from += sizeof last) std::memcpy(from, &last, sizeof last);
}

// Fills the rest of a block with its last element, so that what kernels compute behind the elements
// takes them no longer than the elements.
inline void fill_up(char* block, size_t bytes, size_t item, size_t room) {
  char* const end = block + bytes;
  if (item == 8) return repeat<uint64_t>(end, block + room);
  if (item == 4) return repeat<uint32_t>(end, block + room);
  for (size_t b = bytes; b + item <= room; b += item) std::memcpy(block + b, end - item, item);
}

size_t zu(int64_t i) { return static_cast<size_t>(i); }

// Whether the elements fill the bytes from the first one on, in whatever order of dimensions.
bool dense(const TensorView& v, size_t item) {
  int64_t reach = static_cast<int64_t>(item);
  for (int d = 0; d < v.ndim; ++d) {
    if (v.shape[d] == 1) continue;
    if (v.strides[d] <= 0) return false;
    reach += (v.shape[d] - 1) * v.strides[d];
  }
  return reach == v.size() * static_cast<int64_t>(item);
}

bool within(const char* p, const char* block, size_t bytes) {
  return p >= block && p < block + bytes;
}

}  // namespace

size_t FlatLoop::item_of(int buffer) const {
  return item_size(body_.buffers[zu(buffer)].type.dtype());
}

size_t FlatLoop::bytes_of(int buffer) const {
  return zu(product(binding_.states[zu(buffer)].shape)) * item_of(buffer);
}

std::unique_ptr<FlatLoop> FlatLoop::make(const Scan& scan, const Program& body,
                                         const Binding& binding,
                                         const std::vector<TensorView>& leaves,
                                         const InnerRunners& runners) {
  std::unique_ptr<FlatLoop> loop(new FlatLoop(scan, body, binding));
  if (!loop->build(leaves, runners)) loop.reset();
  return loop;
}

bool FlatLoop::build(const std::vector<TensorView>& leaves, const InnerRunners& runners) {
  for (int c = 0; c < scan_.n_states(); ++c)
    if (scan_.rows_of(c) > kMaxPast) return false;
  if (!place_buffers(leaves) || !collect_calls(runners)) return false;
  for (int b : body_.outputs)
    if (outside(b) || bytes_of(b) > kMaxRow) return false;
  collect_states();
  if (single_) link_calls();
  for (const auto& w : wholes_) {
    for (const TensorView& v : w->inputs) w->in.push_back(v.data);
    for (const TensorView& v : w->outputs) w->out.push_back(v.data);
  }
  return memory_.bytes() <= kMaxMemory;
}

// ----- where things are -----

// Every buffer gets a block, but for views and large constants.
bool FlatLoop::place_buffers(const std::vector<TensorView>& leaves) {
  at_.assign(body_.buffers.size(), nullptr);
  outside_.assign(body_.buffers.size(), kInside);
  std::vector<bool> stays(body_.buffers.size(), false);
  for (int k = 0; k < scan_.n_constants(); ++k) {
    const int buffer = body_.input_buffers[zu(scan_.inner_constant(k))];
    outside_[zu(buffer)] = k;
    stays[zu(buffer)] = true;
  }
  if (!place_states()) return false;
  std::vector<const Array*> known(body_.buffers.size(), nullptr);
  for (const auto& [buffer, array] : binding_.known) known[zu(buffer)] = &array;
  for (size_t b = 0; b < body_.buffers.size(); ++b) {
    const BufferInfo& info = body_.buffers[b];
    const BufferState& state = binding_.states[b];
    const int buffer = static_cast<int>(b);
    if (!state.defined || info.kind == BufferKind::shared || product(state.shape) == 0)
      return false;
    single_ = single_ && product(state.shape) == 1;
    if (at_[b]) continue;
    bool fits = true;
    if (known[b]) {
      outside_[b] = kFixed;
      fits = place_leaf(buffer, known[b]->view(), true);
      if (!outside(buffer)) std::memcpy(at_[b], known[b]->data(), bytes_of(buffer));
    } else if (info.kind == BufferKind::constant) {
      outside_[b] = kFixed;
      fits = place_leaf(buffer, leaves[b], true);
      if (!outside(buffer)) std::memcpy(at_[b], leaves[b].data, bytes_of(buffer));
    } else if (info.kind == BufferKind::input) {
      fits = place_leaf(buffer, leaves[b], stays[b]);
    } else if (state.alias_of < 0) {
      fits = bytes_of(buffer) <= kMaxTemp;
      if (fits) at_[b] = memory_.take(info.type.dtype(), product(state.shape));
    }
    if (!fits) return false;
  }
  return true;
}

// A block to copy the elements to as they lie, or their own memory if they are many.
bool FlatLoop::place_leaf(int buffer, const TensorView& leaf, bool may_stay) {
  if (bytes_of(buffer) <= kMaxRow && dense(leaf, item_of(buffer))) {
    outside_[zu(buffer)] = kInside;
    at(buffer) = memory_.take(leaf.dtype, leaf.size());
    return true;
  }
  at(buffer) = leaf.data;
  return may_stay;
}

bool FlatLoop::place_states() {
  for (int c = 0; c < scan_.n_states(); ++c) {
    State s;
    const auto taps = scan_.taps_of(c);
    const int first = body_.input_buffers[zu(scan_.first_tap(c))];
    s.item = item_of(first);
    s.bytes = bytes_of(first);
    if (s.bytes > kMaxRow) return false;
    for (int64_t k = 0; k < scan_.rows_of(c); ++k)
      s.past.push_back(memory_.take(body_.buffers[zu(first)].type.dtype(),
                                    static_cast<int64_t>(s.bytes / s.item)));
    for (size_t k = 0; k < taps.size(); ++k)
      at(body_.input_buffers[zu(scan_.first_tap(c)) + k]) = s.past[zu(-taps[k] - 1)];
    states_.push_back(std::move(s));
  }
  return true;
}

// ----- the calls of a step -----

bool FlatLoop::collect_calls(const InnerRunners& runners) {
  std::vector<char*> in, out;
  find_root_uses();
  for (const BoundInstruction& bound : binding_.instructions) {
    const Instruction& instr = *bound.instr;
    append_view(bound);
    if (bound.kind == RunKind::view) continue;
    if (bound.kind == RunKind::perform) share_memory(bound);
    bool inside = true;
    in.clear();
    out.clear();
    for (int b : instr.inputs) {
      inside = inside && !outside(b);
      in.push_back(at(b));
    }
    for (int b : instr.outputs) out.push_back(at(b));
    single_ = single_ && bound.kind == RunKind::fused && bound.fused->single();
    work_ += bound.work;
    const bool flat =
        inside && (bound.kind == RunKind::fused
                       ? bound.fused->append_calls(in.data(), out.data(), &memory_, &calls_)
                       : bound.kind == RunKind::perform && append_product(bound));
    if (!flat) append_whole(bound, runners[zu(&instr - body_.instructions.data())].get());
    if (calls_.size() > kMaxCalls) return false;
  }
  if (single_) work_ = 0;
  return true;
}

void FlatLoop::find_root_uses() {
  root_use_.assign(body_.buffers.size(), -1);
  for (size_t b = 0; b < body_.buffers.size(); ++b) {
    const int root = binding_.states[b].root;
    if (root >= 0) root_use_[zu(root)] = std::max(root_use_[zu(root)], body_.buffers[b].last_use);
  }
}

// An op that changes an operand, which nobody reads afterwards, does so in place.
void FlatLoop::share_memory(const BoundInstruction& bound) {
  const Instruction& instr = *bound.instr;
  const int operand = instr.op->inplace_input();
  if (operand < 0 || bound.outputs_alias[0] >= 0) return;
  const int in = instr.inputs[zu(operand)], out = instr.outputs[0];
  const BufferState& from = binding_.states[zu(in)];
  const BufferState& to = binding_.states[zu(out)];
  const BufferInfo& info = body_.buffers[zu(in)];
  int reads = 0;
  for (int b : instr.inputs) reads += binding_.states[zu(b)].root == in;
  if (info.kind == BufferKind::temp && !info.known && from.root == in && reads == 1 &&
      root_use_[zu(in)] == &instr - body_.instructions.data() && from.shape == to.shape &&
      from.strides == to.strides && info.type.dtype() == body_.buffers[zu(out)].type.dtype())
    at(out) = at(in);
}

// Outputs that are views of an operand.
void FlatLoop::append_view(const BoundInstruction& bound) {
  const Instruction& instr = *bound.instr;
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    const int viewed = bound.outputs_alias[o];
    if (viewed < 0) continue;
    at(instr.outputs[o]) = at(viewed) + bound.outputs_offset[o];
    outside_[zu(instr.outputs[o])] = outside_[zu(viewed)];
  }
}

template <class T>
void FlatLoop::run_product(void* out, const void* a, const void* b, const void* c,
                           int64_t product) {
  const auto* p = reinterpret_cast<const FlatProduct*>(static_cast<intptr_t>(product));
  tiny_product(p->product, static_cast<const T*>(a), static_cast<const T*>(b),
               static_cast<const T*>(c), static_cast<T*>(out));
}

template <class T>
void FlatLoop::run_permuted(void* out, const void* a, const void* b, const void* c,
                            int64_t product) {
  const auto* p = reinterpret_cast<const FlatProduct*>(static_cast<intptr_t>(product));
  PermutedProduct<T> work;
  work.a = static_cast<const T*>(a);
  work.b = static_cast<const T*>(b);
  work.c = static_cast<const T*>(c);
  work.out = static_cast<T*>(out);
  work.vectors = p->vectors;
  work.terms = p->product.k;
  work.alpha = static_cast<T>(p->product.alpha);
  work.beta = static_cast<T>(p->product.beta);
  work.places = p->places;
  if constexpr (sizeof(T) == 4) {
    p->permuted32(work);
  } else {
    p->permuted64(work);
  }
}

// Of a product whose operands fit in two vectors each; else null.
const void* FlatLoop::permuted_places(const TinyProduct& p, DType dtype) {
  const auto item = static_cast<int64_t>(item_size(dtype));
  const int64_t lanes = permuted_product_lanes(item);
  auto fits = [&](int64_t rows, int64_t row, int64_t columns, int64_t column) {
    return row >= 0 && column >= 0 && (rows - 1) * row + (columns - 1) * column < 2 * lanes;
  };
  const bool c_like_out =
      p.beta == 0 || ((p.m == 1 || p.c_row == p.n) && (p.n == 1 || p.c_col == 1));
  if (!c_like_out || !fits(p.m, p.a_row, p.k, p.a_col) || !fits(p.k, p.b_row, p.n, p.b_col))
    return nullptr;
  const int64_t vectors = (p.m * p.n + lanes - 1) / lanes;
  char* const places = memory_.take(dtype, vectors * p.k * 2 * lanes);
  auto put = [&](int64_t index, int64_t place) {
    const auto narrow = static_cast<int32_t>(place);
    std::memcpy(places + index * item, item == 8 ? static_cast<const void*>(&place) : &narrow,
                zu(item));
  };
  for (int64_t v = 0; v < vectors; ++v) {
    for (int64_t k = 0; k < p.k; ++k) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t at = std::min(v * lanes + lane, p.m * p.n - 1);
        const int64_t index = (v * p.k + k) * 2 * lanes + lane;
        put(index, at / p.n * p.a_row + k * p.a_col);
        put(index + lanes, k * p.b_row + at % p.n * p.b_col);
      }
    }
  }
  return places;
}

bool FlatLoop::append_product(const BoundInstruction& bound) {
  TinyOperands found;
  if (!tiny_operands(*bound.instr->op, bound.inputs, &found)) return false;
  const TinyProduct& p = found.product;
  const DType dtype = bound.inputs[zu(found.a)].dtype;
  const int64_t lanes = permuted_product_lanes(static_cast<int64_t>(item_size(dtype)));
  products_.push_back(std::make_unique<FlatProduct>());
  FlatProduct& product = *products_.back();
  product.product = p;
  product.permuted32 = PHINTYS_ISA_CALL(permuted_product<float>);
  product.permuted64 = PHINTYS_ISA_CALL(permuted_product<double>);
  if (lanes > 0) {
    product.places = permuted_places(p, dtype);
    product.vectors = (p.m * p.n + lanes - 1) / lanes;
  }
  const bool single = dtype == DType::f32;
  const vm::TileFn fn = product.places ? single ? run_permuted<float> : run_permuted<double>
                        : single       ? run_product<float>
                                       : run_product<double>;
  const std::vector<int>& inputs = bound.instr->inputs;
  const char* c = found.c < 0 ? nullptr : at(inputs[zu(found.c)]);
  const unsigned in_place = found.c >= 0 && bound.inputs[zu(found.c)].contiguous() ? 4 : 0;
  const auto handle = static_cast<int64_t>(reinterpret_cast<intptr_t>(&product));
  calls_.push_back({fn, at(bound.instr->outputs[0]), at(inputs[zu(found.a)]),
                    at(inputs[zu(found.b)]), c, handle, in_place});
  return true;
}

void FlatLoop::append_whole(const BoundInstruction& bound, InnerRunner* runner) {
  const Instruction& instr = *bound.instr;
  wholes_.push_back(std::make_unique<Whole>());
  Whole& w = *wholes_.back();
  w.loop = this;
  w.bound = &bound;
  w.runner = runner;
  w.inputs = bound.inputs;
  w.outputs = bound.outputs;
  if (bound.fused && bound.fused->workspace_bytes())
    w.workspace = std::make_unique<char[]>(bound.fused->workspace_bytes());
  inner_ = inner_ || runner;
  for (size_t i = 0; i < instr.inputs.size(); ++i) {
    const int buffer = instr.inputs[i];
    w.inputs[i].data = at(buffer);
    const int constant = outside_[zu(buffer)];
    if (constant < 0) continue;
    const int whose = body_.input_buffers[zu(scan_.inner_constant(constant))];
    patches_.push_back({&w, i, constant, at(buffer) - at(whose)});
  }
  for (size_t o = 0; o < instr.outputs.size(); ++o) w.outputs[o].data = at(instr.outputs[o]);
  calls_.push_back({run_whole, nullptr, nullptr, nullptr, reinterpret_cast<const char*>(&w), 1});
}

FlatLoop::Whole* FlatLoop::whole_of(const vm::FlatCall& call) const {
  if (call.fn != run_whole) return nullptr;
  return const_cast<Whole*>(reinterpret_cast<const Whole*>(call.c));
}

// f(pointer to change, operand's number)
template <class F>
void FlatLoop::each_read(vm::FlatCall& call, F&& f) {
  if (Whole* w = whole_of(call)) {
    for (TensorView& v : w->inputs) f(v.data, -1);
    return;
  }
  const char** operands[3] = {&call.a, &call.b, &call.c};
  for (int j = 0; j < 3; ++j) {
    char* p = const_cast<char*>(*operands[j]);
    f(p, j);
    *operands[j] = p;
  }
}

template <class F>
void FlatLoop::each_write(vm::FlatCall& call, F&& f) {
  Whole* w = whole_of(call);
  if (!w) return f(call.dst);
  for (TensorView& v : w->outputs) f(v.data);
}

// ----- the end of a step -----

// Copies a buffer's elements, in C order.
void FlatLoop::append_copy(char* to, int buffer) {
  const BufferState& s = binding_.states[zu(buffer)];
  const auto item = static_cast<int64_t>(item_of(buffer));
  const int64_t n = product(s.shape);
  const TensorView v{nullptr, body_.buffers[zu(buffer)].type.dtype(),
                     static_cast<int>(s.shape.size()), s.shape.data(), s.strides.data()};
  if (v.contiguous()) {
    calls_.push_back(vm::copy_call(to, at(buffer), item, n));
  } else {
    const int64_t whole = vm::whole_vectors(n, item);
    const int32_t* places = memory_.keep(vm::places_of(s.shape, s.strides, whole));
    calls_.push_back(vm::gather_call(to, at(buffer), item, places, whole));
  }
}

bool FlatLoop::is_computed(const char* block, size_t calls) const {
  for (size_t i = 0; i < calls; ++i) {
    if (calls_[i].dst == block) return true;
    const Whole* w = whole_of(calls_[i]);
    for (size_t o = 0; w && o < w->outputs.size(); ++o)
      if (w->bound->outputs_alias[o] < 0 && w->outputs[o].data == block) return true;
  }
  return false;
}

// The shift of states at the end of a step: all new values first, then each into its place.
void FlatLoop::collect_states() {
  const size_t computed = calls_.size();
  auto stands = [&](int buffer) {
    const BufferState& s = binding_.states[zu(buffer)];
    return s.root == buffer && is_computed(at(buffer), computed);
  };
  // What is emitted although no call computed it may be the old value of a state.
  for (size_t k = states_.size(); k < body_.outputs.size(); ++k) {
    const int buffer = body_.outputs[k];
    const Type& type = body_.buffers[zu(buffer)].type;
    const int64_t n = static_cast<int64_t>(bytes_of(buffer) / item_of(buffer));
    emitted_.push_back(stands(buffer) ? nullptr : memory_.take(type.dtype(), n));
  }
  for (size_t c = 0; c < states_.size(); ++c) {
    State& s = states_[c];
    const int buffer = body_.outputs[c];
    s.fresh = at(buffer);
    if (stands(buffer)) continue;
    // Something that another state's shift may change.
    s.fresh = memory_.take(body_.buffers[zu(buffer)].type.dtype(),
                           static_cast<int64_t>(s.bytes / s.item));
  }
  for (size_t c = 0; c < states_.size(); ++c) {
    const int buffer = body_.outputs[c];
    if (states_[c].fresh == at(buffer)) {
      write_over(states_[c]);
    } else {
      append_copy(states_[c].fresh, buffer);
    }
  }
  for (size_t k = 0; k < emitted_.size(); ++k) {
    const int buffer = body_.outputs[states_.size() + k];
    if (!emitted_[k]) {
      emitted_[k] = at(buffer);
    } else {
      append_copy(emitted_[k], buffer);
    }
  }
  for (const State& s : states_) {
    if (s.fresh == s.past[0]) continue;
    const auto item = static_cast<int64_t>(s.item);
    const int64_t n = static_cast<int64_t>(s.bytes) / item;
    for (size_t k = s.past.size(); k-- > 0;)
      calls_.push_back(vm::copy_call(s.past[k], k ? s.past[k - 1] : s.fresh, item, n));
  }
}

// Lets the body compute the new value right where the old one is, if that is not read later.
void FlatLoop::write_over(State& s) {
  if (s.past.size() != 1) return;
  char* const old = s.past[0];
  char* const fresh = s.fresh;
  for (int b : body_.outputs)
    if (within(at(b), old, s.bytes)) return;
  size_t writes = calls_.size();
  bool possible = true;
  for (size_t i = 0; i < calls_.size(); ++i) {
    vm::FlatCall& call = calls_[i];
    bool written = false;
    each_write(call, [&](char* p) { written = written || p == fresh; });
    if (written) writes = std::min(writes, i);
    each_read(call, [&](const char* p, int operand) {
      if (i < writes || !within(p, old, s.bytes)) return;
      const bool same = operand >= 0 && p == old && (call.in_place >> operand & 1);
      possible = possible && i == writes && same;
    });
  }
  if (!possible) return;
  auto moved = [&](char* p) { return within(p, fresh, s.bytes) ? old + (p - fresh) : p; };
  for (size_t i = writes; i < calls_.size(); ++i) {
    each_write(calls_[i], [&](char*& p) { p = moved(p); });
    if (i > writes) each_read(calls_[i], [&](char*& p, int) { p = moved(p); });
  }
  for (char*& p : at_) p = moved(p);
  for (State& other : states_) other.fresh = moved(other.fresh);
}

// Values of floats go from call to call in a register where that can be.
void FlatLoop::link_calls() {
  std::vector<const char*> loaded;
  for (int q = 0; q < scan_.n_sequences; ++q)
    loaded.push_back(at(body_.input_buffers[zu(scan_.row_of_sequence(q))]));
  carries_ = std::any_of(calls_.begin(), calls_.end(),
                         [](const vm::FlatCall& c) { return c.carry != nullptr; });
  if (carries_) carry_start_ = vm::link_calls(&calls_, loaded);
}

// ----- running -----

void FlatLoop::run_whole(void*, const void*, const void*, const void* c, int64_t) {
  Whole& w = *const_cast<Whole*>(static_cast<const Whole*>(c));
  if (w.bound->kind == RunKind::fused)
    return w.bound->fused->run(w.in.data(), w.out.data(), w.workspace.get());
  const Instruction& instr = *w.bound->instr;
  try {
    if (w.runner) return w.runner->run(w.inputs, w.outputs, *w.loop->hooks_);
    w.loop->scratch_.reset();
    instr.op->perform(w.loop->scratch_, w.inputs, w.outputs);
  } catch (const Error& e) {
    rethrow_with_node(e, w.loop->body_, instr, w.loop->binding_.states, w.inputs);
  }
}

// Runs at most so many steps; fewer if the condition to stop becomes true.
int64_t FlatLoop::run_steps(int64_t steps) {
  if (carries_) return run_carried(steps);
  const char* condition = scan_.until ? emitted_.back() : nullptr;
  for (int64_t t = 0; t < steps; ++t, ++step_) {
    for (Transfer& l : loads_) {
      if (l.bytes == l.item) {
        copy_item(l.block, l.row, l.item);
      } else {
        copy_row(l.block, l.row, l.bytes);
        fill_up(l.block, l.bytes, l.item, l.room);
      }
      l.row += l.step;
    }
    for (const vm::FlatCall& c : calls_) c.fn(c.dst, c.a, c.b, c.c, c.n);
    for (Transfer& s : stores_) {
      if (s.bytes == s.item) {
        copy_item(s.row, s.block, s.item);
      } else {
        copy_row(s.row, s.block, s.bytes);
      }
      s.row += s.step;
    }
    if (condition && *condition) {
      ++step_;
      return t + 1;
    }
  }
  return steps;
}

// The same where all is single values, some of which stay in a register.
int64_t FlatLoop::run_carried(int64_t steps) {
  const char* condition = scan_.until ? emitted_.back() : nullptr;
  vm::Carry carry{};
  if (carry_start_.address) std::memcpy(&carry, carry_start_.address, carry_start_.bytes);
  const vm::FlatCall& first = calls_[0];
  int64_t t = 0;
  bool stop = false;
  for (; t < steps && !stop; ++t) {
    for (Transfer& l : loads_) {
      copy_item(l.block, l.row, l.item);
      l.row += l.step;
    }
    carry = first.carried(carry, first);
    for (Transfer& s : stores_) {
      copy_item(s.row, s.block, s.item);
      s.row += s.step;
    }
    stop = condition && *condition;
  }
  step_ += t;
  return t;
}

void FlatLoop::patch_constants(std::span<const TensorView> inputs) {
  for (const Patch& p : patches_) {
    char* data = inputs[zu(scan_.constant_input(p.constant))].data + p.offset;
    p.whole->inputs[p.operand].data = data;
    p.whole->in[p.operand] = data;
  }
}

FlatLoop::Transfer FlatLoop::transfer(char* block, char* row, int64_t step, size_t bytes,
                                      size_t item) const {
  return {block, row, step, bytes, item, bytes == item ? bytes : (bytes + 63) / 64 * 64};
}

// What states start from, constants, and where rows lie.
void FlatLoop::start(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  loads_.clear();
  stores_.clear();
  for (int c = 0; c < scan_.n_states(); ++c) {
    const State& s = states_[zu(c)];
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    const int64_t first = static_cast<int64_t>(s.past.size());
    const auto bytes = static_cast<int64_t>(s.bytes);
    char* rows = outputs[zu(c)].data;
    const TensorView& all = outputs[zu(c)];
    if (s.bytes == s.item) {
      for (int64_t r = 0; r < first; ++r)
        copy_item(rows + r * bytes, initial.data + r * initial.strides[0], s.item);
    } else {
      copy_elements({rows, all.dtype, all.ndim, initial.shape, all.strides}, initial);
    }
    for (int64_t r = 0; r < first; ++r) {
      char* block = s.past[zu(first - 1 - r)];
      const Transfer t = transfer(block, rows + r * bytes, 0, s.bytes, s.item);
      std::memcpy(block, t.row, s.bytes);
      fill_up(block, s.bytes, s.item, t.room);
    }
    // After the shift the new value is the newest of the past ones.
    if (scan_.keeps_all(c))
      stores_.push_back(transfer(s.past[0], rows + first * bytes, bytes, s.bytes, s.item));
  }
  for (int q = 0; q < scan_.n_sequences; ++q) {
    const TensorView& v = inputs[zu(scan_.sequence_input(q))];
    const int buffer = body_.input_buffers[zu(scan_.row_of_sequence(q))];
    loads_.push_back(transfer(at(buffer), v.data, v.strides[0], bytes_of(buffer), item_of(buffer)));
  }
  for (int k = 0; k < scan_.n_constants(); ++k) {
    const int buffer = body_.input_buffers[zu(scan_.inner_constant(k))];
    if (outside(buffer)) continue;
    const size_t bytes = bytes_of(buffer), item = item_of(buffer);
    std::memcpy(at(buffer), inputs[zu(scan_.constant_input(k))].data, bytes);
    if (bytes > item) fill_up(at(buffer), bytes, item, (bytes + 63) / 64 * 64);
  }
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const size_t k = zu(scan_.emitted_output(e));
    const size_t bytes = bytes_of(body_.outputs[k]);
    stores_.push_back(transfer(emitted_[zu(e)], outputs[k].data, static_cast<int64_t>(bytes), bytes,
                               item_of(body_.outputs[k])));
  }
  patch_constants(inputs);
}

int64_t FlatLoop::run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                      int64_t steps, const RunHooks& hooks) {
  hooks_ = &hooks;
  step_ = 0;
  start(inputs, outputs);
  Limits* limits = hooks.limits;
  bool more = true;
  while (more && step_ < steps) {
    int64_t n = steps - step_;
    // Programs inside count their own steps, in between.
    if (limits) n = inner_ ? 1 : std::min(n, limits->steps_at_once(work_));
    if (limits) limits->step(n, work_);
    const int64_t ran = run_steps(n);
    if (limits) limits->give_back(n - ran);
    more = ran == n && !(scan_.until && *emitted_.back());
  }
  for (int c = 0; c < scan_.n_states(); ++c) {
    if (scan_.keeps_all(c)) continue;
    const State& s = states_[zu(c)];
    char* rows = outputs[zu(c)].data;
    for (size_t k = 0; k < s.past.size(); ++k)
      std::memcpy(rows + (s.past.size() - 1 - k) * s.bytes, s.past[k], s.bytes);
  }
  if (scan_.until) std::memcpy(outputs[zu(scan_.steps_output())].data, &step_, sizeof step_);
  return step_;
}

}  // namespace phintys::runtime
