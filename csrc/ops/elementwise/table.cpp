#include "ops/elementwise/table.h"

#include <array>
#include <cstdint>

#include "base/error.h"
#include "ops/elementwise/registry.h"

namespace phintys::ops {
namespace {

template <class... Op>
constexpr std::array<const ElementwiseInfo*, sizeof...(Op)> collect_infos(OpList<Op...>) {
  return {&Op::info...};
}
constexpr auto kInfos = collect_infos(AllOps{});

constexpr uint32_t hash_name(std::string_view name) {
  uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 16777619u;
  return h ^ h >> 15;
}

// Open addressing, at most a quarter full: nearly always one comparison.
constexpr uint32_t kSlots = 1024;
static_assert(kNumElementwise * 4 <= static_cast<int>(kSlots));

constexpr std::array<int16_t, kSlots> make_slots() {
  std::array<int16_t, kSlots> slots{};
  for (auto& s : slots) s = -1;
  for (int i = 0; i < kNumElementwise; ++i) {
    uint32_t at = hash_name(kInfos[i]->name) % kSlots;
    while (slots[at] >= 0) at = (at + 1) % kSlots;
    slots[at] = static_cast<int16_t>(i);
  }
  return slots;
}
constexpr auto kByName = make_slots();

constexpr bool names_differ() {
  for (int i = 0; i < kNumElementwise; ++i) {
    for (int j = 0; j < i; ++j) {
      if (std::string_view(kInfos[i]->name) == kInfos[j]->name) return false;
    }
  }
  return true;
}
static_assert(names_differ(), "two elementwise ops have the same name");

constexpr bool takes(const ElementwiseInfo& info, DType d) {
  if (is_complex(d)) return info.complex != ComplexUse::none;
  if (info.rule == DTypeRule::make_complex) return d == DType::f32 || d == DType::f64;
  switch (info.domain) {
    case Domain::numeric:
      return true;
    case Domain::floating:
      return is_float(d);
    case Domain::discrete:
      return is_discrete(d);
    case Domain::numeric_nobool:
      return !is_bool(d);
    case Domain::none:
      return false;
  }
  return false;
}

std::string names_of(std::span<const DType> in) {
  std::string s;
  for (const DType d : in) {
    if (!s.empty()) s += ", ";
    s += dtype_name(d);
  }
  return s;
}

DType promotion(std::span<const DType> in) {
  DType d = in[0];
  for (size_t i = 1; i < in.size(); ++i) d = promote(d, in[i]);
  return d;
}

template <class P>
bool every(std::span<const DType> in, P predicate) {
  for (const DType d : in) {
    if (!predicate(d)) return false;
  }
  return true;
}

}  // namespace

int elementwise_count() { return kNumElementwise; }

const ElementwiseInfo& elementwise_info(int op) {
  PHINTYS_CHECK(op >= 0 && op < kNumElementwise, "elementwise op number ", op);
  return *kInfos[op];
}

int elementwise_index(std::string_view name) {
  for (uint32_t at = hash_name(name) % kSlots; kByName[at] >= 0; at = (at + 1) % kSlots) {
    if (name == kInfos[kByName[at]]->name) return kByName[at];
  }
  return -1;
}

bool supports_dtype(int op, DType d) { return takes(elementwise_info(op), d); }

bool resolve_dtypes(int op, std::span<const DType> in, DType floatX, ResolvedDTypes* out,
                    std::string* why) {
  const ElementwiseInfo& info = elementwise_info(op);
  const auto refuse = [&](std::string_view reason) {
    if (why != nullptr) {
      *why = std::string(info.name) + "(" + names_of(in) + "): " + std::string(reason);
    }
    return false;
  };
  if (static_cast<int>(in.size()) != info.arity) {
    return refuse("expected " + std::to_string(info.arity) + " operands, got " +
                  std::to_string(in.size()));
  }
  DType compute = promotion(in);
  DType result = compute;
  switch (info.rule) {
    case DTypeRule::upcast:
      break;
    case DTypeRule::upcast_real:
      result = real_of(compute);
      break;
    case DTypeRule::upcast_nobool:
      if (every(in, is_bool)) return refuse("bool output not supported");
      break;
    case DTypeRule::to_float:
      result = compute = upgrade_to_float(compute);
      break;
    case DTypeRule::float_only:
      if (!is_float(compute)) return refuse("only float type are supported");
      break;
    case DTypeRule::discrete_only:
      if (!every(in, is_discrete)) return refuse("only integer and bool types are supported");
      break;
    case DTypeRule::true_div:
      if (is_discrete(compute)) result = compute = floatX;
      break;
    case DTypeRule::compare:
      result = DType::b8;
      break;
    case DTypeRule::predicate:
      compute = upgrade_to_float(compute);
      result = DType::b8;
      break;
    case DTypeRule::select:
      if (is_complex(in[0])) return refuse("a condition cannot be complex");
      result = compute = promote(in[1], in[2]);
      break;
    case DTypeRule::second:
      result = compute = in[1];
      break;
    case DTypeRule::to_int64:
      compute = upgrade_to_float(compute);
      result = DType::i64;
      break;
    case DTypeRule::make_complex:
      if (is_complex(compute)) return refuse("the parts must be real, not complex");
      compute = upgrade_to_float(compute);
      if (compute == DType::f16) compute = DType::f32;
      result = compute == DType::f64 ? DType::c128 : DType::c64;
      break;
  }
  if (!takes(info, compute)) {
    const bool order = is_complex(compute) && info.rule == DTypeRule::compare;
    return refuse("not supported for " + std::string(dtype_name(compute)) +
                  (order ? ": complex numbers have no order" : ""));
  }
  *out = {compute, result};
  return true;
}

DType operand_dtype(int op, int operand, ResolvedDTypes dtypes) {
  const bool condition = elementwise_info(op).rule == DTypeRule::select && operand == 0;
  return condition ? DType::b8 : dtypes.compute;
}

}  // namespace phintys::ops
