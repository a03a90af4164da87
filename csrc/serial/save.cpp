#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "graph/print.h"
#include "runtime/residence.h"
#include "serial/attributes.h"
#include "serial/bytes.h"
#include "serial/checksum.h"
#include "serial/format.h"
#include "serial/phy.h"

namespace phintys::serial {

namespace {

// Holds every storage shared, taken in the order that calls take them in, so that the values
// belong together and nobody waits for a circle.
class StateLock {
 public:
  explicit StateLock(std::vector<Ref<SharedStorage>> storages) : storages_(std::move(storages)) {
    std::sort(storages_.begin(), storages_.end(),
              [](const auto& a, const auto& b) { return a->id() < b->id(); });
    storages_.erase(std::unique(storages_.begin(), storages_.end()), storages_.end());
    for (const auto& s : storages_) locks_.emplace_back(s->mutex());
  }

 private:
  std::vector<Ref<SharedStorage>> storages_;
  std::vector<std::shared_lock<StorageMutex>> locks_;
};

// The last part of a path. A folder of the machine that built the function is nobody else's
// business.
std::string_view base_name(std::string_view path) {
  return path.substr(path.find_last_of("/\\") + 1);
}

// A function without a name of its own is called "path/file.py:line" after the place that made it.
std::string_view public_name(std::string_view name) {
  const size_t colon = name.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == name.size()) return name;
  const bool line = name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  return line ? base_name(name) : name;
}

class VariableNumbers {
 public:
  void add(const Variable* v) {
    const size_t id = ids_.size();
    if (id >= UINT32_MAX) fail(ErrorKind::overflow, "a graph this large cannot be saved");
    ids_.emplace(v, static_cast<uint32_t>(id));
  }
  bool contains(const Variable* v) const { return ids_.contains(v); }
  uint32_t of(const Variable* v) const {
    const auto it = ids_.find(v);
    PHINTYS_CHECK(it != ids_.end(), "not in the function's graph: ", to_string(*v));
    return it->second;
  }

 private:
  std::unordered_map<const Variable*, uint32_t> ids_;
};

class Writer {
 public:
  Writer(const runtime::Function& function, const Metadata& metadata)
      : f_(function), graph_(function.graph()), meta_(metadata) {}

  std::string write();

 private:
  void collect();
  void see_leaf(const Variable* v, std::vector<bool>& shared_used);
  void write_meta();
  void write_graph();
  void write_constants(ByteWriter& out, const std::vector<const Variable*>& constants);
  void write_node(ByteWriter& out, const Apply& node, VariableNumbers& ids);
  void write_inner(ByteWriter& out, const InnerGraph& graph);
  uint64_t see_inner(const AttrList& attrs);
  static void count_inner(uint64_t& total, uint64_t more);
  void write_type(ByteWriter& out, const Type& type);
  void write_array(ByteWriter& out, const Array& array);
  void write_location(ByteWriter& out, SourceLoc loc);
  uint32_t op_number(const Apply& node);
  uint32_t new_op(const Apply& node, const AttrList& attrs, std::string_view record);
  uint32_t file_number(uint32_t file);
  std::string assemble();

  const runtime::Function& f_;
  const Graph& graph_;
  const Metadata& meta_;
  std::vector<Apply*> order_;
  std::vector<const Variable*> constants_;
  std::vector<size_t> shared_;        // indices into graph_.shared() of those that are saved
  std::vector<uint32_t> shared_pos_;  // and where each of graph_.shared() went
  VariableNumbers ids_;

  std::unordered_map<const Op*, uint32_t> op_by_address_;
  std::unordered_map<std::string, uint32_t> op_by_bytes_;
  // Ops with graphs inside, by hash: their bytes tell where arrays lie, so they are never equal.
  std::unordered_multimap<uint64_t, std::pair<Ref<const Op>, uint32_t>> op_with_graph_;
  std::vector<uint64_t> inner_nodes_;  // of each operator, those of its inner operators included
  uint32_t depth_ = 0;
  bool has_graphs_ = false;
  std::unordered_map<uint32_t, uint32_t> files_;
  std::vector<uint32_t> file_list_;
  uint32_t n_ops_ = 0;

