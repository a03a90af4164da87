#include <algorithm>
#include <limits>

#include "ops/build.h"
#include "ops/control/op_from_graph.h"
#include "ops/elemwise.h"
#include "serial/attributes.h"
#include "serial/bytes.h"
#include "serial/checksum.h"
#include "serial/format.h"
#include "serial/phy.h"
#include "serial/source.h"
#include "serial/state.h"

namespace phintys::serial {

namespace {

template <class... A>
[[noreturn]] void bad(const A&... parts) {
  fail(ErrorKind::bad_file, "not a valid saved function: ", parts...);
}

// What objects in memory cost beyond their data, for the memory limit.
constexpr uint64_t kVariableBytes = 512;
constexpr uint64_t kNodeBytes = 512;
constexpr uint64_t kOperandBytes = 48;
constexpr uint32_t kMaxFiles = 65536;
constexpr size_t kMaxFileName = 1024;

class Budget {
 public:
  explicit Budget(uint64_t limit) : limit_(limit ? limit : UINT64_MAX) {}
  void charge(uint64_t bytes) {
    if (bytes > limit_ - used_) {
      fail(ErrorKind::memory, "loading this function takes more than the memory limit of ", limit_,
           " bytes");
    }
    used_ += bytes;
  }

 private:
  uint64_t limit_;
  uint64_t used_ = 0;
};

struct Section {
  uint32_t kind = 0;
  uint64_t offset = 0, length = 0, sum = 0;
};

class Loader {
 public:
  Loader(Source& source, const LoadOptions& options)
      : source_(source), options_(options), budget_(options.memory_limit) {}

  Ref<runtime::Function> load(Metadata* metadata);

 private:
  void read_header();
  void read_table(uint32_t n, uint64_t sum);
  std::vector<std::byte> read_section(uint32_t kind, const char* name);
  void read_meta(Metadata& meta);
  void read_input(ByteReader& in, Metadata& meta);
  void read_graph(ByteReader& in);
  void read_files(ByteReader& in);
  void read_ops(ByteReader& in);
  void read_constants(ByteReader& in);
  void read_shared(ByteReader& in);
  Ref<const InnerGraph> read_inner(ByteReader& in);
  struct OpRecord {
    Ref<const Op> op;
    uint32_t depth = 0;        // of graphs inside it
    uint64_t inner_nodes = 0;  // in those graphs, with those of their own operators
  };
  void use_op(ByteReader& in, const OpRecord& record);
  void read_node(ByteReader& in, uint32_t number);
  void read_outputs(ByteReader& in);
  void read_updates(ByteReader& in);
  DType read_dtype(ByteReader& in);
  Type read_type(ByteReader& in);
  SourceLoc read_location(ByteReader& in);
  Array read_array(ByteReader& in, const Type& type, const std::string& name);
  const Var& variable(ByteReader& in);
  void add(Var v);

  Source& source_;
  const LoadOptions& options_;
  Budget budget_;
  std::vector<Section> sections_;
  Section data_;
  uint64_t data_at_ = 0;  // where the next array may begin

