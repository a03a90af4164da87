#include "ops/reference.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <vector>

#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/math/bounds.h"
#include "ops/math/special_bounds.h"
#include "ops/registry.h"

namespace phintys {

namespace {

constexpr DType kAllDTypes[] = {
#define X(e, t, n) DType::e,
    PHINTYS_DTYPES(X)
#undef X
};

// "bool, integers, float, complex" for the dtypes that kernels of an elementwise op exist for.
std::string dtype_classes(int op) {
  struct Group {
    const char* name;
    bool (*has)(DType);
  };
  constexpr Group groups[] = {
      {"bool", is_bool}, {"integers", is_int}, {"float", is_float}, {"complex", is_complex}};
  std::string text;
  for (const Group& group : groups) {
    for (const DType d : kAllDTypes) {
      if (group.has(d) && ops::supports_dtype(op, d)) {
        text += (text.empty() ? "" : ", ") + std::string(group.name);
        break;
      }
    }
  }
  return text;
}

const char* result_dtype(DTypeRule rule) {
  switch (rule) {
    case DTypeRule::compare:
    case DTypeRule::predicate:
      return "bool";
    case DTypeRule::to_float:
    case DTypeRule::float_only:
      return "float";
    case DTypeRule::true_div:
      return "float";
    case DTypeRule::to_int64:
      return "int64";
    case DTypeRule::second:
      return "of y";
    case DTypeRule::upcast_real:
      return "promoted, real";
    case DTypeRule::make_complex:
      return "complex";
    default:
      return "promoted";
  }
}

// The name in ops/math of the function that op `name` calls.
std::string plain_name(std::string_view name) {
  if (name == "inv") return "inverse";
  if (name == "sgn") return "sign";
  // NumPy's names of the inverse functions begin with arc, C's with a.
  return name.starts_with("arc") ? "a" + std::string(name.substr(3)) : std::string(name);
}

template <class Table>
const auto* bound_of(const Table& table, std::string_view name) {
  const std::string plain = plain_name(name);
  const auto* const end = std::end(table);
  const auto* const found =
      std::find_if(std::begin(table), end, [&](const auto& bound) { return bound.name == plain; });
  return found == end ? nullptr : found;
}

std::string ulp_text(const ElementwiseInfo& info) {
  const math::Bound* real = bound_of(math::kBounds, info.name);
  if (!real) real = bound_of(math::kSpecialBounds, info.name);
  const math::ComplexBound* complex = bound_of(math::kComplexBounds, info.name);
  char text[64];
  std::snprintf(text, sizeof text, "%s", info.heavy ? "see tests" : "exact");
  if (real) std::snprintf(text, sizeof text, "%g / %g", real->ulp_f32, real->ulp_f64);
  if (!complex || info.complex == ComplexUse::none) return text;
  char more[32];
  std::snprintf(more, sizeof more, "; %g", complex->size);
  return std::string(text) + more;
}

std::string operands(int arity) {
  static const char* const names[] = {"()", "(x)", "(x, y)", "(c, x, y)", "(w, x, y, z)"};
  return arity >= 1 && arity <= 4 ? names[arity] : "(...)";
}

// A table cell: bars would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

class AttributeNames final : public AttrVisitor {
 public:
  std::string text;
  void value(const char* name, bool) override { add(name, "bool"); }
  void value(const char* name, int64_t) override { add(name, "int"); }
  void value(const char* name, double) override { add(name, "float"); }
  void value(const char* name, const std::string&) override { add(name, "str"); }
  void value(const char* name, const std::vector<int64_t>&) override { add(name, "ints"); }
  void value(const char* name, DType) override { add(name, "dtype"); }
  void value(const char* name, const Ref<const InnerGraph>&) override { add(name, "graph"); }

 private:
  void add(const char* name, const char* type) {
    text += (text.empty() ? "" : ", ") + std::string(name) + ": " + type;
  }
};

}  // namespace

std::string ops_reference() {
  std::string page =
      "## Elementwise ops\n\n"
      "Operands are broadcast and cast as the op's dtype rule says. *Max ULP* is the stated bound "
      "for float32 / float64 that the accuracy test holds the op to, after a semicolon the one for "
      "complex128, in units of the last place of the result's absolute value; *exact* ops are "
      "correctly rounded for real numbers.\n\n"
      "| op | operands | kernels for | result | gradient | max ULP | tested against | |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (int i = 0; i < ops::elementwise_count(); ++i) {
    const ElementwiseInfo& info = ops::elementwise_info(i);
    if (info.internal) continue;
    page += "| `" + std::string(info.name) + "` | " + operands(info.arity) + " | " +
            dtype_classes(i) + " | " + result_dtype(info.rule) + " | " +
            (info.zero_grad ? "zero" : "yes") + " | " + ulp_text(info) + " | " +
            cell(info.numpy ? info.numpy : "a formula in the tests") + " | " +
            cell(info.summary ? info.summary : "") + " |\n";
  }
  page +=
      "\n## Structural ops\n\n"
      "Attributes are fixed when the graph is built; they are saved with it.\n\n"
      "| op | operands and results | attributes | dtypes | gradient | tested against | |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const OpEntry& entry : structural_ops()) {
    const Ref<const Op> op = entry.make_default();
    AttributeNames attributes;
    op->visit(attributes);
    page += "| `" + std::string(entry.name) + "` | " + cell(entry.doc.signature) + " | " +
            cell(attributes.text) + " | " + cell(entry.doc.dtypes) + " | " +
            (entry.has_gradient ? "yes" : "no") + " | " +
            cell(entry.doc.reference ? entry.doc.reference : "") + " | " + cell(op->summary()) +
            " |\n";
  }
  return page;
}

}  // namespace phintys
