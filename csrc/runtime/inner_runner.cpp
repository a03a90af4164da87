#include "runtime/inner_runner.h"

#include "base/error.h"
#include "ops/control/branch.h"
#include "ops/control/scan.h"
#include "runtime/branch.h"
#include "runtime/loop.h"
#include "runtime/segmented_loop.h"

namespace phintys::runtime {

bool opaque_inside(const Instruction& instr) {
  if (instr.op->opaque()) return true;
  return dynamic_cast<const Scan*>(instr.op) && !instr.rows.complete;
}

std::unique_ptr<InnerRunner> make_runner(const Instruction& instr) {
  if (instr.inner.empty()) return nullptr;
  if (const Scan* scan = dynamic_cast<const Scan*>(instr.op)) {
    if (instr.inner[0]->segments.size() > 1)
      return std::make_unique<SegmentedLoop>(*scan, *instr.inner[0], instr.rows);
    return std::make_unique<LoopRunner>(*scan, *instr.inner[0]);
  }
  if (const Branch* branch = dynamic_cast<const Branch*>(instr.op))
    return std::make_unique<BranchRunner>(*branch, *instr.inner[0], *instr.inner[1]);
  fail(ErrorKind::internal, instr.op->str(), " has a graph inside that nothing runs");
}

}  // namespace phintys::runtime
