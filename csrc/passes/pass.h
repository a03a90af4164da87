// What a pass is, and the one place through which every pass runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace phintys {

struct Pass {
  const char* name;
  void (*run)(Graph& graph);
};

struct PassReport {
  std::string name;
  double seconds = 0;
  bool changed = false;
  size_t nodes_after = 0;
};

struct PassOptions {
  std::vector<std::string> excluded;                              // names of passes to skip
  std::function<void(const char* pass, const Graph&)> on_change;  // dump, DebugMode
  bool verify = false;  // check the graph after every pass that changed it
  // Whether bodies of loops go through the passes that their users asked for (LoopSettings) instead
  // of those of the graph around them.
  bool own_passes = true;
};

// Runs one pass: skips it if excluded, times it, calls on_change if it changed the graph, verifies.
void run_pass(const Pass& pass, Graph& graph, const PassOptions& options,
              std::vector<PassReport>* reports);

// "none", "fast_compile", "fast_run" (pipeline.cpp lists them in order, with reasons). Throws
// Error(value) naming the known pipelines.
std::vector<Pass> pipeline(std::string_view name);
// Passes that run_pipeline() runs in places of their own, besides those.
std::span<const Pass> further_passes();
// Passes that lowering needs whatever the mode (explicit casts, shapes), and fusion.
std::span<const Pass> lowering_pipeline(bool fuse);
// Runs a pipeline on a graph and on the graphs inside its ops. Ops made from graphs are expanded
// first, whatever the pipeline.
void run_pipeline(std::string_view name, Graph& graph, const PassOptions& options,
                  std::vector<PassReport>* reports);
// Every pass, for checking names that a user gives.
bool is_pass_name(std::string_view name);
// Throws Error(value) naming what there is no pipeline or pass of.
void check_passes(std::string_view pipeline, const std::vector<std::string>& excluded);

}  // namespace phintys