  ByteWriter meta_out_, ops_, body_;
  std::vector<Array> arrays_;
  std::vector<uint64_t> array_at_;
  uint64_t data_bytes_ = 0;
};

void Writer::see_leaf(const Variable* v, std::vector<bool>& shared_used) {
  if (v->owner() || ids_.contains(v)) return;
  if (v->is_constant()) {
    constants_.push_back(v);
    ids_.add(v);
    return;
  }
  PHINTYS_CHECK(v->is_shared(), "a free variable in a function: ", to_string(*v));
  for (size_t i = 0; i < graph_.shared().size(); ++i) {
    if (graph_.shared()[i].get() == v) shared_used[i] = true;
  }
}

// Numbers inputs, constants and shared variables; those that optimisation left unused are dropped.
void Writer::collect() {
  order_ = graph_.toposort();
  std::vector<bool> used(graph_.shared().size(), false);
  for (int i : f_.updated()) used[static_cast<size_t>(i)] = true;
  for (const Var& v : graph_.inputs()) ids_.add(v.get());
  for (const Apply* node : order_) {
    for (const Var& v : node->inputs()) see_leaf(v.get(), used);
  }
  for (const Var& v : graph_.outputs()) see_leaf(v.get(), used);
  shared_pos_.assign(used.size(), UINT32_MAX);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    shared_pos_[i] = static_cast<uint32_t>(shared_.size());
    shared_.push_back(i);
    ids_.add(graph_.shared()[i].get());
  }
}

void Writer::write_type(ByteWriter& out, const Type& type) {
  if (!type.is_tensor()) {
    fail(ErrorKind::type, "a variable of ", type.str(), " cannot be saved");
  }
  out.u8(static_cast<uint8_t>(type.dtype()));
  out.u8(static_cast<uint8_t>(type.ndim()));
  for (int64_t d : type.shape()) out.i64(d);
}

void Writer::write_array(ByteWriter& out, const Array& array) {
  const TensorView view = array.view();
  arrays_.push_back(view.contiguous() ? array : Array::copy_of(view));
  const Array& a = arrays_.back();
  const size_t bytes = static_cast<size_t>(a.size()) * item_size(a.dtype());
  out.u8(static_cast<uint8_t>(a.dtype()));
  out.u8(static_cast<uint8_t>(a.ndim()));
  for (int64_t d : a.shape()) out.i64(d);
  data_bytes_ = align_data(data_bytes_);
  array_at_.push_back(data_bytes_);
  out.u64(data_bytes_);
  out.u64(checksum(a.data(), bytes));
  data_bytes_ += bytes;
}

uint32_t Writer::file_number(uint32_t file) {
  if (file == 0) return 0;
  const auto [it, fresh] = files_.try_emplace(file, static_cast<uint32_t>(file_list_.size() + 1));
  if (fresh) file_list_.push_back(file);
  return it->second;
}

void Writer::write_location(ByteWriter& out, SourceLoc loc) {
  out.u32(file_number(loc.file));
  out.u32(loc ? loc.line : 0);
}

