// Whatever the bytes are: a usable function or an Error of the few kinds that phy.h names.
#include <doctest/doctest.h>

#include <random>

#include "kernels/memory.h"
#include "saved.h"
#include "serial/attributes.h"
#include "serial/bytes.h"

using namespace saved;

namespace {

struct Outcome {
  bool loaded = false;
  ErrorKind kind = ErrorKind::bad_file;
  std::string message;
};

// Loads, and calls what could be loaded: a file that passes validation must be safe to run.
Outcome attempt(const std::string& file, bool verify_checksums = true, uint64_t limit = 64 << 20) {
  Outcome outcome;
  serial::LoadOptions options;
  options.verify_checksums = verify_checksums;
  options.memory_limit = limit;
  Ref<runtime::Function> f;
  try {
    f = serial::load(bytes_of(file), options);
  } catch (const Error& e) {
    outcome.kind = e.kind();
    outcome.message = e.what();
    return outcome;
  }
  outcome.loaded = true;
  try {
    std::vector<Array> inputs;
    for (const auto& input : f->inputs()) {
      Dims shape = input.type.shape();
      for (int64_t& d : shape) d = d < 0 || d > 4 ? 2 : d;
      inputs.push_back(Array::zeros(input.type.dtype(), shape));
    }
    call(*f, inputs);
    // Loops take steps where counts are not zero.
    for (Array& a : inputs) a = filled(a.dtype(), a.shape(), 1);
    call(*f, inputs);
  } catch (const Error&) {
    // Bad shapes or values are the run's business.
  }
  return outcome;
}

bool acceptable(const Outcome& o) {
  return o.loaded || o.kind == ErrorKind::bad_file || o.kind == ErrorKind::memory;
}

// Calls on forged functions may plan large arrays: they must fail, not take the machine down.
struct MemoryCap {
  MemoryCap() { set_memory_limit(size_t{256} << 20); }
  ~MemoryCap() { set_memory_limit(0); }
};

std::string sample() { return serial::save(*train_function(), train_metadata()); }

std::vector<std::string> samples() {
  return {sample(), serial::save(*varied_function()), serial::save(*nested_function()),
          serial::save(*choosing_function())};
}

void expect_bad(std::string file, const char* why) {
  forge(file);
  const Outcome o = attempt(file);
  CHECK_FALSE_MESSAGE(o.loaded, why);
  CHECK_MESSAGE(o.kind == ErrorKind::bad_file, why, ": ", o.message);
}

}  // namespace

TEST_CASE("every truncation is rejected") {
  const std::string file = sample();
  REQUIRE(attempt(file).loaded);
  for (size_t n = 0; n < file.size(); ++n) {
    const Outcome o = attempt(file.substr(0, n));
    REQUIRE_FALSE(o.loaded);
    REQUIRE(o.kind == ErrorKind::bad_file);
  }
  const Outcome longer = attempt(file + "x");
  CHECK(longer.kind == ErrorKind::bad_file);
}

TEST_CASE("checksums find every flipped bit that matters") {
  const std::string file = sample();
  MemoryCap cap;
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    const Outcome o = attempt(damaged);
    REQUIRE_MESSAGE(acceptable(o), "byte ", i, ": ", o.message);
    // Only the space between sections and arrays is not covered.
    if (o.loaded) REQUIRE(file[i] == 0);
  }
}

namespace {

void flip_every_byte(const std::string& file) {
  for (size_t i = 0; i < file.size(); ++i) {
    for (const int bits : {0x01, 0x80, 0xff}) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ bits);
      const Outcome o = attempt(damaged, false);
      REQUIRE_MESSAGE(acceptable(o), "byte ", i, ": ", to_string(o.kind), " ", o.message);
      CHECK_MESSAGE(o.message.find("internal error") == std::string::npos, o.message);
    }
  }
}

}  // namespace

TEST_CASE("flipped bits behind valid checksums are harmless") {
  MemoryCap cap;
  for (const std::string& file : samples()) flip_every_byte(file);
}

