#include "vm/carry.h"

#include <algorithm>
#include <vector>

#include "vm/flat.h"

namespace phintys::vm {

namespace {

// Any other call.
Carry carry_past(Carry carry, const FlatCall& call) {
  call.fn(call.dst, call.a, call.b, call.c, call.n);
  const FlatCall& next = *(&call + 1);
  return next.carried(carry, next);
}

Carry end_of_list(Carry carry, const FlatCall&) { return carry; }

// Which calls take the carry, given where its value lies before the first one; where it lies after
// the last one.
const char* link(std::vector<FlatCall>& calls, const char* carry) {
  for (FlatCall& call : calls) {
    if (!call.carry) {
      call.carried = carry_past;
      if (call.dst == carry) carry = nullptr;
      continue;
    }
    unsigned mask = 0;
    if (carry) {
      const char* const operands[3] = {call.a, call.b, call.c};
      for (unsigned j = 0; j < 3; ++j)
        if (operands[j] == carry) mask |= 1u << j;
    }
    call.carried = call.carry->fn[mask];
    if (!call.carry->compares) carry = call.dst;
  }
  return carry;
}

}  // namespace

CarryStart link_calls(std::vector<FlatCall>* calls, const std::vector<const char*>& overwritten) {
  const char* carry = link(*calls, nullptr);
  if (std::find(overwritten.begin(), overwritten.end(), carry) != overwritten.end())
    carry = nullptr;
  // The runs after the first one start with what the one before left.
  if (link(*calls, carry) != carry) {
    carry = nullptr;
    link(*calls, nullptr);
  }
  CarryStart start{carry, 0};
  for (const FlatCall& call : *calls)
    if (carry && call.dst == carry && call.carry) start.bytes = call.carry_bytes;
  calls->push_back({});
  calls->back().carried = end_of_list;
  return start;
}

}  // namespace phintys::vm