  BuildSpec build_;
  std::vector<uint32_t> files_{0};
  std::vector<OpRecord> ops_;
  std::vector<Var> vars_;  // of the graph that is being read
  // Of the graph that is being read: depth and nodes of the operators that it uses.
  uint32_t depth_ = 0;
  uint64_t inner_nodes_ = 0;
  uint32_t version_ = 0;
};

// --- the container ---------------------------------------------------------------------------

void Loader::read_header() {
  std::byte raw[kHeaderBytes];
  const uint64_t size = source_.size();
  if (size < kHeaderBytes) bad("it has only ", size, " bytes");
  source_.read(0, raw, kHeaderBytes);
  if (!std::equal(std::begin(kMagic), std::end(kMagic),
                  reinterpret_cast<const unsigned char*>(raw))) {
    bad("it does not begin as one");
  }
  ByteReader in(std::span<const std::byte>(raw).subspan(sizeof kMagic), "header");
  version_ = in.u32();
  if (version_ == 0 || version_ > kFormatVersion) {
    fail(ErrorKind::bad_file, "this saved function has format version ", version_,
         "; this version of Phintys reads versions 1 to ", kFormatVersion,
         version_ > kFormatVersion ? ": use a newer Phintys" : "");
  }
  const uint32_t n_sections = in.u32();
  const uint64_t file_bytes = in.u64();
  const uint64_t table_sum = in.u64();
  uint64_t header_sum;
  std::memcpy(&header_sum, raw + kHeaderBytes - 8, 8);
  if (options_.verify_checksums && header_sum != checksum(raw, kHeaderBytes - 8)) {
    bad("its header is damaged");
  }
  if (file_bytes != size) {
    bad("it should have ", file_bytes, " bytes but has ", size,
        size < file_bytes ? ": it was cut off" : "");
  }
  if (n_sections > kMaxSections) bad("it claims ", n_sections, " sections");
  read_table(n_sections, table_sum);
}

void Loader::read_table(uint32_t n, uint64_t sum) {
  const size_t bytes = n * kSectionEntryBytes;
  if (source_.size() - kHeaderBytes < bytes) bad("its table of sections is cut off");
  std::vector<std::byte> raw(bytes);
  source_.read(kHeaderBytes, raw.data(), bytes);
  if (options_.verify_checksums && sum != checksum(raw.data(), bytes)) {
    bad("its table of sections is damaged");
  }
  ByteReader in(raw, "table of sections");
  uint64_t end = kHeaderBytes + bytes;
  for (uint32_t i = 0; i < n; ++i) {
    Section s;
    s.kind = in.u32();
    const uint32_t flags = in.u32();
    s.offset = in.u64();
    s.length = in.u64();
    s.sum = in.u64();
    if (s.offset < end || s.offset % kDataAlignment != 0 || s.offset > source_.size() ||
        s.length > source_.size() - s.offset) {
      bad("section ", i, " does not lie within the file");
    }
    end = s.offset + s.length;
    const bool known = s.kind >= kSectionMeta && s.kind <= kSectionData;
    if (!known && !(flags & kSectionOptional)) {
      bad("section ", i, " has kind ", s.kind,
          ", unknown to this version of Phintys; a newer version may have written the file");
    }
    for (const Section& other : sections_) {
      if (known && other.kind == s.kind) bad("there are two sections of kind ", s.kind);
    }
    sections_.push_back(s);
  }
}

std::vector<std::byte> Loader::read_section(uint32_t kind, const char* name) {
  for (const Section& s : sections_) {
    if (s.kind != kind) continue;
    budget_.charge(s.length);
    std::vector<std::byte> bytes(s.length);
    source_.read(s.offset, bytes.data(), bytes.size());
    if (options_.verify_checksums && s.sum != checksum(bytes.data(), bytes.size())) {
      bad("section '", name, "' is damaged");
    }
    return bytes;
  }
  bad("there is no section '", name, "'");
}

// --- pieces ----------------------------------------------------------------------------------

DType Loader::read_dtype(ByteReader& in) {
  const uint8_t d = in.u8();
  if (d >= kNumDTypes) in.bad("there is no dtype number ", int{d});
  return static_cast<DType>(d);
}

Type Loader::read_type(ByteReader& in) {
  const DType dtype = read_dtype(in);
  const uint8_t rank = in.u8();
  if (rank > kMaxRank) in.bad("a rank of ", int{rank}, " is too large");
  Dims shape;
  for (int i = 0; i < rank; ++i) {
    const int64_t d = in.i64();
    if (d < kUnknownDim) in.bad("a dimension is ", d);
    shape.push_back(d);
  }
  try {
    return Type::tensor(dtype, std::move(shape));
  } catch (const Error& e) {
    in.bad(e.what());
  }
}

SourceLoc Loader::read_location(ByteReader& in) {
  const uint32_t file = in.u32();
  const uint32_t line = in.u32();
  if (file >= files_.size()) in.bad("there is no source file number ", file);
  return {files_[file], file ? line : 0};
}

void check_value(const Type& type, const Array& value, const std::string& name) {
  bool fits = value.dtype() == type.dtype() && value.ndim() == type.ndim();
  for (int i = 0; fits && i < type.ndim(); ++i) {
    fits = type.dim(i) == kUnknownDim || type.dim(i) == value.shape()[static_cast<size_t>(i)];
  }
  if (!fits) {
    bad("the value of '", name, "' is ", dtype_name(value.dtype()), " of shape ",
        to_string(value.shape()), ", not ", type.str());
  }
}

// Arrays follow one another in the data section without overlap, so together they can never be
// larger than the file.
Array Loader::read_array(ByteReader& in, const Type& type, const std::string& name) {
  const Type own = read_type(in);
  const uint64_t offset = in.u64();
  const uint64_t sum = in.u64();
  int64_t elements = 0;
  if (!checked_product(own.shape(), &elements)) {
    in.bad("an array cannot have the shape ", to_string(own.shape()));
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(elements), item_size(own.dtype()), &bytes) ||
      offset % kDataAlignment != 0 || offset < data_at_ || offset > data_.length ||
      bytes > data_.length - offset) {
    in.bad("the data of '", name, "' do not lie within the file");
  }
  data_at_ = offset + bytes;
  budget_.charge(bytes + kVariableBytes);
  Array array = Array::empty(own.dtype(), own.shape());
  source_.read(data_.offset + offset, array.data(), bytes);
  if (options_.verify_checksums && sum != checksum(array.data(), bytes)) {
    bad("the data of '", name, "' are damaged");
  }
  if (own.dtype() == DType::b8) {
    const unsigned char* p = reinterpret_cast<const unsigned char*>(array.data());
    if (std::any_of(p, p + bytes, [](unsigned char c) { return c > 1; })) {
      bad("the data of '", name, "' are not truth values");
    }
  }
  check_value(type, array, name);
  return array;
}

const Var& Loader::variable(ByteReader& in) {
  const uint32_t id = in.u32();
  if (id >= vars_.size()) {
    in.bad("variable ", id, " is used before it is defined (", vars_.size(), " are)");
  }
  return vars_[id];
}

void Loader::add(Var v) {
  budget_.charge(kVariableBytes);
  vars_.push_back(std::move(v));
}

// --- the interface ---------------------------------------------------------------------------

void Loader::read_input(ByteReader& in, Metadata& meta) {
  const std::string name = in.string("input name");
  const Type type = read_type(in);
  const uint8_t flags = in.u8();
  if (flags & ~kInputFlags) in.bad("input '", name, "' has unknown flags");
  InputMeta m;
  m.strict = (flags & kInputStrict) != 0;
  if (flags & kInputDowncastSet) m.allow_downcast = (flags & kInputDowncast) ? 1 : 0;
  if (flags & kInputHasDefault) m.default_value = read_array(in, type, name);
  meta.inputs.push_back(std::move(m));
  Var v = make_variable(type, name);
  build_.inputs.push_back(v);
  add(std::move(v));
}

void Loader::read_meta(Metadata& meta) {
  const std::vector<std::byte> bytes = read_section(kSectionMeta, "meta");
  ByteReader in(bytes, "meta");
  meta.writer_version = in.string("version");
  build_.name = in.string("function name");
  const uint8_t mode = in.u8();
  if (mode > static_cast<uint8_t>(OutputMode::dict)) in.bad("there is no output mode ", int{mode});
  meta.output_mode = static_cast<OutputMode>(mode);
  const uint32_t n_entries = in.count(8, "entries");
  for (uint32_t i = 0; i < n_entries; ++i) {
    budget_.charge(2 * sizeof(std::string));
    std::string key = in.string("key");
    meta.entries.emplace_back(std::move(key), in.string("value"));
  }
  const uint32_t n_inputs = in.count(7, "inputs");
  for (uint32_t i = 0; i < n_inputs; ++i) read_input(in, meta);
  const uint32_t n_outputs = in.count(4, "outputs");
  for (uint32_t i = 0; i < n_outputs; ++i) {
    budget_.charge(kVariableBytes);
    build_.output_names.push_back(in.string("output name"));
  }
  in.expect_end();
}

// --- the graph -------------------------------------------------------------------------------

void Loader::read_files(ByteReader& in) {
  const uint32_t n = in.count(4, "source files");
  if (n > kMaxFiles) in.bad("there are ", n, " source files");
  for (uint32_t i = 0; i < n; ++i) {
    const std::string name = in.string("source file name");
    if (name.size() > kMaxFileName) in.bad("a source file's name is too long");
    files_.push_back(intern_file(name));
  }
}

void Loader::read_ops(ByteReader& in) {
  const uint32_t n = in.count(12, "operators");
  for (uint32_t i = 0; i < n; ++i) {
    budget_.charge(kNodeBytes);
    const std::string name = in.string("operator name");
    const uint32_t version = in.u32();
    if (version == 0 || version > std::numeric_limits<int32_t>::max()) {
      in.bad("operator '", name, "' has version ", version);
    }
    if (name == OpFromGraph::kName) in.bad("operator '", name, "' is never saved");
    depth_ = 0;
    inner_nodes_ = 0;
    const AttrList attrs =
        read_attributes(in, [this](ByteReader& from) { return read_inner(from); });
    try {
      ops_.push_back({make_op(name, static_cast<int>(version), attrs), depth_, inner_nodes_});
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::bad_file || e.kind() == ErrorKind::memory) throw;
      if (e.kind() == ErrorKind::key) {
        fail(ErrorKind::bad_file, "the saved function uses the operator '", name,
             "', which this version of Phintys does not have; a newer version may have written "
             "the file");
      }
      bad("operator '", name, "', version ", version, ": ", e.what());
    }
  }
}

