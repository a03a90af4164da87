// The closed set of structural ops. Elementwise ops have their own list (elementwise/registry.h).
// To add an op: write its class in ops/ or ops/AREA/, append it to the list here or in AREA/list.h.
#pragma once

#include <span>
#include <string_view>

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

struct OpEntry {
  const char* name;
  Ref<const Op> (*make)(AttrReader& reader);
  Ref<const Op> (*make_default)();  // attributes as the class initialises them, for reference pages
  OpDoc doc;
  bool has_gradient;
};

// Every structural op, sorted by name.
std::span<const OpEntry> structural_ops();

// Makes an op from its saved name and attributes: structural ops, elementwise ops by their registry
// name, "cast". Throws Error(key) for an unknown name, Error(value) for a version newer than this
// library's or for bad attributes.
Ref<const Op> make_op(std::string_view name, int version, AttrReader& reader);

}  // namespace phintys
