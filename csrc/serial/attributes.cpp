#include "serial/attributes.h"

#include "ops/registry.h"
#include "serial/format.h"

namespace phintys::serial {

namespace {

class Collector final : public AttrVisitor {
 public:
  explicit Collector(AttrList& out) : out_(out) {}
  void value(const char* name, bool v) override { out_.push_back({name, v}); }
  void value(const char* name, int64_t v) override { out_.push_back({name, v}); }
  void value(const char* name, double v) override { out_.push_back({name, v}); }
  void value(const char* name, const std::string& v) override { out_.push_back({name, v}); }
  void value(const char* name, const std::vector<int64_t>& v) override {
    out_.push_back({name, v});
  }
  void value(const char* name, DType v) override { out_.push_back({name, v}); }
  void value(const char* name, const Ref<const InnerGraph>& v) override {
    out_.push_back({name, v});
  }

 private:
  AttrList& out_;
};

class ListReader final : public AttrReader {
 public:
  ListReader(std::string_view op, const AttrList& attrs)
      : op_(op), attrs_(attrs), used_(attrs.size(), false) {}
  void read(const char* name, bool* v) override { take(name, v); }
  void read(const char* name, int64_t* v) override { take(name, v); }
  void read(const char* name, double* v) override { take(name, v); }
  void read(const char* name, std::string* v) override { take(name, v); }
  void read(const char* name, std::vector<int64_t>* v) override { take(name, v); }
  void read(const char* name, DType* v) override { take(name, v); }
  void read(const char* name, Ref<const InnerGraph>* v) override { take(name, v); }

  void expect_all_used() const {
    for (size_t i = 0; i < attrs_.size(); ++i) {
      if (!used_[i]) {
        fail(ErrorKind::bad_file, "not a valid saved function: operator '", op_,
             "' has no attribute '", attrs_[i].name,
             "' in this version of Phintys; a newer version may have written the file");
      }
    }
  }

 private:
  template <class T>
  void take(const char* name, T* v) {
    for (size_t i = 0; i < attrs_.size(); ++i) {
      if (used_[i] || attrs_[i].name != name) continue;
      const T* value = std::get_if<T>(&attrs_[i].value);
      if (!value) {
        fail(ErrorKind::bad_file, "not a valid saved function: attribute '", name,
             "' of operator '", op_, "' has the wrong type");
      }
      *v = *value;
      used_[i] = true;
      return;
    }
    fail(ErrorKind::bad_file, "not a valid saved function: operator '", op_,
         "' lacks its attribute '", name, "'");
  }

  std::string_view op_;
  const AttrList& attrs_;
  std::vector<bool> used_;
};

AttrValue read_value(ByteReader& in, const ReadGraph& read_graph) {
  const uint8_t tag = in.u8();
  switch (static_cast<AttrTag>(tag)) {
    case AttrTag::boolean: {
      const uint8_t v = in.u8();
      if (v > 1) in.bad("a truth value is neither 0 nor 1");
      return v == 1;
    }
    case AttrTag::integer:
      return in.i64();
    case AttrTag::real:
      return in.get<double>();
    case AttrTag::text:
      return in.string("attribute text");
    case AttrTag::integers: {
      std::vector<int64_t> v(in.count(sizeof(int64_t), "integers of an attribute"));
      for (int64_t& x : v) x = in.i64();
      return v;
    }
    case AttrTag::dtype: {
      const uint8_t v = in.u8();
      if (v >= kNumDTypes) in.bad("there is no dtype number ", int{v});
      return static_cast<DType>(v);
    }
    case AttrTag::graph:
      return read_graph(in);
  }
  in.bad("there is no attribute tag ", int{tag});
}

struct ValueWriter {
  ByteWriter& out;
  const WriteGraph& write_graph;
  void tag(AttrTag t) { out.u8(static_cast<uint8_t>(t)); }
  void operator()(bool v) {
    tag(AttrTag::boolean);
    out.u8(v ? 1 : 0);
  }
  void operator()(int64_t v) {
    tag(AttrTag::integer);
    out.i64(v);
  }
  void operator()(double v) {
    tag(AttrTag::real);
    out.put(v);
  }
  void operator()(const std::string& v) {
    tag(AttrTag::text);
    out.string(v);
  }
  void operator()(const std::vector<int64_t>& v) {
    tag(AttrTag::integers);
    out.count(v.size());
    for (int64_t x : v) out.i64(x);
  }
  void operator()(DType v) {
    tag(AttrTag::dtype);
    out.u8(static_cast<uint8_t>(v));
  }
  void operator()(const Ref<const InnerGraph>& v) {
    PHINTYS_CHECK(v, "an op without its graph");
    tag(AttrTag::graph);
    write_graph(out, *v);
  }
};

}  // namespace

AttrList attributes_of(const Op& op) {
  AttrList attrs;
  Collector collector(attrs);
  op.visit(collector);
  return attrs;
}

void write_attributes(ByteWriter& out, const AttrList& attrs, const WriteGraph& write_graph) {
  out.count(attrs.size());
  for (const Attr& attr : attrs) {
    out.string(attr.name);
    std::visit(ValueWriter{out, write_graph}, attr.value);
  }
}

AttrList read_attributes(ByteReader& in, const ReadGraph& read_graph) {
  // A record is at least an empty name, a tag and one byte.
  const uint32_t n = in.count(6, "attributes");
  AttrList attrs;
  attrs.reserve(n);
  for (uint32_t i = 0; i < n; ++i) {
    std::string name = in.string("attribute name");
    attrs.push_back({std::move(name), read_value(in, read_graph)});
  }
  return attrs;
}

Ref<const Op> make_op(std::string_view name, int version, const AttrList& attrs) {
  ListReader reader(name, attrs);
  Ref<const Op> op = phintys::make_op(name, version, reader);
  reader.expect_all_used();
  return op;
}

}  // namespace phintys::serial