void Loader::read_constants(ByteReader& in) {
  const uint32_t n = in.count(32, "constants");
  for (uint32_t i = 0; i < n; ++i) {
    const Type type = read_type(in);
    std::string name = in.string("constant name");
    const SourceLoc loc = read_location(in);
    // The type that a constant gets is that of its value; the stored one is checked against it.
    Var v = make_constant(read_array(in, type, name.empty() ? "a constant" : name), name);
    v->loc = loc;
    add(std::move(v));
  }
}

void Loader::read_shared(ByteReader& in) {
  const uint32_t n = in.count(32, "shared variables");
  for (uint32_t i = 0; i < n; ++i) {
    const Type type = read_type(in);
    std::string name = in.string("shared variable name");
    const SourceLoc loc = read_location(in);
    Array value = read_array(in, type, name);
    Var v = make_shared_variable(type, make_ref<SharedStorage>(std::move(value), name), name);
    v->loc = loc;
    build_.shared.push_back(v);
    add(std::move(v));
  }
}

// True iff every dimension that `claim` knows is known to be the same in `type`.
bool implies(const Type& type, const Type& claim) {
  for (int i = 0; i < claim.ndim(); ++i) {
    if (claim.dim(i) != kUnknownDim && claim.dim(i) != type.dim(i)) return false;
  }
  return true;
}