namespace {

void write_wild_numbers(const std::string& file) {
  const uint64_t wild[] = {0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff};
  for (size_t i = 0; i + 8 <= file.size(); ++i) {
    for (const uint64_t value : wild) {
      std::string damaged = file;
      if (value <= 0xffffffff) {
        write(damaged, i, static_cast<uint32_t>(value));
      } else {
        write(damaged, i, value);
      }
      const Outcome o = attempt(damaged, false);
      REQUIRE_MESSAGE(acceptable(o), "byte ", i, ": ", to_string(o.kind), " ", o.message);
    }
  }
}

}  // namespace

TEST_CASE("wild numbers at every position are harmless") {
  MemoryCap cap;
  for (const std::string& file : samples()) write_wild_numbers(file);
}

namespace {

void damage_at_random(const std::string& file) {
  std::mt19937_64 rng(20240229);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = file;
    const int edits = 1 + static_cast<int>(rng() % 6);
    for (int k = 0; k < edits; ++k) {
      const size_t at = rng() % damaged.size();
      const size_t from = rng() % damaged.size();
      const size_t n = 1 + rng() % std::min<size_t>(16, damaged.size() - std::max(at, from));
      // Pieces of the file itself reach further than noise.
      if (rng() % 2) {
        damaged[at] = static_cast<char>(rng());
      } else {
        damaged.replace(at, n, damaged.substr(from, n));
      }
    }
    const Outcome o = attempt(damaged, false);
    REQUIRE_MESSAGE(acceptable(o), "round ", round, ": ", to_string(o.kind), " ", o.message);
  }
}

}  // namespace

TEST_CASE("random damage is harmless") {
  MemoryCap cap;
  for (const std::string& file : samples()) damage_at_random(file);
}

TEST_CASE("containers that lie are rejected") {
  const std::string file = sample();
  const auto with = [&](size_t at, auto value) {
    std::string s = file;
    write(s, at, value);
    return s;
  };
  const SectionAt graph = section(file, serial::kSectionGraph);
  expect_bad(with(0, uint8_t{'P'}), "magic");
  expect_bad(with(8, uint32_t{99}), "version");
  expect_bad(with(16, uint64_t{file.size() + 1}), "size");
  expect_bad(with(graph.entry + 8, uint64_t{64}), "section over the table");
  expect_bad(with(graph.entry + 8, uint64_t{1} << 63), "section outside");
  expect_bad(with(graph.entry, uint32_t{77}), "unknown section");
  expect_bad(with(graph.entry, serial::kSectionMeta), "the same section twice");
  std::string s = file;
  write(s, 12, uint32_t{0xffffffff});
  CHECK(attempt(s, false).kind == ErrorKind::bad_file);
}

TEST_CASE("unknown operators are named") {
  std::string file = sample();
  const size_t at = file.find("tanh");
  REQUIRE(at != std::string::npos);
  file.replace(at, 4, "tanx");
  forge(file);
  const Outcome o = attempt(file);
  CHECK(o.kind == ErrorKind::bad_file);
  CHECK_MESSAGE(o.message.find("'tanx'") != std::string::npos, o.message);
  CHECK_MESSAGE(o.message.find("newer version") != std::string::npos, o.message);
}

TEST_CASE("a newer version of an operator is refused") {
  std::string file = sample();
  const size_t at = file.find("tanh");
  write(file, at + 4, uint32_t{1000});
  forge(file);
  const Outcome o = attempt(file);
  CHECK(o.kind == ErrorKind::bad_file);
  CHECK_MESSAGE(o.message.find("tanh") != std::string::npos, o.message);
}

TEST_CASE("data that their checksum does not fit are named") {
  std::string file = sample();
  const SectionAt data = section(file, serial::kSectionData);
  file[data.offset] = static_cast<char>(file[data.offset] ^ 4);
  const Outcome o = attempt(file);
  CHECK(o.kind == ErrorKind::bad_file);
  CHECK_MESSAGE(o.message.find("damaged") != std::string::npos, o.message);
}

