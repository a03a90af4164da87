// Variables and apply nodes.
//
// A graph is bipartite: an Apply is one application of an Op to input variables; it produces output
// variables. An Apply and its outputs are one unit of ownership: a reference to an output keeps the
// Apply and all its outputs alive, and the Apply keeps its inputs alive. Nothing points forwards,
// so graphs have no ownership cycles. Units are taken apart in a loop, never by recursion.
//
// A user's graph never changes once built. Passes work on clones owned by a Graph (graph.h).
#pragma once

#include <atomic>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "array/array.h"
#include "array/shared_storage.h"
#include "base/ref.h"
#include "graph/type.h"

namespace phintys {

class Op;
class Apply;
class Variable;

// Where the user's program built a node. File 0 means unknown.
struct SourceLoc {
  uint32_t file = 0;
  uint32_t line = 0;
  explicit operator bool() const { return file != 0; }
};
uint32_t intern_file(std::string_view path);
const std::string& file_name(uint32_t file);
std::string to_string(const SourceLoc& loc);  // "path:line", or ""

// The location that newly built nodes get, per thread. The Python layer sets it before each
// operation; grad and passes set it to the location of the node they work for.
SourceLoc current_location();
class LocationScope {
 public:
  explicit LocationScope(SourceLoc loc);
  ~LocationScope();
  LocationScope(const LocationScope&) = delete;
  LocationScope& operator=(const LocationScope&) = delete;

 private:
  SourceLoc saved_;
};

// The id of the newest variable or node; everything built later has a greater one.
uint64_t newest_id();

enum class VarKind : uint8_t { plain, constant, shared };

// The name of a variable. Few have one, so none costs more than a pointer.
class Name {
 public:
  Name() = default;
  Name(std::string text) {
    if (!text.empty()) text_ = std::make_unique<std::string>(std::move(text));
  }
  Name(const Name& other) : Name(other.str()) {}
  Name(Name&&) noexcept = default;
  Name& operator=(Name other) noexcept {
    text_ = std::move(other.text_);
    return *this;
  }
  Name& operator=(const char* text) { return *this = Name(std::string(text)); }

  const std::string& str() const { return text_ ? *text_ : none(); }
  operator const std::string&() const { return str(); }
  bool empty() const { return !text_; }
  void clear() { text_.reset(); }
  friend bool operator==(const Name& a, std::string_view b) { return a.str() == b; }
  friend std::ostream& operator<<(std::ostream& out, const Name& name);

 private:
  static const std::string& none();
  std::unique_ptr<std::string> text_;
};

class Variable {
 public:
  explicit Variable(Type type, std::string name = "");
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  const Type& type() const { return type_; }
  DType dtype() const { return type_.dtype(); }
  int ndim() const { return type_.ndim(); }
  VarKind kind() const { return kind_; }
  bool is_constant() const { return kind_ == VarKind::constant; }
  bool is_shared() const { return kind_ == VarKind::shared; }

  Apply* owner() const { return owner_; }
  int index() const { return index_; }  // which output of owner()
  const Array& constant() const { return constant_ ? constant_->array : no_array(); }
  const Ref<SharedStorage>& storage() const { return storage_; }
  // Order of creation in this process; ties in passes are broken by it, never by address.
  uint64_t id() const { return id_; }

  Name name;
  SourceLoc loc;
  // Borrowed pointer to the foreign (Python) handle of this node, if it has one.
  void* handle = nullptr;
  // Slot in the Graph that owns this clone; meaningless elsewhere.
  uint32_t slot = UINT32_MAX;

  void incref() const;
  void decref() const;

 private:
  friend class Apply;
  friend class Var;
  friend class Graph;
  friend Ref<Variable> make_constant(Array value, std::string name);
  friend Ref<Variable> make_shared_variable(Type type, Ref<SharedStorage> storage,
                                            std::string name);
  // Immutable, so that clones of a constant share it.
  struct Constant final : RefCounted {
    explicit Constant(Array a) : array(std::move(a)) {}
    const Array array;
  };
  ~Variable() = default;
  static void destroy_unit(Apply* apply);
  static const Array& no_array();
  // A variable without owner like `v`: same type, name, place, and value or storage.
  static Ref<Variable> copy_leaf(const Variable& v);

  Type type_;
  Apply* owner_ = nullptr;
  uint64_t id_;
  mutable std::atomic<uint32_t> count_{0};
  int32_t index_ = 0;
  VarKind kind_ = VarKind::plain;
  bool inside_owner_ = false;  // lies in the memory of owner_
  Ref<const Constant> constant_;
  Ref<SharedStorage> storage_;
};

// A variable in an expression: a counted reference with the operators of ops/build.h.
class Var : public Ref<Variable> {
 public:
  using Ref<Variable>::Ref;
  Var() = default;
  Var(Ref<Variable> r) : Ref<Variable>(std::move(r)) {}
  const Type& type() const { return (*this)->type(); }
  DType dtype() const { return (*this)->dtype(); }
  int ndim() const { return (*this)->ndim(); }
};

Ref<Variable> make_variable(Type type, std::string name = "");
Ref<Variable> make_constant(Array value, std::string name = "");
Ref<Variable> make_shared_variable(Type type, Ref<SharedStorage> storage, std::string name = "");

class Apply : public RefCounted {
 public:
  // Applies `op`: infers output types (Op::infer throws on bad inputs) and makes the outputs.
  static Ref<Apply> create(Ref<const Op> op, std::vector<Var> inputs);
  // The same with given output types, trusted (clones, hand-built nodes).
  static Ref<Apply> create(Ref<const Op> op, std::vector<Var> inputs, std::vector<Type> types);
  // The same op on other inputs; types, names and places of the outputs are this node's.
  Ref<Apply> with_inputs(std::span<const Var> inputs) const;
  // With existing output variables, which must not have an owner yet.
  static Ref<Apply> adopt(Ref<const Op> op, std::vector<Var> inputs,
                          const std::vector<Variable*>& outputs);

  const Op& op() const { return *op_; }
  const Ref<const Op>& op_ref() const { return op_; }
  int nin() const { return static_cast<int>(nin_); }
  int nout() const { return static_cast<int>(nout_); }
  std::span<const Var> inputs() const { return {inputs_, nin_}; }
  Variable* input(int i) const { return inputs_[i].get(); }
  Variable* output(int i = 0) const { return outputs_[i]; }
  Var out(int i = 0) const { return Var(output(i)); }
  uint64_t id() const { return id_; }
  // Error(internal) text or a user's error: "add(x: float64 matrix, y: ...) built at file:line".
  std::string describe() const;

  SourceLoc loc;
  void* handle = nullptr;
  uint32_t slot = UINT32_MAX;

 private:
  friend class Graph;
  friend class Variable;
  // One block of memory holds the node, its lists and the outputs that are made with it.
  static Ref<Apply> allocate(Ref<const Op> op, size_t nin, size_t nout, bool make_outputs);
  explicit Apply(Ref<const Op> op);
  ~Apply() override;
  void destroy() noexcept override;
  void make_output(size_t i, Type type);
  std::span<Variable* const> outputs() const { return {outputs_, nout_}; }

  Ref<const Op> op_;
  uint64_t id_;
  uint32_t nin_ = 0, nout_ = 0;
  Var* inputs_ = nullptr;
  Variable** outputs_ = nullptr;  // owned: same lifetime as this
  // In a Graph: where input i's entry for this node stands in that variable's list of clients.
  uint32_t* client_pos_ = nullptr;
  Apply* next_dead_ = nullptr;  // links units that wait to be taken apart
};

}  // namespace phintys
