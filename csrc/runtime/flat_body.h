// Programs over few elements as flat lists of kernel calls on memory that stays where it is: of
// loops' bodies (flat_loop.h), of functions (flat_program.h).
#pragma once

#include <memory>
#include <vector>

#include "kernels/permuted_product.h"
#include "ops/tiny_product.h"
#include "runtime/binding.h"
#include "runtime/scratch.h"

namespace phintys::runtime {

// What both have in common: a block of memory for each buffer of a program of one segment, and the
// calls that compute it. Instructions that are no kernel calls, and those that read large
// constants, run whole, on operands that are fixed as well.
class FlatBody {
 protected:
  static constexpr size_t kMaxRow = 2048;  // bytes that are copied in or out
  static constexpr size_t kMaxMemory = size_t{1} << 20;

  struct FlatProduct {
    TinyProduct product;
    const void* places = nullptr;  // of PermutedProduct
    int64_t vectors = 0;
    void (*permuted32)(const PermutedProduct<float>&);
    void (*permuted64)(const PermutedProduct<double>&);
  };
  // An instruction that runs as it would in the program.
  struct Whole {
    FlatBody* body;
    const BoundInstruction* bound;
    InnerRunner* runner;
    std::vector<TensorView> inputs, outputs;
    std::vector<char*> in, out;  // of a fused region
    std::unique_ptr<char[]> workspace;
  };
  // An operand of one that lies in an input that is not copied.
  struct Patch {
    Whole* whole;
    size_t operand;
    int input;
    int64_t offset;
  };

  FlatBody(const Program& body, const Binding& binding)
      : body_(body),
        binding_(binding),
        at_(body.buffers.size(), nullptr),
        outside_(body.buffers.size(), kInside) {}
  FlatBody(const FlatBody&) = delete;
  FlatBody& operator=(const FlatBody&) = delete;

  // In this order. Input i may be large: instructions that read it run whole.
  void may_stay_outside(int i) {
    outside_[static_cast<size_t>(body_.input_buffers[static_cast<size_t>(i)])] = i;
  }
  // `leaves`: operands and constants, by buffer. False if something is large, or empty, or lies
  // apart.
  bool place_buffers(const std::vector<TensorView>& leaves);
  bool collect_calls(const InnerRunners& runners);
  bool outputs_fit() const;
  bool finish();

  void append_copy(char* to, int buffer);
  Whole* whole_of(const vm::FlatCall& call) const;
  void run_calls() const {
    for (const vm::FlatCall& c : calls_) c.fn(c.dst, c.a, c.b, c.c, c.n);
  }

  char*& at(int buffer) { return at_[static_cast<size_t>(buffer)]; }
  bool outside(int buffer) const { return outside_[static_cast<size_t>(buffer)] != kInside; }
  size_t item_of(int buffer) const;
  size_t bytes_of(int buffer) const;

  const Program& body_;
  const Binding& binding_;
  vm::FlatMemory memory_;
  std::vector<char*> at_;  // of each buffer
  std::vector<vm::FlatCall> calls_;
  std::vector<std::unique_ptr<Whole>> wholes_;
  std::vector<Patch> patches_;
  const RunHooks* hooks_ = nullptr;
  int64_t work_ = 0;    // of all calls (Limits::before)
  bool single_ = true;  // all that is computed is single values
  bool inner_ = false;  // some instruction has programs inside

 private:
  static constexpr int kInside = -2, kFixed = -1;  // else the number of an input

  bool place_leaf(int buffer, const TensorView& leaf, bool may_stay);
  void append_view(const BoundInstruction& bound);
  void find_root_uses();
  void share_memory(const BoundInstruction& bound);
  bool append_product(const BoundInstruction& bound);
  bool append_store(const BoundInstruction& bound);
  const void* permuted_places(const TinyProduct& product, DType dtype);
  void append_whole(const BoundInstruction& bound, InnerRunner* runner);

  template <class T>
  static void run_product(void* out, const void* a, const void* b, const void* c, int64_t product);
  template <class T>
  static void run_permuted(void* out, const void* a, const void* b, const void* c, int64_t product);
  static void run_whole(void*, const void*, const void*, const void* whole, int64_t);

  std::vector<int> outside_;   // of each buffer: whose memory, if not ours
  std::vector<int> root_use_;  // the last instruction that reads a buffer or a view of it
  std::vector<std::unique_ptr<FlatProduct>> products_;
  ScratchContext scratch_;
};

}  // namespace phintys::runtime