// What the file says of a variable and what inference says must not contradict each other. What
// only the file says becomes a check at run time: kernels rely on static dimensions.
Var reconcile(Var inferred, const Type& stored) {
  const Type& type = inferred.type();
  bool agree = type.is_tensor() && type.dtype() == stored.dtype() && type.ndim() == stored.ndim();
  for (int i = 0; agree && i < stored.ndim(); ++i) {
    int64_t merged;
    agree = merge_dims(type.dim(i), stored.dim(i), &merged);
  }
  if (!agree) bad("the type ", stored.str(), " contradicts ", type.str());
  if (implies(type, stored)) return inferred;
  return specify_shape(inferred, stored.shape());
}

// The division of integers gives config.floatX, which may have been another one when the function
// was compiled. Dividing operands of the stored dtype gives that dtype.
bool divides_integers(const Op& op, const std::vector<Var>& inputs, const Type& stored) {
  const Elemwise* e = as_elemwise(op);
  if (!e || e->is_cast() || e->info().rule != DTypeRule::true_div || !is_float(stored.dtype())) {
    return false;
  }
  return std::all_of(inputs.begin(), inputs.end(),
                     [](const Var& v) { return is_discrete(v.dtype()); });
}

Ref<Apply> make_node(const Ref<const Op>& op, std::vector<Var> inputs,
                     const std::vector<Type>& stored) {
  Ref<Apply> node = Apply::create(op, inputs);
  if (stored.size() == 1 && node->nout() == 1 && node->output()->dtype() != stored[0].dtype() &&
      divides_integers(*op, inputs, stored[0])) {
    for (Var& v : inputs) v = cast(v, stored[0].dtype());
    node = Apply::create(op, std::move(inputs));
  }
  return node;
}

// A graph inside the operator that is being read. It uses operators that come before in the table,
// so graphs lie inside one another without a circle, and reading them needs no recursion.
Ref<const InnerGraph> Loader::read_inner(ByteReader& in) {
  if (version_ < kFormatVersionGraphs) in.bad("format version ", version_, " has no inner graphs");
  vars_.clear();
  const uint32_t n_inputs = in.count(6, "inputs of an inner graph");
  std::vector<Var> inputs, outputs;
  for (uint32_t i = 0; i < n_inputs; ++i) {
    const Type type = read_type(in);
    add(make_variable(type, in.string("input name")));
    inputs.push_back(vars_.back());
  }
  read_constants(in);
  const uint32_t n_nodes = in.count(20, "nodes of an inner graph");
  inner_nodes_ += n_nodes;
  for (uint32_t i = 0; i < n_nodes; ++i) read_node(in, i);
  depth_ = std::max(depth_, 1u);
  if (depth_ > kMaxGraphDepth) {
    in.bad("operators lie more than ", kMaxGraphDepth, " deep inside one another");
  }
  const uint32_t n_outputs = in.count(4, "outputs of an inner graph");
  for (uint32_t i = 0; i < n_outputs; ++i) outputs.push_back(variable(in));
  // The graph keeps clones of its own.
  budget_.charge(vars_.size() * kVariableBytes + n_nodes * kNodeBytes);
  vars_.clear();
  try {
    return InnerGraph::make(inputs, outputs);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::memory) throw;
    in.bad("a graph inside an operator cannot be made: ", e.what());
  }
}

