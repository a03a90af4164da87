// Attributes of operators as tagged values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/inner_graph.h"
#include "serial/bytes.h"

namespace phintys::serial {

using AttrValue = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, DType,
                               Ref<const InnerGraph>>;

struct Attr {
  std::string name;
  AttrValue value;
};
using AttrList = std::vector<Attr>;

// What follows the tag of a graph: the writer and the reader of files know its operators.
using WriteGraph = std::function<void(ByteWriter&, const InnerGraph&)>;
using ReadGraph = std::function<Ref<const InnerGraph>(ByteReader&)>;

AttrList attributes_of(const Op& op);
void write_attributes(ByteWriter& out, const AttrList& attrs, const WriteGraph& write_graph);
AttrList read_attributes(ByteReader& in, const ReadGraph& read_graph);

// Makes an op from a list. Throws Error(bad_file) if an attribute is missing, has the wrong type
// or is left over.
Ref<const Op> make_op(std::string_view name, int version, const AttrList& attrs);

}  // namespace phintys::serial
