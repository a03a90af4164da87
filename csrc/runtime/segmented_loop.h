// Running loops whose body has several segments: shapes in it depend on values of the step.
#pragma once

#include <vector>

#include "runtime/loop_base.h"

namespace phintys::runtime {

// Each step looks its segments' bindings up, and writes its outputs where they belong: fresh rows
// of states of which only the last ones are kept go over the oldest one where the binding allows
// it, and into a spare row where it does not.
//
// Shapes of what the loop emits are told by the ops of its body (row_shapes.h). Where they cannot
// tell, the first step does, and the instruction is opaque: evaluated, not run.
class SegmentedLoop final : public LoopBase, private BodyPlaces {
 public:
  SegmentedLoop(const Scan& scan, const Program& body, const RowShapes& shapes);
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) override;
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
           const RunHooks& hooks) override;
  void evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                const RunHooks& hooks) override;

 private:
  // An output of the loop: its rows, from the first one that a step writes on.
  struct Target {
    char* rows = nullptr;
    Dims row_shape;
    int64_t row_bytes = 0;
    bool made = false;  // false: the first step tells the shape
  };
  // The rows of a state that is not kept: number r lies at rows[r % rows.size()].
  struct Ring {
    std::vector<char*> rows;
    char* spare = nullptr;
    Array spare_memory;
    bool to_spare = false;  // where this step's row goes
    int overwrite = -1;     // index in Binding::overwrites
  };
  // A pointer of the body that goes on by the same distance each step.
  struct Move {
    char** slot;
    char* at;
    int64_t step;
  };
  // One that follows a ring.
  struct RingMove {
    char** slot;
    int state;
    int64_t row;
  };

  char* place(int output, const Binding& binding) override;
  std::vector<Dims> known_rows(std::span<const TensorView> inputs);
  void set_target(int output, const TensorView& rows);
  void make_target(int output, const Dims& row_shape);
  void start_state(int state, const TensorView& initial);
  void collect_moves(std::span<const TensorView> inputs);
  int64_t run_steps(std::span<const TensorView> inputs, int64_t steps, const RunHooks& hooks);
  void step(int64_t t, const RunHooks& hooks);
  void deliver_last_rows(int state, int64_t steps);

  const RowShapes& shapes_;
  std::unique_ptr<Context> shapes_context_;
  std::vector<Target> targets_;  // by output, but for the condition
  std::vector<Ring> rings_;      // by state
  std::vector<Move> moves_;
  std::vector<RingMove> ring_moves_;
  std::span<Array> arrays_;  // of an evaluation
  int64_t t_ = 0, steps_ = 0;
  std::vector<char> ordered_;
  bool condition_ = false;
};

}  // namespace phintys::runtime
