#include "runtime/flat_body.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"
#include "runtime/failure.h"

namespace phintys::runtime {

namespace {

constexpr size_t kMaxCalls = 512;   // longer bodies gain nothing
constexpr size_t kMaxTemp = 32768;  // of a value that the body computes and no more

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

}  // namespace

size_t FlatBody::item_of(int buffer) const {
  return item_size(body_.buffers[zu(buffer)].type.dtype());
}

size_t FlatBody::bytes_of(int buffer) const {
  return zu(product(binding_.states[zu(buffer)].shape)) * item_of(buffer);
}

bool FlatBody::outputs_fit() const {
  for (int b : body_.outputs)
    if (outside(b) || bytes_of(b) > kMaxRow) return false;
  return true;
}

bool FlatBody::finish() {
  for (const auto& w : wholes_) {
    for (const TensorView& v : w->inputs) w->in.push_back(v.data);
    for (const TensorView& v : w->outputs) w->out.push_back(v.data);
  }
  return memory_.bytes() <= kMaxMemory;
}

// ----- where things are -----

// Every buffer gets a block, but for views and large constants.
bool FlatBody::place_buffers(const std::vector<TensorView>& leaves) {
  std::vector<const Array*> known(body_.buffers.size(), nullptr);
  for (const auto& [buffer, array] : binding_.known) known[zu(buffer)] = &array;
  for (size_t b = 0; b < body_.buffers.size(); ++b) {
    const BufferInfo& info = body_.buffers[b];
    const BufferState& state = binding_.states[b];
    const int buffer = static_cast<int>(b);
    if (!state.defined || product(state.shape) == 0) return false;
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
    } else if (info.kind == BufferKind::input || info.kind == BufferKind::shared) {
      fits = place_leaf(buffer, leaves[b], outside(buffer));
    } else if (state.alias_of < 0) {
      fits = bytes_of(buffer) <= kMaxTemp;
      if (fits) at_[b] = memory_.take(info.type.dtype(), product(state.shape));
    }
    if (!fits) return false;
  }
  return true;
}

// A block to copy the elements to as they lie, or their own memory if they are many.
bool FlatBody::place_leaf(int buffer, const TensorView& leaf, bool may_stay) {
  if (bytes_of(buffer) <= kMaxRow && dense(leaf, item_of(buffer))) {
    outside_[zu(buffer)] = kInside;
    at(buffer) = memory_.take(leaf.dtype, leaf.size());
    return true;
  }
  at(buffer) = leaf.data;
  return may_stay;
}

// ----- the calls of a step -----

bool FlatBody::collect_calls(const InnerRunners& runners) {
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
        inside &&
        (bound.kind == RunKind::fused
             ? bound.fused->append_calls(in.data(), out.data(), &memory_, &calls_)
             : bound.kind == RunKind::perform && (append_product(bound) || append_store(bound)));
    if (!flat) append_whole(bound, runners[zu(&instr - body_.instructions.data())].get());
    if (calls_.size() > kMaxCalls) return false;
  }
  if (single_) work_ = 0;
  return true;
}

void FlatBody::find_root_uses() {
  root_use_.assign(body_.buffers.size(), -1);
  for (size_t b = 0; b < body_.buffers.size(); ++b) {
    const int root = binding_.states[b].root;
    if (root >= 0) root_use_[zu(root)] = std::max(root_use_[zu(root)], body_.buffers[b].last_use);
  }
}

// An op that changes an operand, which nobody reads afterwards, does so in place.
void FlatBody::share_memory(const BoundInstruction& bound) {
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
void FlatBody::append_view(const BoundInstruction& bound) {
  const Instruction& instr = *bound.instr;
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    const int viewed = bound.outputs_alias[o];
    if (viewed < 0) continue;
    at(instr.outputs[o]) = at(viewed) + bound.outputs_offset[o];
    outside_[zu(instr.outputs[o])] = outside_[zu(viewed)];
  }
}

template <class T>
void FlatBody::run_product(void* out, const void* a, const void* b, const void* c,
                           int64_t product) {
  const auto* p = reinterpret_cast<const FlatProduct*>(static_cast<intptr_t>(product));
  tiny_product(p->product, static_cast<const T*>(a), static_cast<const T*>(b),
               static_cast<const T*>(c), static_cast<T*>(out));
}

