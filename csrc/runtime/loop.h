// Running loops whose body has one segment.
#pragma once

#include <vector>

#include "runtime/flat_loop.h"
#include "runtime/loop_base.h"

namespace phintys::runtime {

// Runs a body once a step, in a context of its own. A body of one segment is bound once, and each
// step only moves pointers: it reads rows where they lie and writes its outputs into theirs. States
// that are kept are their own history; of others a ring of rows is enough.
class LoopRunner final : public LoopBase {
 public:
  LoopRunner(const Scan& scan, const Program& body);
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) override;
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
           const RunHooks& hooks) override;
  void evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                const RunHooks& hooks) override;  // not called

 private:
  // The rows of a state: number r lies at base[r % size].
  struct Rows {
    int64_t first = 1;  // initial rows
    int64_t row_bytes = 0;
    int64_t size = 0;  // rows there is room for; 0: all of them
    char* base = nullptr;
    char* spare = nullptr;  // if not null, where the last of `size` rows lies
    char* at(int64_t r) const {
      if (size == 0) return base + r * row_bytes;
      r %= size;
      return spare && r + 1 == size ? spare : base + r * row_bytes;
    }
  };
  // A pointer that goes on by the same distance each step.
  struct Move {
    char** slot;
    char* at;
    int64_t step;
  };
  // One that follows the rows of a state that are reused.
  struct RingMove {
    char** slot;
    int state;
    int64_t row;
  };

  const Binding& bind_body();
  void copy_first_rows(int state, const TensorView& initial, const TensorView& trace);
  void place_states(const Binding& binding, int64_t steps);
  void collect_moves(std::span<const TensorView> inputs, std::span<const TensorView> outputs);
  bool run_flat(const Binding& binding, std::span<const TensorView> inputs,
                std::span<const TensorView> outputs, int64_t steps, const RunHooks& hooks);
  int64_t run_steps(int64_t steps, const RunHooks& hooks);
  void deliver_last_rows(std::span<const TensorView> outputs, int64_t steps);

  std::vector<Rows> states_;
  std::vector<char*> destinations_;  // of the body's outputs
  std::vector<Move> moves_;
  std::vector<RingMove> ring_moves_;
  Array spare_;  // rows that do not fit in the outputs
  std::vector<char> ordered_;
  bool condition_ = false;
  std::unique_ptr<FlatLoop> flat_;  // of the binding with this id; may be null
  uint64_t flat_of_ = 0;
};

}  // namespace phintys::runtime
