// Vocabulary of the rules: recognising patterns, and making results fit.
#pragma once

#include <cstring>
#include <string_view>

#include "graph/graph.h"
#include "graph/op.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"

namespace phintys {

// The node that computes `v` if its op is `name`, else null.
inline const Apply* owner_if(const Variable* v, std::string_view name) {
  const Apply* node = v->owner();
  if (!node) return nullptr;
  const char* found = node->op().name();
  // Most names differ in their first letter: no call for these.
  return found[0] == name[0] && name == found ? node : nullptr;
}
inline const Apply* owner_if(const Var& v, std::string_view name) {
  return owner_if(v.get(), name);
}
inline const Var& in(const Apply& node, int i) { return node.inputs()[static_cast<size_t>(i)]; }
inline const Type& out_type(const Apply& node) { return node.output()->type(); }

// The operand of `v` if v is `name`(operand) of the same dtype.
inline Var operand(const Var& v, const char* name) {
  const Apply* n = owner_if(v, name);
  return n && in(*n, 0).dtype() == v.dtype() ? in(*n, 0) : Var();
}

template <class OpClass>
const OpClass& op_as(const Apply& node) {
  return static_cast<const OpClass&>(node.op());
}

// True iff `v` is a constant filled with `value` (perhaps broadcast).
bool is_value(const Variable* v, double value);
inline bool is_value(const Var& v, double value) { return is_value(v.get(), value); }
// The same, with a -0.0 told from 0.0.
bool any_value(const Var& v, double* value);

// True iff both are the same variable or constants of the same bits.
bool same(const Var& a, const Var& b);

// The same, or the same ops of the same, a few levels deep: rules build some things twice, and no
// merge comes between them.
bool alike(const Var& a, const Var& b, int depth = 3);

// `v` without the DimShuffles that only add leading or other axes of length 1 and casts that only
// widen: what a pattern like "1 + exp(x)" looks through is the caller's choice, so this is limited
// to rank padding.
Var without_padding(const Var& v);

// `r` as the output of `node`: cast, padded in rank, and filled to the pattern of the output with
// second(operand, r) if an operand has it. Null if that cannot be done with one operand.
Var fit(const Apply& node, Var r);
Var fit(const Apply& node, double value);

// True iff `a` is known to have 1 in no dimension where `type` does not.
bool covers(const Type& a, const Type& type);

}  // namespace phintys