template <class T>
void FlatBody::run_permuted(void* out, const void* a, const void* b, const void* c,
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
const void* FlatBody::permuted_places(const TinyProduct& p, DType dtype) {
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

bool FlatBody::append_product(const BoundInstruction& bound) {
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

// x with a few rows stored or added where a constant index says.
bool FlatBody::append_store(const BoundInstruction& bound) {
  constexpr int64_t kMostRows = 8;
  if (std::string_view(bound.instr->op->name()) != IncSubtensor::kName) return false;
  const auto& op = static_cast<const IncSubtensor&>(*bound.instr->op);
  const TensorView &x = bound.inputs[0], &y = bound.inputs[1], &out = bound.outputs[0];
  OwnedView to;
  int64_t offset;
  if (is_bool(out.dtype) || !x.contiguous() || !out.contiguous() ||
      !op.constant_region(out, &to.shape, &to.strides, &offset))
    return false;
  const int ndim = static_cast<int>(to.shape.size());
  if (!broadcasts_to(y, to.shape.data(), ndim)) return false;  // fails when it runs
  const OwnedView from = broadcast_view(y, to.shape.data(), ndim);
  const auto item = static_cast<int64_t>(item_size(out.dtype));
  const int64_t elements = product(to.shape), n = ndim ? to.shape.back() : 1;
  const bool rows = n == 1 || (to.strides.back() == item && from.strides.back() == item);
  if (!rows || elements == 0 || elements / n > kMostRows) return false;
  char* const target = at(bound.instr->outputs[0]);
  const char* const whole = at(bound.instr->inputs[0]);
  if (target != whole) calls_.push_back(vm::copy_call(target, whole, item, x.size()));
  char* const source = at(bound.instr->inputs[1]);
  for_each_row<2>(ndim, to.shape.data(), {target + offset, source},
                  {to.strides.data(), from.strides.data()},
                  [&](const std::array<char*, 2>& row, int64_t length, const auto&) {
                    calls_.push_back(op.set ? vm::exact_copy_call(row[0], row[1], item, length)
                                            : vm::add_call(row[0], row[1], out.dtype, length));
                  });
  return true;
}

void FlatBody::append_whole(const BoundInstruction& bound, InnerRunner* runner) {
  const Instruction& instr = *bound.instr;
  wholes_.push_back(std::make_unique<Whole>());
  Whole& w = *wholes_.back();
  w.body = this;
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
    const int input = outside_[zu(buffer)];
    if (input < 0) continue;
    patches_.push_back({&w, i, input, at(buffer) - at(body_.input_buffers[zu(input)])});
  }
  for (size_t o = 0; o < instr.outputs.size(); ++o) w.outputs[o].data = at(instr.outputs[o]);
  calls_.push_back({run_whole, nullptr, nullptr, nullptr, reinterpret_cast<const char*>(&w), 1});
}

FlatBody::Whole* FlatBody::whole_of(const vm::FlatCall& call) const {
  if (call.fn != run_whole) return nullptr;
  return const_cast<Whole*>(reinterpret_cast<const Whole*>(call.c));
}

// f(pointer to change, operand's number)
// Copies a buffer's elements, in C order.
void FlatBody::append_copy(char* to, int buffer) {
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

// ----- running -----

void FlatBody::run_whole(void*, const void*, const void*, const void* c, int64_t) {
  Whole& w = *const_cast<Whole*>(static_cast<const Whole*>(c));
  if (w.bound->kind == RunKind::fused)
    return w.bound->fused->run(w.in.data(), w.out.data(), w.workspace.get());
  const Instruction& instr = *w.bound->instr;
  try {
    if (w.runner) return w.runner->run(w.inputs, w.outputs, *w.body->hooks_);
    w.body->scratch_.reset();
    instr.op->perform(w.body->scratch_, w.inputs, w.outputs);
  } catch (const Error& e) {
    rethrow_with_node(e, w.body->body_, instr, w.body->binding_.states, w.inputs);
  }
}

}  // namespace phintys::runtime