// Equal ops share a number, which is greater than those of the ops in the graphs inside them.
uint32_t Writer::op_number(const Apply& node) {
  const Ref<const Op>& op = node.op_ref();
  if (auto it = op_by_address_.find(op.get()); it != op_by_address_.end()) return it->second;
  const AttrList attrs = attributes_of(*op);
  const bool with_graph = std::any_of(attrs.begin(), attrs.end(), [](const Attr& a) {
    return std::holds_alternative<Ref<const InnerGraph>>(a.value);
  });
  const uint64_t hash = with_graph ? op->hash() : 0;
  uint32_t number = UINT32_MAX;
  if (with_graph) {
    const auto [begin, end] = op_with_graph_.equal_range(hash);
    for (auto it = begin; it != end; ++it)
      if (it->second.first->equal(*op)) number = it->second.second;
  }
  if (number == UINT32_MAX) {
    ByteWriter record;
    record.string(op->name());
    record.u32(static_cast<uint32_t>(op->version()));
    const uint64_t inner = with_graph ? see_inner(attrs) : 0;
    has_graphs_ = has_graphs_ || with_graph;
    write_attributes(record, attrs,
                     [this](ByteWriter& out, const InnerGraph& graph) { write_inner(out, graph); });
    const auto known = op_by_bytes_.find(record.bytes());
    if (known != op_by_bytes_.end()) {
      number = known->second;
    } else {
      number = new_op(node, attrs, record.bytes());
      inner_nodes_.push_back(inner);
    }
    if (with_graph)
      op_with_graph_.emplace(hash, std::pair(op, number));
    else
      op_by_bytes_.emplace(record.bytes(), number);
  }
  op_by_address_.emplace(op.get(), number);
  return number;
}

// Made again from its record once, so that a file that cannot be loaded is never written.
uint32_t Writer::new_op(const Apply& node, const AttrList& attrs, std::string_view record) {
  const Op& op = node.op();
  if (op.opaque() && op.inner().empty()) {
    fail(ErrorKind::type, "a function with the operator ", op.str(), " (", op.summary(),
         ") cannot be saved: only the library's own operators can. It is applied in ",
         node.describe());
  }
  bool same = false;
  std::string why;
  try {
    same = make_op(op.name(), op.version(), attrs)->equal(op);
  } catch (const Error& e) {
    why = std::string(": ") + e.what();
  }
  if (!same) {
    fail(ErrorKind::type, "a function with the operator ", op.str(),
         " cannot be saved: only the library's own operators can", why);
  }
  ops_.bytes() += record;
  return n_ops_++;
}

// Numbers the operators in the graphs inside an operator, all of them before the first graph is
// written: arrays lie in the order of their uses. Returns how many nodes the graphs have.
uint64_t Writer::see_inner(const AttrList& attrs) {
  if (depth_ == kMaxGraphDepth) {
    fail(ErrorKind::value, "a function with operators more than ", kMaxGraphDepth,
         " deep inside one another cannot be saved");
  }
  ++depth_;
  uint64_t nodes = 0;
  for (const Attr& a : attrs) {
    const auto* graph = std::get_if<Ref<const InnerGraph>>(&a.value);
    if (!graph) continue;
    PHINTYS_CHECK(*graph, "an op without its graph");
    for (const Apply* node : (*graph)->nodes())
      count_inner(nodes, 1 + inner_nodes_[op_number(*node)]);
  }
  --depth_;
  return nodes;
}

void Writer::count_inner(uint64_t& total, uint64_t more) {
  total += more;
  if (total > kMaxInnerNodes) {
    fail(ErrorKind::overflow, "graphs inside operators are too large to be saved");
  }
}

void Writer::write_inner(ByteWriter& out, const InnerGraph& graph) {
  VariableNumbers ids;
  out.count(graph.inputs().size());
  for (const Var& v : graph.inputs()) {
    write_type(out, v->type());
    out.string(v->name.str());
    ids.add(v.get());
  }
  std::vector<const Variable*> constants;
  auto see = [&](const Variable* v) {
    if (v->owner() || ids.contains(v)) return;
    PHINTYS_CHECK(v->is_constant(), "a free variable inside an op: ", to_string(*v));
    constants.push_back(v);
    ids.add(v);
  };
  for (const Apply* node : graph.nodes())
    for (const Var& v : node->inputs()) see(v.get());
  for (const Var& v : graph.outputs()) see(v.get());
  write_constants(out, constants);
  out.count(graph.nodes().size());
  for (const Apply* node : graph.nodes()) write_node(out, *node, ids);
  out.count(graph.outputs().size());
  for (const Var& v : graph.outputs()) out.u32(ids.of(v.get()));
}

