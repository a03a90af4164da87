// Text of graphs for people: Theano's debugprint, one-line forms for messages.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/variable.h"

namespace phintys {

// One line for a variable: its name, or "Elemwise{add,no_inplace}.0", "TensorConstant{1.0}",
// "<TensorType(float64, matrix)>".
std::string to_string(const Variable& v);

struct DebugPrintOptions {
  int depth = -1;
  bool print_type = false;
  bool stop_on_name = false;
  std::string ids = "CHAR";  // "CHAR", "id", "int", ""
  // Which input of a node is input `input` of graph number `graph` inside its op; -1 if none is.
  int (*outer_input)(const Apply& node, int graph, int input) = nullptr;
};
// Theano's debugprint: a tree, each node printed in full once, then referred to by its id. Graphs
// inside ops follow, one after the other.
std::string debugprint(std::span<const Var> variables, const DebugPrintOptions& options = {});

}  // namespace phintys
