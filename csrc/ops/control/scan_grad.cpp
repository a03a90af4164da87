#include "ops/control/scan.h"

namespace phintys {

std::vector<Var> Scan::grad(const GradArgs& args) const { return Op::grad(args); }

}  // namespace phintys