void Loader::use_op(ByteReader& in, const OpRecord& record) {
  depth_ = std::max(depth_, record.depth + 1);
  inner_nodes_ += record.inner_nodes;
  if (inner_nodes_ > kMaxInnerNodes) in.bad("the graphs inside operators are too large");
}

void Loader::read_node(ByteReader& in, uint32_t number) {
  const uint32_t op = in.u32();
  if (op >= ops_.size()) in.bad("node ", number, " has operator ", op, " of ", ops_.size());
  use_op(in, ops_[op]);
  const SourceLoc loc = read_location(in);
  const uint32_t n_in = in.count(4, "operands");
  budget_.charge(kNodeBytes + n_in * kOperandBytes);
  std::vector<Var> inputs;
  inputs.reserve(n_in);
  for (uint32_t i = 0; i < n_in; ++i) inputs.push_back(variable(in));
  const uint32_t n_out = in.count(6, "results");
  std::vector<Type> stored;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < n_out; ++i) {
    budget_.charge(kVariableBytes);
    stored.push_back(read_type(in));
    names.push_back(in.string("variable name"));
  }
  LocationScope scope(loc);
  try {
    const Ref<Apply> node = make_node(ops_[op].op, std::move(inputs), stored);
    if (static_cast<uint32_t>(node->nout()) != n_out) {
      bad("it has ", n_out, " results instead of ", node->nout());
    }
    node->loc = loc;
    for (uint32_t i = 0; i < n_out; ++i) {
      Var v = node->out(static_cast<int>(i));
      v->name = names[i];
      add(reconcile(std::move(v), stored[i]));
    }
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::memory) throw;
    fail(ErrorKind::bad_file, "node ", number, " of the saved function, ", ops_[op].op->str(),
         ", cannot be made: ", e.what());
  }
}

void Loader::read_outputs(ByteReader& in) {
  const uint32_t n = in.count(4, "outputs");
  if (n != build_.output_names.size()) {
    in.bad("there are ", n, " outputs but ", build_.output_names.size(), " output names");
  }
  for (uint32_t i = 0; i < n; ++i) build_.outputs.push_back(variable(in));
}

void Loader::read_updates(ByteReader& in) {
  const uint32_t n = in.count(8, "updates");
  std::vector<bool> seen(build_.shared.size(), false);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t s = in.u32();
    if (s >= build_.shared.size()) in.bad("there is no shared variable number ", s);
    if (seen[s]) in.bad("shared variable ", s, " is updated twice");
    seen[s] = true;
    const Type& type = build_.shared[s].type();
    // The new value must be what the shared variable is declared to be, checked when it runs where
    // inference cannot tell.
    build_.updates.push_back({build_.shared[s], reconcile(variable(in), type)});
  }
}

void Loader::read_graph(ByteReader& in) {
  read_files(in);
  const std::vector<Var> inputs = std::move(vars_);
  read_ops(in);
  vars_ = inputs;
  inner_nodes_ = 0;
  read_constants(in);
  read_shared(in);
  const uint32_t n = in.count(20, "nodes");
  for (uint32_t i = 0; i < n; ++i) read_node(in, i);
  read_outputs(in);
  read_updates(in);
  in.expect_end();
}

Ref<runtime::Function> Loader::load(Metadata* metadata) {
  read_header();
  for (const Section& s : sections_) {
    if (s.kind == kSectionData) data_ = s;
  }
  if (data_.kind == 0) bad("there is no section 'data'");
  Metadata meta;
  read_meta(meta);
  {
    const std::vector<std::byte> bytes = read_section(kSectionGraph, "graph");
    ByteReader in(bytes, "graph");
    read_graph(in);
  }
  build_.options = options_.spec;
  Ref<runtime::Function> function;
  try {
    function = build_function(build_);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::memory || e.kind() == ErrorKind::bad_file) throw;
    bad("its graph cannot be compiled: ", e.what());
  }
  if (metadata) *metadata = std::move(meta);
  return function;
}

}  // namespace

Ref<runtime::Function> load(std::span<const std::byte> bytes, const LoadOptions& options,
                            Metadata* metadata) {
  MemorySource source(bytes);
  return Loader(source, options).load(metadata);
}

Ref<runtime::Function> load_file(const std::string& path, const LoadOptions& options,
                                 Metadata* metadata) {
  FileSource source(path);
  try {
    return Loader(source, options).load(metadata);
  } catch (const Error& e) {
    throw Error(e.kind(), "'" + path + "': " + e.what());
  }
}

}  // namespace phintys::serial
