// What an error at run time says about the instruction that failed.
#pragma once

#include <vector>

#include "base/error.h"
#include "runtime/program.h"

namespace phintys::runtime {

struct BufferState;

// Adds what failed, on which operands, and where the user built it. Rethrows. `states`: of the
// program's buffers, as far as they are defined. Operands without data, or that nobody has computed
// yet, have null data.
[[noreturn]] void rethrow_with_node(const Error& e, const Program& program,
                                    const Instruction& instr,
                                    const std::vector<BufferState>& states,
                                    const std::vector<TensorView>& inputs);

// Whether errors also show operands' values, the expression, and the arrays that were there.
void set_verbose_errors(bool on);
bool verbose_errors();

}  // namespace phintys::runtime
