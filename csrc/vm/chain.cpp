#include "vm/chain.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ops/elementwise/table.h"
#include "vm/flat.h"

namespace phintys::vm {

namespace {

struct Chains {
  std::array<NamedChain, kNumChains> list;
  std::vector<const NamedChain*> by_op;

  Chains() {
    PHINTYS_ISA_CALL(fill_chains)(list.data());
    for (const NamedChain& c : list) {
      const auto op = static_cast<size_t>(ops::elementwise_index(c.op));
      if (by_op.size() <= op) by_op.resize(op + 1, nullptr);
      by_op[op] = &c;
    }
  }
};

// Any other call.
Carry chain_any(Carry carry, const FlatCall& call) {
  call.fn(call.dst, call.a, call.b, call.c, call.n);
  const FlatCall& next = *(&call + 1);
  return next.chained(carry, next);
}

Carry chain_end(Carry carry, const FlatCall&) { return carry; }

// Which calls take the carry, given where its value lies before the first one; where it lies after
// the last one.
const char* link(std::vector<FlatCall>& calls, const char* carry) {
  for (FlatCall& call : calls) {
    if (!call.chain) {
      call.chained = chain_any;
      if (call.dst == carry) carry = nullptr;
      continue;
    }
    unsigned mask = 0;
    if (carry) {
      const char* const operands[3] = {call.a, call.b, call.c};
      for (unsigned j = 0; j < 3; ++j)
        if (operands[j] == carry) mask |= 1u << j;
    }
    call.chained = call.chain->fn[mask];
    if (!call.chain->compares) carry = call.dst;
  }
  return carry;
}

}  // namespace

const ChainKernels* chain_kernels(int op, DType compute) {
  static const Chains* const chains = new Chains;  // as the tables of kernels: never freed
  if (op < 0 || static_cast<size_t>(op) >= chains->by_op.size()) return nullptr;
  const NamedChain* found = chains->by_op[static_cast<size_t>(op)];
  if (!found) return nullptr;
  return compute == DType::f64 ? &found->f64 : compute == DType::f32 ? &found->f32 : nullptr;
}

ChainStart make_chain(std::vector<FlatCall>* calls, const std::vector<const char*>& overwritten) {
  const char* carry = link(*calls, nullptr);
  if (std::find(overwritten.begin(), overwritten.end(), carry) != overwritten.end())
    carry = nullptr;
  // The runs after the first one start with what the one before left.
  if (link(*calls, carry) != carry) {
    carry = nullptr;
    link(*calls, nullptr);
  }
  ChainStart start{carry, 0};
  for (const FlatCall& call : *calls)
    if (carry && call.dst == carry && call.chain) start.bytes = call.carry_bytes;
  calls->push_back({});
  calls->back().chained = chain_end;
  return start;
}

}  // namespace phintys::vm
