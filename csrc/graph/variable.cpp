#include "graph/variable.h"

#include <deque>
#include <mutex>
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
  v->constant_ = std::move(value);
  return v;
}

Ref<Variable> make_shared_variable(Type type, Ref<SharedStorage> storage, std::string name) {
  PHINTYS_CHECK(storage, "a shared variable needs storage");
  Ref<Variable> v(new Variable(std::move(type), std::move(name)));
  v->kind_ = VarKind::shared;
  v->storage_ = std::move(storage);
  return v;
}

// --- apply nodes -----------------------------------------------------------------------------

Apply::Apply(Ref<const Op> op, std::vector<Var> inputs)
    : loc(t_location), op_(std::move(op)), inputs_(std::move(inputs)), id_(next_id()) {}

Apply::~Apply() = default;

Ref<Apply> Apply::create(Ref<const Op> op, std::vector<Var> inputs) {
  for (const Var& v : inputs) PHINTYS_CHECK(v, "an input of ", op->str(), " is missing");
  std::vector<Type> types = op->infer(inputs);
  return create(std::move(op), std::move(inputs), std::move(types));
}

Ref<Apply> Apply::create(Ref<const Op> op, std::vector<Var> inputs, std::vector<Type> types) {
  Ref<Apply> node(new Apply(std::move(op), std::move(inputs)));
  node->outputs_.reserve(types.size());
  for (Type& type : types) {
    Variable* v = new Variable(std::move(type));
    v->owner_ = node.get();
    v->index_ = static_cast<int32_t>(node->outputs_.size());
    node->outputs_.push_back(v);
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
  Ref<Apply> node(new Apply(std::move(op), std::move(inputs)));
  for (Variable* v : outputs) {
    // References that exist on the variable count for the unit from now on.
    const uint32_t count = v->count_.exchange(0, std::memory_order_acq_rel);
    for (uint32_t i = 0; i < count; ++i) node->incref();
    v->owner_ = node.get();
    v->index_ = static_cast<int32_t>(node->outputs_.size());
    node->outputs_.push_back(v);
  }
  return node;
}

void Variable::destroy_unit(Apply* apply) {
  for (Variable* v : apply->outputs_) delete v;
  delete apply;
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
  for (size_t i = 0; i < inputs_.size(); ++i) {
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
