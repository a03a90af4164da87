// The storage behind a shared variable.
//
// Readers hold the lock shared, a call that updates the variable holds it exclusively from its
// start to its commit, so a call sees all updates of another call or none. A function locks the
// storages that it uses in the order of their `id`, so calls never deadlock.
#pragma once

#include <atomic>
#include <shared_mutex>
#include <string>

#include "array/array.h"

namespace phintys {

class SharedStorage : public RefCounted {
 public:
  explicit SharedStorage(Array value, std::string name = "");
  std::shared_mutex& mutex() const { return mutex_; }
  // Callers hold the mutex.
  const Array& value() const { return value_; }
  void set_value(Array value) { value_ = std::move(value); }
  uint64_t id() const { return id_; }
  std::string name;

 private:
  mutable std::shared_mutex mutex_;
  Array value_;
  uint64_t id_;
};

}  // namespace phintys
