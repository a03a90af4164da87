#include <doctest/doctest.h>

#include <string>
#include <unordered_set>

#include "base/error.h"
#include "base/ref.h"

using namespace phintys;

namespace {

int g_alive = 0;

struct Base : RefCounted {
  Base() { ++g_alive; }
  ~Base() override { --g_alive; }
  int value = 1;
};
struct Derived : Base {
  explicit Derived(int v) { value = v; }
};

// A chain that takes itself apart in a loop, as the nodes of a long graph must.
struct Link : Base {
  Ref<Link> next;

 protected:
  void destroy() noexcept override {
    Ref<Link> rest = std::move(next);
    delete this;
    while (rest && rest->ref_count() == 1) {
      Ref<Link> following = std::move(rest->next);
      rest = std::move(following);
    }
  }
};

}  // namespace

TEST_CASE("Ref counts") {
  {
    Ref<Derived> d = make_ref<Derived>(5);
    CHECK(d->ref_count() == 1);
    Ref<Base> b = d;
    CHECK(b->ref_count() == 2);
    CHECK(b == d);
    Ref<const Base> c = std::move(d);
    CHECK(!d);
    CHECK(d == nullptr);
    CHECK(c->ref_count() == 2);
    CHECK(c->value == 5);
    b = nullptr;
    CHECK(c->ref_count() == 1);
    Ref<Base> raw(const_cast<Base*>(c.get()));
    CHECK(raw == c.get());
    CHECK(dynamic_ref_cast<Derived>(raw)->value == 5);
    CHECK(dynamic_ref_cast<Link>(raw) == nullptr);
    raw = raw;
    CHECK(raw->ref_count() == 2);
    Base* p = raw.detach();
    CHECK(p->ref_count() == 2);
    Ref<Base> back = Ref<Base>::steal(p);
    CHECK(back->ref_count() == 2);
    back.reset();
    CHECK(g_alive == 1);
    std::unordered_set<Ref<const Base>> set{c, c};
    CHECK(set.size() == 1);
  }
  CHECK(g_alive == 0);
}

TEST_CASE("a long chain is destroyed without recursion") {
  {
    Ref<Link> head;
    for (int i = 0; i < 1000000; ++i) {
      Ref<Link> link = make_ref<Link>();
      link->next = std::move(head);
      head = std::move(link);
    }
    CHECK(g_alive == 1000000);
  }
  CHECK(g_alive == 0);
}

TEST_CASE("errors carry their kind and text") {
  try {
    fail(ErrorKind::index, "axis ", 3, " is out of range");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::index);
    CHECK(std::string(e.what()) == "axis 3 is out of range");
  }
  try {
    PHINTYS_CHECK(1 + 1 == 3, "sum ", 2);
    FAIL("not reached");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::internal);
    const std::string text = e.what();
    CHECK(text.find("test_ref.cpp:") != std::string::npos);
    CHECK(text.find("/test_ref.cpp:") == std::string::npos);
    CHECK(text.find("1 + 1 == 3") != std::string::npos);
    CHECK(text.find("sum 2") != std::string::npos);
    CHECK(text.find("report") != std::string::npos);
  }
  CHECK(std::string(to_string(ErrorKind::bad_file)) == "bad_file");
}