void Writer::write_meta() {
  ByteWriter& out = meta_out_;
  out.string(PHINTYS_BUILD_VERSION);
  out.string(public_name(f_.name()));
  out.u8(static_cast<uint8_t>(meta_.output_mode));
  out.count(meta_.entries.size());
  for (const auto& [key, value] : meta_.entries) {
    out.string(key);
    out.string(value);
  }
  const auto& inputs = f_.inputs();
  if (!meta_.inputs.empty() && meta_.inputs.size() != inputs.size()) {
    fail(ErrorKind::value, "metadata describe ", meta_.inputs.size(), " inputs, but function '",
         f_.name(), "' has ", inputs.size());
  }
  out.count(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputMeta m = meta_.inputs.empty() ? InputMeta{} : meta_.inputs[i];
    uint8_t flags = m.default_value ? kInputHasDefault : 0;
    if (m.strict) flags |= kInputStrict;
    if (m.allow_downcast >= 0) flags |= kInputDowncastSet;
    if (m.allow_downcast > 0) flags |= kInputDowncast;
    out.string(inputs[i].name);
    write_type(out, inputs[i].type);
    out.u8(flags);
    if (!m.default_value) continue;
    if (m.default_value.dtype() != inputs[i].type.dtype() ||
        m.default_value.ndim() != inputs[i].type.ndim()) {
      fail(ErrorKind::type, "the default of input '", inputs[i].name, "' is a ",
           dtype_name(m.default_value.dtype()), " array of rank ", m.default_value.ndim(), ", not ",
           inputs[i].type.str());
    }
    write_array(out, m.default_value);
  }
  out.count(f_.outputs().size());
  for (const auto& output : f_.outputs()) out.string(output.name);
}

void Writer::write_constants(ByteWriter& out, const std::vector<const Variable*>& constants) {
  out.count(constants.size());
  for (const Variable* v : constants) {
    write_type(out, v->type());
    out.string(v->name.str());
    write_location(out, v->loc);
    write_array(out, v->constant());
  }
}

void Writer::write_node(ByteWriter& out, const Apply& node, VariableNumbers& ids) {
  out.u32(op_number(node));
  write_location(out, node.loc);
  out.count(node.inputs().size());
  for (const Var& v : node.inputs()) out.u32(ids.of(v.get()));
  out.count(static_cast<size_t>(node.nout()));
  for (int k = 0; k < node.nout(); ++k) {
    const Variable* v = node.output(k);
    write_type(out, v->type());
    out.string(v->name.str());
    ids.add(v);
  }
}

void Writer::write_graph() {
  // The table of operators comes first in the file, and arrays lie in the order of their uses.
  uint64_t inner = 0;
  for (const Apply* node : order_) count_inner(inner, inner_nodes_[op_number(*node)]);
  write_constants(body_, constants_);
  body_.count(shared_.size());
  for (size_t i : shared_) {
    const Variable* v = graph_.shared()[i].get();
    write_type(body_, v->type());
    body_.string(f_.shared_names()[i]);
    write_location(body_, v->loc);
    write_array(body_, runtime::host_value(*f_.shared()[i]));
  }
  body_.count(order_.size());
  for (const Apply* node : order_) write_node(body_, *node, ids_);
  const size_t n_outputs = f_.outputs().size();
  body_.count(n_outputs);
  for (size_t i = 0; i < n_outputs; ++i) body_.u32(ids_.of(graph_.outputs()[i].get()));
  body_.count(f_.updated().size());
  for (size_t k = 0; k < f_.updated().size(); ++k) {
    body_.u32(shared_pos_[static_cast<size_t>(f_.updated()[k])]);
    body_.u32(ids_.of(graph_.outputs()[n_outputs + k].get()));
  }
}

