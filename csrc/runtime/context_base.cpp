#include "runtime/context_base.h"

#include <algorithm>

#include "base/error.h"
#include "ops/op_util.h"

namespace phintys::runtime {

ContextBase::ContextBase(const Program& program) : p_(program) {
  leaves_.resize(p_.buffers.size());
  for (size_t i = 0; i < p_.buffers.size(); ++i)
    if (p_.buffers[i].kind == BufferKind::constant)
      leaves_[i] = p_.buffers[i].variable->constant().view();
  runners_.resize(p_.instructions.size());
  for (size_t i = 0; i < p_.instructions.size(); ++i) runners_[i] = make_runner(p_.instructions[i]);
}

void ContextBase::make_key() {
  key_.clear();
  auto add = [&](const TensorView& v) {
    if (v.ndim == 0) return;
    key_.insert(key_.end(), v.shape, v.shape + v.ndim);
    bool contiguous = v.contiguous();
    key_.push_back(contiguous);
    if (!contiguous) key_.insert(key_.end(), v.strides, v.strides + v.ndim);
  };
  for (int b : p_.input_buffers) {
    const TensorView& leaf = leaves_[static_cast<size_t>(b)];
    add(leaf);
    if (p_.buffers[static_cast<size_t>(b)].known) key_.push_back(load_int(leaf.data, leaf.dtype));
  }
  for (int b : p_.shared_buffers)
    if (b >= 0) add(leaves_[static_cast<size_t>(b)]);
}

void ContextBase::check_inputs(const Function& function) const {
  for (size_t i = 0; i < p_.input_buffers.size(); ++i) {
    const Type& type = function.inputs()[i].type;
    const TensorView& input = leaves_[static_cast<size_t>(p_.input_buffers[i])];
    for (int d = 0; d < type.ndim(); ++d) {
      if (type.dim(d) == kUnknownDim || type.dim(d) == input.shape[d]) continue;
      fail(ErrorKind::type, "input ", i, function.inputs()[i].name.empty() ? "" : " (",
           function.inputs()[i].name, function.inputs()[i].name.empty() ? "" : ")", ": dimension ",
           d, " of ", type.str(), " must be ", type.dim(d), ", got ", input.shape[d],
           type.dim(d) == 1 ? ". Non-unit value on shape on a broadcastable dimension." : "");
    }
  }
}

void ContextBase::evict(Binding& binding) {
  leave(binding);
  for (auto& child : binding.children) evict(*child);
  --n_bindings_;
}

// Before a call: a program of many segments could otherwise gather a binding for every combination
// of their shapes. Drops what was used longest ago, where the tree first branches.
void ContextBase::trim_bindings() {
  while (n_bindings_ > kMaxAllBindings) {
    auto* list = &bindings_;
    while (list->size() == 1 && !(*list)[0]->children.empty()) list = &(*list)[0]->children;
    evict(*list->back());
    list->pop_back();
  }
}

Binding& ContextBase::find_binding(std::vector<std::unique_ptr<Binding>>& list, int segment,
                                   const Binding* parent) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i]->key != key_) continue;
    if (i)
      std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i),
                  list.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return *list[0];
  }
  std::unique_ptr<Binding> fresh = bind_segment(p_, leaves_, segment, parent, dynamic_, runners_);
  fresh->key = key_;
  fresh->id = ++last_binding_;
  if (list.size() >= kMaxBindings) {
    evict(*list.back());
    list.pop_back();
  }
  list.insert(list.begin(), std::move(fresh));
  ++n_bindings_;
  return *list[0];
}

void ContextBase::make_dynamic_key(const Instruction& instr) {
  key_.clear();
  for (const Layout& l : dynamic_) {
    key_.push_back(l.alias);
    key_.insert(key_.end(), l.shape.begin(), l.shape.end());
    if (l.alias >= 0 || instr.opaque) key_.insert(key_.end(), l.strides.begin(), l.strides.end());
  }
}

std::pair<const char*, const char*> extent(const TensorView& v) {
  const char* low = v.data;
  const char* high = v.data + item_size(v.dtype);
  for (int d = 0; d < v.ndim; ++d) {
    if (v.shape[d] == 0) return {v.data, v.data};
    int64_t span = (v.shape[d] - 1) * v.strides[d];
    (span < 0 ? low : high) += span;
  }
  return {low, high};
}

void check_evaluated(const Op& op, int output, const Type& type, const Array& array) {
  if (!array) fail(ErrorKind::value, op.str(), " did not compute its output ", output);
  bool fits = array.dtype() == type.dtype() && array.ndim() == type.ndim();
  for (int d = 0; fits && d < type.ndim(); ++d)
    fits = type.dim(d) == kUnknownDim || type.dim(d) == array.shape()[static_cast<size_t>(d)];
  if (fits) return;
  fail(ErrorKind::type, op.str(), ": output ", output, " must be ", type.str(), ", got ",
       dtype_name(array.dtype()), " of shape ", to_string(array.shape()));
}

}  // namespace phintys::runtime
