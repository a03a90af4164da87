#include "graph/variable.h"

#include <cstddef>
#include <deque>
#include <mutex>
#include <new>
#include <ostream>
#include <unordered_map>

#include "graph/op.h"
#include "graph/print.h"

namespace phintys {

// --- source locations ------------------------------------------------------------------------

namespace {

struct FileTable {
  std::mutex mutex;
  std::deque<std::string> names{std::string()};  // a deque: names never move
  std::unordered_map<std::string_view, uint32_t> index;
};

// Never destroyed: nodes may be described while the process ends.
FileTable& file_table() {
  static FileTable* table = new FileTable;
  return *table;
}

thread_local SourceLoc t_location;

// Variables and nodes share one counter, so that ids give their order of creation.
std::atomic<uint64_t> g_next_id{1};
uint64_t next_id() { return g_next_id.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

uint64_t newest_id() { return g_next_id.load(std::memory_order_relaxed) - 1; }

uint32_t intern_file(std::string_view path) {
  if (path.empty()) return 0;
  FileTable& table = file_table();
  std::lock_guard lock(table.mutex);
  if (auto it = table.index.find(path); it != table.index.end()) return it->second;
  table.names.emplace_back(path);
  const uint32_t id = static_cast<uint32_t>(table.names.size() - 1);
  table.index.emplace(table.names.back(), id);
  return id;
}

const std::string& file_name(uint32_t file) {
  FileTable& table = file_table();
  std::lock_guard lock(table.mutex);
  return table.names[file < table.names.size() ? file : 0];
}

std::string to_string(const SourceLoc& loc) {
  if (!loc) return "";
  return file_name(loc.file) + ":" + std::to_string(loc.line);
}

SourceLoc current_location() { return t_location; }
LocationScope::LocationScope(SourceLoc loc) : saved_(t_location) { t_location = loc; }
LocationScope::~LocationScope() { t_location = saved_; }

// --- variables -------------------------------------------------------------------------------

Variable::Variable(Type type, std::string name)
    : name(std::move(name)), loc(t_location), type_(std::move(type)), id_(next_id()) {}

void Variable::incref() const {
  if (owner_) {
    owner_->incref();
  } else {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
}

void Variable::decref() const {
  if (owner_) {
    owner_->decref();
  } else if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete this;
  }
}

Ref<Variable> make_variable(Type type, std::string name) {
  return Ref<Variable>(new Variable(std::move(type), std::move(name)));
}

Ref<Variable> make_constant(Array value, std::string name) {
  Ref<Variable> v(new Variable(Type::tensor(value.dtype(), value.shape()), std::move(name)));
  v->kind_ = VarKind::constant;
  v->constant_ = make_ref<Variable::Constant>(std::move(value));
  return v;
}

Ref<Variable> make_shared_variable(Type type, Ref<SharedStorage> storage, std::string name) {
  PHINTYS_CHECK(storage, "a shared variable needs storage");
  Ref<Variable> v(new Variable(std::move(type), std::move(name)));
  v->kind_ = VarKind::shared;
  v->storage_ = std::move(storage);
  return v;
}

Ref<Variable> Variable::copy_leaf(const Variable& v) {
  Ref<Variable> copy(new Variable(v.type_));
  copy->name = v.name;
  copy->loc = v.loc;
  copy->kind_ = v.kind_;
  copy->constant_ = v.constant_;
  copy->storage_ = v.storage_;
  return copy;
}

const Array& Variable::no_array() {
  static const Array* none = new Array;
  return *none;
}

const std::string& Name::none() {
  static const std::string* empty = new std::string;
  return *empty;
}

std::ostream& operator<<(std::ostream& out, const Name& name) { return out << name.str(); }

// --- apply nodes -----------------------------------------------------------------------------

Apply::Apply(Ref<const Op> op) : loc(t_location), op_(std::move(op)), id_(next_id()) {}

Apply::~Apply() {
  for (uint32_t i = nin_; i-- > 0;) inputs_[i].~Var();
}

Ref<Apply> Apply::allocate(Ref<const Op> op, size_t nin, size_t nout, bool make_outputs) {
  static_assert(alignof(Variable) <= alignof(std::max_align_t) &&
                sizeof(Apply) % alignof(Variable) == 0 && alignof(Variable) == sizeof(void*));
  const size_t inside = make_outputs ? nout : 0;
  char* block =
      static_cast<char*>(::operator new(sizeof(Apply) + inside * sizeof(Variable) +
                                        (nin + nout) * sizeof(void*) + nin * sizeof(uint32_t)));
  Ref<Apply> node(new (block) Apply(std::move(op)));
  // The outputs' own memory comes first: output i of a node that made it is found there.
  char* lists = block + sizeof(Apply) + inside * sizeof(Variable);
  node->inputs_ = reinterpret_cast<Var*>(lists);
  node->outputs_ = reinterpret_cast<Variable**>(lists + nin * sizeof(Var));
  node->client_pos_ = reinterpret_cast<uint32_t*>(node->outputs_ + nout);
  return node;
}

void Apply::make_output(size_t i, Type type) {
  char* memory = reinterpret_cast<char*>(this) + sizeof(Apply) + i * sizeof(Variable);
  Variable* v = new (memory) Variable(std::move(type));
  v->owner_ = this;
  v->index_ = static_cast<int32_t>(i);
  v->inside_owner_ = true;
  outputs_[i] = v;
  nout_ = static_cast<uint32_t>(i + 1);
}

Ref<Apply> Apply::create(Ref<const Op> op, std::vector<Var> inputs) {
  for (const Var& v : inputs) PHINTYS_CHECK(v, "an input of ", op->str(), " is missing");
  std::vector<Type> types = op->infer(inputs);
  return create(std::move(op), std::move(inputs), std::move(types));
}

Ref<Apply> Apply::create(Ref<const Op> op, std::vector<Var> inputs, std::vector<Type> types) {
  Ref<Apply> node = allocate(std::move(op), inputs.size(), types.size(), true);
  for (Var& v : inputs) new (&node->inputs_[node->nin_++]) Var(std::move(v));
  for (size_t i = 0; i < types.size(); ++i) node->make_output(i, std::move(types[i]));
  return node;
}

Ref<Apply> Apply::with_inputs(std::span<const Var> inputs) const {
  Ref<Apply> node = allocate(op_, inputs.size(), nout_, true);
  node->loc = loc;
  for (const Var& v : inputs) new (&node->inputs_[node->nin_++]) Var(v);
  for (size_t i = 0; i < nout_; ++i) {
    node->make_output(i, outputs_[i]->type());
    node->outputs_[i]->name = outputs_[i]->name;
    node->outputs_[i]->loc = outputs_[i]->loc;
  }
  return node;
}

Ref<Apply> Apply::adopt(Ref<const Op> op, std::vector<Var> inputs,
                        const std::vector<Variable*>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    Variable* v = outputs[i];
    PHINTYS_CHECK(v, "an output is missing");
    bool repeated = false;
    for (size_t k = 0; k < i; ++k) repeated = repeated || outputs[k] == v;
    if (v->owner_ || v->kind_ != VarKind::plain || repeated) {
      fail(ErrorKind::value, "output ", i, " of ", op->str(), ", ", to_string(*v),
           ", already has an owner or a value");
    }
  }
  Ref<Apply> node = allocate(std::move(op), inputs.size(), outputs.size(), false);
  for (Var& v : inputs) new (&node->inputs_[node->nin_++]) Var(std::move(v));
  for (Variable* v : outputs) {
    // References that exist on the variable count for the unit from now on.
    const uint32_t count = v->count_.exchange(0, std::memory_order_acq_rel);
    for (uint32_t i = 0; i < count; ++i) node->incref();
    v->owner_ = node.get();
    v->index_ = static_cast<int32_t>(node->nout_);
    node->outputs_[node->nout_++] = v;
  }
  return node;
}

void Variable::destroy_unit(Apply* apply) {
  for (Variable* v : apply->outputs()) {
    if (v->inside_owner_) {
      v->~Variable();
    } else {
      delete v;
    }
  }
  apply->~Apply();
  ::operator delete(static_cast<void*>(apply));
}

void Apply::destroy() noexcept {
  // Dropping inputs may end further units on the same thread: they are linked here, not entered.
  thread_local Apply* dead = nullptr;
  thread_local bool active = false;
  next_dead_ = dead;
  dead = this;
  if (active) return;
  active = true;
  while (dead) {
    Apply* unit = dead;
    dead = unit->next_dead_;
    Variable::destroy_unit(unit);
  }
  active = false;
}

std::string Apply::describe() const {
  std::string text = op_->str() + "(";
  for (size_t i = 0; i < nin_; ++i) {
    const Variable& v = *inputs_[i];
    if (i) text += ", ";
    text += to_string(v);
    const bool shows_type = v.kind() == VarKind::plain && !v.owner() && v.name.empty();
    if (!shows_type) text += ": " + v.type().str();
  }
  text += ")";
  if (loc) text += ", built at " + to_string(loc);
  return text;
}

}  // namespace phintys