std::string Writer::assemble() {
  ByteWriter graph;
  graph.count(file_list_.size());
  for (uint32_t file : file_list_) graph.string(base_name(file_name(file)));
  graph.u32(n_ops_);
  graph.bytes() += ops_.bytes();
  graph.bytes() += body_.bytes();

  struct Section {
    uint32_t kind;
    uint64_t offset, length, sum;
  };
  const std::string& meta = meta_out_.bytes();
  Section sections[3] = {
      {kSectionMeta, 0, meta.size(), checksum(meta.data(), meta.size())},
      {kSectionGraph, 0, graph.bytes().size(),
       checksum(graph.bytes().data(), graph.bytes().size())},
      {kSectionData, 0, data_bytes_, 0},  // every array has a checksum of its own
  };
  uint64_t end = kHeaderBytes + std::size(sections) * kSectionEntryBytes;
  for (Section& s : sections) {
    s.offset = align_data(end);
    end = s.offset + s.length;
  }
  ByteWriter table;
  for (const Section& s : sections) {
    table.u32(s.kind);
    table.u32(0);
    table.u64(s.offset);
    table.u64(s.length);
    table.u64(s.sum);
  }
  ByteWriter header;
  header.bytes().append(reinterpret_cast<const char*>(kMagic), sizeof kMagic);
  header.u32(has_graphs_ ? kFormatVersionGraphs : kFormatVersionPlain);
  header.count(std::size(sections));
  header.u64(end);
  header.u64(checksum(table.bytes().data(), table.bytes().size()));
  header.bytes().resize(kHeaderBytes - 8, '\0');
  header.u64(checksum(header.bytes().data(), kHeaderBytes - 8));

  std::string out(end, '\0');
  const auto place = [&](uint64_t at, const std::string& bytes) {
    std::memcpy(out.data() + at, bytes.data(), bytes.size());
  };
  place(0, header.bytes());
  place(kHeaderBytes, table.bytes());
  place(sections[0].offset, meta);
  place(sections[1].offset, graph.bytes());
  for (size_t i = 0; i < arrays_.size(); ++i) {
    const Array& a = arrays_[i];
    const size_t bytes = static_cast<size_t>(a.size()) * item_size(a.dtype());
    if (bytes) std::memcpy(out.data() + sections[2].offset + array_at_[i], a.data(), bytes);
  }
  return out;
}

std::string Writer::write() {
  collect();
  std::vector<Ref<SharedStorage>> storages;
  for (size_t i : shared_) storages.push_back(f_.shared()[i]);
  // Held until the values have been copied to the result.
  StateLock lock(std::move(storages));
  write_meta();
  write_graph();
  return assemble();
}

[[noreturn]] void fail_io(const char* what, const std::string& path, int error) {
  fail(ErrorKind::io, "cannot ", what, " '", path, "': ", std::strerror(error));
}

void write_all(int fd, const std::string& bytes, const std::string& path) {
  const char* p = bytes.data();
  size_t left = bytes.size();
  while (left > 0) {
    const ssize_t n = ::write(fd, p, std::min<size_t>(left, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("write to", path, errno);
    p += n;
    left -= static_cast<size_t>(n);
  }
}

}  // namespace

std::string save(const runtime::Function& function, const Metadata& metadata) {
  return Writer(function, metadata).write();
}

void save_file(const runtime::Function& function, const std::string& path,
               const Metadata& metadata) {
  const std::string bytes = save(function, metadata);
  static std::atomic<uint64_t> counter{0};
  // In the same folder: only a rename within one file system is atomic.
  const std::string temporary = path + ".tmp" + std::to_string(::getpid()) + "-" +
                                std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) fail_io("create", temporary, errno);
  try {
    write_all(fd, bytes, temporary);
    if (::fsync(fd) != 0) fail_io("write to", temporary, errno);
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  if (::close(fd) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail_io("write", path, error);
  }
}

}  // namespace phintys::serial
