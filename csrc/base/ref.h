// Intrusive reference counting for nodes, types, programs and storage.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "base/export.h"

namespace phintys {

class PHINTYS_PUBLIC RefCounted {
 public:
  RefCounted() noexcept = default;
  // A copy of an object is a new object with a count of its own.
  RefCounted(const RefCounted&) noexcept {}
  RefCounted& operator=(const RefCounted&) noexcept { return *this; }

  void incref() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void decref() const noexcept {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const_cast<RefCounted*>(this)->destroy();
    }
  }
  std::uint32_t ref_count() const noexcept { return count_.load(std::memory_order_relaxed); }

 protected:
  virtual ~RefCounted();
  // Called when the last reference goes. A class whose objects form long chains overrides it to
  // take the chain apart in a loop instead of by recursion. It must end in `delete this`.
  virtual void destroy() noexcept;

 private:
  mutable std::atomic<std::uint32_t> count_{0};
};

template <class T>
class Ref {
 public:
  using element_type = T;

  constexpr Ref() noexcept = default;
  constexpr Ref(std::nullptr_t) noexcept {}
  // Takes a new reference on p.
  Ref(T* p) noexcept : p_(p) {
    if (p_) p_->incref();
  }
  Ref(const Ref& other) noexcept : Ref(other.p_) {}
  Ref(Ref&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(const Ref<U>& other) noexcept : Ref(static_cast<T*>(other.get())) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(Ref<U>&& other) noexcept : p_(other.detach()) {}
  ~Ref() {
    if (p_) p_->decref();
  }

  // By value: covers copy, move, conversion and self-assignment, and drops the old object last.
  Ref& operator=(Ref other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }

  T* get() const noexcept { return p_; }
  T* operator->() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }

  void reset() noexcept { Ref().swap(*this); }
  void reset(T* p) noexcept { Ref(p).swap(*this); }
  void swap(Ref& other) noexcept { std::swap(p_, other.p_); }

  // Gives the reference away: the caller owes one decref().
  [[nodiscard]] T* detach() noexcept { return std::exchange(p_, nullptr); }
  // Takes over a reference that the caller owns (the counterpart of detach()).
  [[nodiscard]] static Ref steal(T* p) noexcept {
    Ref r;
    r.p_ = p;
    return r;
  }

 private:
  T* p_ = nullptr;
};

template <class T, class U>
bool operator==(const Ref<T>& a, const Ref<U>& b) noexcept {
  return a.get() == b.get();
}
template <class T, class U>
  requires std::is_convertible_v<U*, const T*>
bool operator==(const Ref<T>& a, U* b) noexcept {
  return a.get() == b;
}
template <class T>
bool operator==(const Ref<T>& a, std::nullptr_t) noexcept {
  return a.get() == nullptr;
}

template <class T, class... A>
Ref<T> make_ref(A&&... args) {
  return Ref<T>(new T(std::forward<A>(args)...));
}

template <class T, class U>
Ref<T> static_ref_cast(const Ref<U>& r) noexcept {
  return Ref<T>(static_cast<T*>(r.get()));
}
template <class T, class U>
Ref<T> dynamic_ref_cast(const Ref<U>& r) noexcept {
  return Ref<T>(dynamic_cast<T*>(r.get()));
}

}  // namespace phintys

template <class T>
struct std::hash<phintys::Ref<T>> {
  std::size_t operator()(const phintys::Ref<T>& r) const noexcept {
    return std::hash<T*>()(r.get());
  }
};