namespace {

// A file with the sections of `like`, but another graph.
std::string with_graph(const std::string& like, const std::string& graph) {
  std::string s = like;
  const SectionAt old = section(s, serial::kSectionGraph), data = section(s, serial::kSectionData);
  s.resize(old.offset);
  s += graph;
  write(s, old.entry + 16, uint64_t{graph.size()});
  s.resize(serial::align_data(s.size()));
  write(s, data.entry + 8, uint64_t{s.size()});
  s += like.substr(data.offset);
  write(s, 16, uint64_t{s.size()});
  forge(s);
  return s;
}

// Loops in one another, each used `uses` times in the next one's body; the body has no state, so
// that a few bytes do. The last one's number is that of the innermost if `circle`.
std::string loops(int depth, int uses, bool circle = false, const char* name = "scan") {
  runtime::FunctionSpec spec;
  spec.inputs = {make_variable(Type::scalar(DType::i64), "n")};
  spec.outputs = {spec.inputs[0]};
  const std::string like = serial::save(*runtime::Function::compile(spec));
  auto op = make_ref<Scan>();
  op->graph = InnerGraph::make(spec.inputs, {});
  const serial::AttrList attrs = serial::attributes_of(*op);
  serial::ByteWriter out;
  auto scalar_node = [&](uint32_t number) {
    out.u32(number);  // operator
    out.u32(0);       // location
    out.u32(0);
    out.u32(2);  // operands: the number of steps, and the constant
    out.u32(0);
    out.u32(0);
    out.u32(0);  // results
  };
  out.u32(0);  // files
  out.u32(static_cast<uint32_t>(depth));
  for (int level = 0; level < depth; ++level) {
    out.string(name);
    out.u32(1);
    serial::write_attributes(out, attrs, [&](serial::ByteWriter&, const InnerGraph&) {
      out.u32(1);  // inputs
      out.u8(static_cast<uint8_t>(DType::i64));
      out.u8(0);
      out.string("n");
      out.u32(0);  // constants
      const int below = circle && level == 0 ? 0 : level - 1;
      out.u32(static_cast<uint32_t>(below >= 0 ? uses : 0));
      for (int u = 0; below >= 0 && u < uses; ++u) scalar_node(static_cast<uint32_t>(below));
      out.u32(0);  // outputs
    });
  }
  out.u32(0);  // constants
  out.u32(0);  // shared variables
  out.u32(1);
  scalar_node(static_cast<uint32_t>(depth - 1));
  out.u32(1);  // outputs
  out.u32(0);
  out.u32(0);  // updates
  std::string s = with_graph(like, out.bytes());
  write(s, 8, uint32_t{2});
  forge(s);
  return s;
}

}  // namespace

TEST_CASE("graphs inside operators are bounded") {
  auto refused = [](const std::string& file, const char* why) {
    const Outcome o = attempt(file);
    CHECK_FALSE(o.loaded);
    CHECK(o.kind == ErrorKind::bad_file);
    CHECK_MESSAGE(o.message.find(why) != std::string::npos, o.message);
  };
  const Outcome fine = attempt(loops(31, 1));
  CHECK_MESSAGE(fine.loaded, fine.message);
  refused(loops(33, 1), "deep inside one another");
  refused(loops(30, 2), "too large");
  refused(loops(8, 100), "too large");
  refused(loops(1, 1, true), "operator 0 of 0");
  refused(loops(1, 1, false, "op_from_graph"), "never saved");
  std::string old = loops(2, 1);
  write(old, 8, uint32_t{1});
  forge(old);
  refused(old, "version 1");
}

TEST_CASE("the memory limit holds") {
  runtime::FunctionSpec spec;
  spec.outputs = {shared("big", Array::zeros(DType::f64, {1 << 16}))};
  const std::string file = serial::save(*runtime::Function::compile(spec));
  CHECK(attempt(file, true, 100000).kind == ErrorKind::memory);
  CHECK(attempt(file, true, 2000000).loaded);
}
