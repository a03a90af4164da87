#include "ops/reference.h"

#include <cstdio>
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
    default:
      return "promoted";
  }
}

const math::Bound* bound_of(std::string_view name) {
  // NumPy's names of the inverse functions begin with arc, C's with a.
  const std::string plain =
      name.starts_with("arc") ? "a" + std::string(name.substr(3)) : std::string(name);
  for (const math::Bound& bound : math::kBounds) {
    if (bound.name == plain) return &bound;
  }
  for (const math::Bound& bound : math::kSpecialBounds) {
    if (bound.name == name) return &bound;
  }
  return nullptr;
}

std::string ulp_text(const ElementwiseInfo& info) {
  const math::Bound* bound = bound_of(info.name);
  if (!bound) return info.heavy ? "see tests" : "exact";
  char text[48];
  std::snprintf(text, sizeof text, "%g / %g", bound->ulp_f32, bound->ulp_f64);
  return text;
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
      "for float32 / float64 that the accuracy test holds the op to; *exact* ops are correctly "
      "rounded.\n\n"
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
            (entry.has_gradient ? "yes" : "no") + " | " + cell(entry.doc.reference) + " | " +
            cell(op->summary()) + " |\n";
  }
  return page;
}

}  // namespace phintys
