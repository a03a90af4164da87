// The storage behind a shared variable.
//
// Readers hold the lock shared, a call that updates the variable holds it exclusively from its
// start to its commit, so a call sees all updates of another call or none. A function locks the
// storages that it uses in the order of their `id`, so calls never deadlock.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "array/array.h"

namespace phintys {

// A shared mutex, usable with std::unique_lock and std::shared_lock, that
// - lets a writer that waits go before new readers: readers that never pause would otherwise keep
//   a training thread out for ever;
// - is free in a forked child, whatever other threads held when it was born;
// - knows what the calls in progress on this thread hold, where those call the user's code
//   (`Held`): that code may read what its call holds, and gets an Error, not a deadlock, if it
//   writes.
class StorageMutex {
 public:
  StorageMutex();
  ~StorageMutex();
  StorageMutex(const StorageMutex&) = delete;
  StorageMutex& operator=(const StorageMutex&) = delete;

  void lock();
  bool try_lock();
  // Waits so long; false if that was in vain.
  bool try_lock_for(std::chrono::milliseconds time);
  void unlock();
  void lock_shared();
  bool try_lock_shared();
  bool try_lock_shared_for(std::chrono::milliseconds time);
  void unlock_shared();

  // Says that this thread holds the mutex while the object exists.
  class Held {
   public:
    explicit Held(StorageMutex* mutex);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    friend class StorageMutex;
    const StorageMutex* mutex_;
    int readers_ = 0;  // of this thread, admitted without locking
    Held* next_;
  };

 private:
  void renew_after_fork();
  bool from_before_fork() const;
  Held* held() const;
  bool admit_held_reader();
  void refuse_if_held() const;

  pthread_rwlock_t lock_;
  std::atomic<uint32_t> forks_;
};

class SharedStorage : public RefCounted {
 public:
  explicit SharedStorage(Array value, std::string name = "");
  StorageMutex& mutex() const { return mutex_; }
  // Callers hold the mutex.
  const Array& value() const { return value_; }
  void set_value(Array value) { value_ = std::move(value); }
  uint64_t id() const { return id_; }
  std::string name;

 private:
  mutable StorageMutex mutex_;
  Array value_;
  uint64_t id_;
};

}  // namespace phintys
