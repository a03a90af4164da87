#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "saved.h"
#include "serial/bytes.h"
#include "serial/state.h"

using namespace saved;

namespace {

struct TempFolder {
  std::filesystem::path path;
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "phintys-serial-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
};

void check_same(const std::vector<Array>& a, const std::vector<Array>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(same_bits(a[i], b[i]));
}

std::vector<Array> some_inputs() {
  return {matrix({1, 0, -1, 0.5, 2, -3}, 2), Array::scalar(DType::f64, 0.25)};
}

ErrorKind kind_of(const std::function<void()>& f, std::string* message = nullptr) {
  try {
    f();
  } catch (const Error& e) {
    if (message) *message = e.what();
    return e.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("XXH64 agrees with its published test vectors") {
  CHECK(serial::checksum("", 0) == 0xEF46DB3751D8E999ull);
  CHECK(serial::checksum("abc", 3) == 0x44BC2CF5AD770999ull);
  const std::string long_text = "Nobody inspects the spammish repetition";
  CHECK(serial::checksum(long_text.data(), long_text.size()) == 0xFBCEA83C8A378BF1ull);
}

TEST_CASE("a loaded function computes the same bits and goes on from the saved state") {
  Ref<runtime::Function> f = train_function();
  call(*f, some_inputs());
  const std::string file = serial::save(*f, train_metadata());
  serial::Metadata meta;
  Ref<runtime::Function> g = serial::load(bytes_of(file), {}, &meta);
  for (int step = 0; step < 3; ++step) check_same(call(*f, some_inputs()), call(*g, some_inputs()));
  REQUIRE(g->shared().size() == 2);
  for (const char* name : {"w", "b"}) {
    CHECK(same_bits(serial::get_state(*f, static_cast<size_t>(serial::find_state(*f, name))),
                    serial::get_state(*g, static_cast<size_t>(serial::find_state(*g, name)))));
  }
}

TEST_CASE("structural operators and their attributes are kept") {
  Ref<runtime::Function> f = varied_function();
  Ref<runtime::Function> g = serial::load(bytes_of(serial::save(*f)));
  const int64_t rows[] = {1, 0, 1};
  const std::vector<Array> in = {matrix({1, -2, 3, 4}, 2), Array::from_ints(rows, 3)};
  check_same(call(*f, in), call(*g, in));
}

TEST_CASE("names, types, defaults and metadata are kept") {
  serial::Metadata meta;
  const std::string file = serial::save(*train_function(), train_metadata());
  Ref<runtime::Function> g = serial::load(bytes_of(file), {}, &meta);
  CHECK(g->name() == "train");
  CHECK(g->inputs()[0].name == "x");
  CHECK(g->inputs()[1].name == "rate");
  CHECK(g->outputs()[0].name == "scores");
  CHECK(g->inputs()[0].type.str() == Type::tensor(DType::f64, 2).str());
  CHECK(meta.entries == train_metadata().entries);
  CHECK(meta.output_mode == serial::OutputMode::dict);
  REQUIRE(meta.inputs.size() == 2);
  CHECK(meta.inputs[0].strict);
  CHECK(meta.inputs[0].allow_downcast == 1);
  CHECK_FALSE(meta.inputs[0].default_value);
  CHECK(element_as_double(meta.inputs[1].default_value.view()) == 0.125);
}

TEST_CASE("saving what was loaded gives the same file") {
  const std::string once = serial::save(*train_function(), train_metadata());
  serial::Metadata meta;
  Ref<runtime::Function> g = serial::load(bytes_of(once), {}, &meta);
  const std::string twice = serial::save(*g, meta);
  CHECK(once == twice);
}

TEST_CASE("graphs inside operators are kept, and equal operators are written once") {
  Ref<runtime::Function> f = nested_function();
  const std::string once = serial::save(*f);
  CHECK(read<uint32_t>(once, 8) == 2);
  size_t loops = 0;
  for (size_t at = 0; (at = once.find("\x04\0\0\0scan", at, 8)) != std::string::npos; ++at) ++loops;
  CHECK(loops == 2);  // the inner one is used three times
  Ref<runtime::Function> g = serial::load(bytes_of(once));
  CHECK(serial::save(*g) == once);
  auto loop_of = [](const Ref<runtime::Function>& of) {
    return of->graph().outputs()[0]->owner()->op_ref();
  };
  CHECK(loop_of(f)->equal(*loop_of(g)));
  const std::vector<Array> in = {matrix({0.1, 0.2, 0.3, 0.4}, 2), vector({0.3})};
  check_same(call(*f, in), call(*g, in));
}

TEST_CASE("loops with choices inside, and choices, are kept") {
  Ref<runtime::Function> f = choosing_function();
  const std::string once = serial::save(*f);
  Ref<runtime::Function> g = serial::load(bytes_of(once));
  CHECK(serial::save(*g) == once);
  const std::vector<Array> in = {matrix({0.1, 0.1, 0.1, 0.1, -0.5, 0.2}, 3)};
  const std::vector<Array> results = call(*g, in);
  CHECK(results[0].shape() == Dims{5, 2});
  CHECK(element_as_double(results[3].view()) == 3);
  CHECK(results[4].shape() == Dims{2, 3});
  check_same(call(*f, in), results);
}

TEST_CASE("only files with graphs inside operators need a reader of version 2") {
  CHECK(read<uint32_t>(serial::save(*train_function()), 8) == 1);
}

TEST_CASE("operators too deep inside one another are not saved") {
  Var s = make_variable(Type::scalar(DType::f64), "s");
  Var out = s + constant(1, DType::f64);
  for (int depth = 0; depth < 33; ++depth) {
    auto op = make_ref<Scan>();
    const std::vector<Var> in = {s}, outputs = {out};
    op->graph = InnerGraph::make(in, outputs);
    op->taps = {1, -1};
    op->keep = {1};
    s = make_variable(Type::scalar(DType::f64), "s");
    Var rows = apply(op, {constant_int(2), dimshuffle(s, {-1})});
    out = subtensor(rows, {IndexEntry::integer(IndexSlot::of(-1))});
    if (depth < 31) continue;
    runtime::FunctionSpec spec;
    spec.inputs = {s};
    spec.outputs = {out};
    spec.pipeline = "none";
    Ref<runtime::Function> f = runtime::Function::compile(spec);
    if (depth == 31) {
      const std::string once = serial::save(*f);
      CHECK(serial::save(*serial::load(bytes_of(once))) == once);
    } else {
      CHECK(kind_of([&] { serial::save(*f); }) == ErrorKind::value);
    }
  }
}

TEST_CASE("files of earlier versions load") {
  Ref<runtime::Function> g = serial::load_file(PHINTYS_TEST_DATA "/train_v1.phy");
  check_same(call(*g, some_inputs()), call(*train_function(), some_inputs()));
}

TEST_CASE("a file holds base names, no folders") {
  const std::string file = serial::save(*train_function());
  CHECK(file.find("model.py") != std::string::npos);
  CHECK(file.find("/home/user") == std::string::npos);
}

TEST_CASE("an error in a loaded function names the user's line") {
  Ref<runtime::Function> g = serial::load(bytes_of(serial::save(*train_function())));
  std::string message;
  kind_of([&] { call(*g, {matrix({1, 2, 3, 4}, 2), Array::scalar(DType::f64, 1)}); }, &message);
  CHECK_MESSAGE(message.find("model.py:42") != std::string::npos, message);
}

TEST_CASE("a shared variable that is updated but never read is kept") {
  Var last = shared("last", vector({0}));
  Var x = make_variable(Type::tensor(DType::f64, 1), "x");
  runtime::FunctionSpec spec;
  spec.inputs = {x};
  spec.updates = {{last, x}};
  Ref<runtime::Function> g =
      serial::load(bytes_of(serial::save(*runtime::Function::compile(spec))));
  call(*g, {vector({1, 2, 3})});
  CHECK(same_bits(serial::get_state(*g, 0), vector({1, 2, 3})));
}

TEST_CASE("constants of every dtype and empty arrays are kept") {
  for (int d = 0; d < kNumDTypes; ++d) {
    for (const Dims& shape : {Dims{}, Dims{3}, Dims{0, 2}}) {
      Array value = Array::zeros(static_cast<DType>(d), shape);
      runtime::FunctionSpec spec;
      spec.outputs = {make_constant(value)};
      Ref<runtime::Function> g =
          serial::load(bytes_of(serial::save(*runtime::Function::compile(spec))));
      check_same(call(*g, {}), {value});
    }
  }
}

TEST_CASE("files are replaced atomically and leave nothing behind") {
  TempFolder folder;
  const std::string path = (folder.path / "f.phy").string();
  Ref<runtime::Function> f = train_function();
  serial::save_file(*f, path);
  serial::save_file(*f, path);
  check_same(call(*f, some_inputs()), call(*serial::load_file(path), some_inputs()));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("files that are not there or not files are io errors that name them") {
  TempFolder folder;
  std::string message;
  CHECK(kind_of([&] { serial::load_file((folder.path / "none.phy").string()); }, &message) ==
        ErrorKind::io);
  CHECK(message.find("none.phy") != std::string::npos);
  CHECK(kind_of([&] { serial::load_file(folder.path.string()); }) == ErrorKind::io);
  CHECK(kind_of([&] {
          serial::save_file(*train_function(), (folder.path / "no" / "f.phy").string());
        }) == ErrorKind::io);
}

TEST_CASE("functions share state by name") {
  Ref<runtime::Function> train = serial::load(bytes_of(serial::save(*train_function())));
  Model m;
  Var x = make_variable(Type::tensor(DType::f64, 2), "x");
  runtime::FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {dot(x, m.w)};
  Ref<runtime::Function> predict =
      serial::load(bytes_of(serial::save(*runtime::Function::compile(spec))));
  size_t n = 0;
  Ref<runtime::Function> sharing = serial::with_state_of(*predict, *train, &n);
  CHECK(n == 1);
  const Array eye = matrix({1, 0, 0, 0, 1, 0, 0, 0, 1}, 3);
  const Array before = call(*sharing, {eye})[0];
  check_same(call(*predict, {eye}), {before});
  call(*train, some_inputs());
  const Array w = serial::get_state(*train, static_cast<size_t>(serial::find_state(*train, "w")));
  CHECK_FALSE(same_bits(w, before));
  check_same(call(*sharing, {eye}), {w});
  check_same(call(*predict, {eye}), {before});
}

TEST_CASE("sharing state of different types is refused") {
  Ref<runtime::Function> train = train_function();
  Var w = shared("w", vector({1}));
  runtime::FunctionSpec spec;
  spec.outputs = {w + 1.0};
  Ref<runtime::Function> other = runtime::Function::compile(spec);
  CHECK(kind_of([&] { serial::with_state_of(*other, *train, nullptr); }) == ErrorKind::type);
}

TEST_CASE("state accepts only values of its type") {
  Ref<runtime::Function> f = train_function();
  const size_t w = static_cast<size_t>(serial::find_state(*f, "w"));
  CHECK(kind_of([&] { serial::set_state(*f, w, vector({1}).view()); }) == ErrorKind::type);
  CHECK(kind_of([&] { serial::set_state(*f, w, Array::zeros(DType::f32, {3, 2}).view()); }) ==
        ErrorKind::type);
  const Array fresh = matrix({9, 8, 7, 6, 5, 4}, 3);
  serial::set_state(*f, w, fresh.view());
  CHECK(same_bits(serial::get_state(*f, w), fresh));
  CHECK(serial::find_state(*f, "nothing") == -1);
}

TEST_CASE("UTF-8 is checked as the standard defines it") {
  for (const char* good : {"", "abc", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    CHECK(serial::is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    CHECK_FALSE(serial::is_utf8(bad));
    CHECK(serial::is_utf8(serial::to_utf8(bad)));
  }
}

TEST_CASE("a long chain is saved and loaded without recursion") {
  Var x = make_variable(Type::tensor(DType::f64, 1), "x");
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = i % 2 ? tanh(y) : sin(y);
  runtime::FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {y};
  spec.pipeline = "none";
  Ref<runtime::Function> f = runtime::Function::compile(spec);
  Ref<runtime::Function> g = serial::load(bytes_of(serial::save(*f)));
  const std::vector<Array> in = {vector({0.5, -2})};
  check_same(call(*f, in), call(*g, in));
}
