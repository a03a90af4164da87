#include "array/shared_storage.h"

#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/fork.h"

namespace phintys {

namespace {

thread_local StorageMutex::Held* t_held = nullptr;
// How many there are on all threads: rarely any, and then no lock has to look at its thread's.
std::atomic<uint32_t> g_held{0};

bool any_held() { return PHINTYS_UNLIKELY(g_held.load(std::memory_order_relaxed) != 0); }

// What the timed waits of POSIX want.
timespec time_after(std::chrono::milliseconds wait) {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  const int64_t nanoseconds = t.tv_nsec + std::chrono::nanoseconds(wait).count();
  t.tv_sec += nanoseconds / 1'000'000'000;
  t.tv_nsec = nanoseconds % 1'000'000'000;
  return t;
}

void init(pthread_rwlock_t* lock) {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
#ifdef __GLIBC__
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
  pthread_rwlock_init(lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
}

}  // namespace

StorageMutex::StorageMutex() : forks_(fork_count()) { init(&lock_); }

StorageMutex::~StorageMutex() {
  if (!from_before_fork()) pthread_rwlock_destroy(&lock_);
}

bool StorageMutex::from_before_fork() const {
  return forks_.load(std::memory_order_acquire) != fork_count();
}

// Whoever held it is not in this process. One thread of the child comes here first.
void StorageMutex::renew_after_fork() {
  static std::atomic<bool> renewing{false};
  while (renewing.exchange(true, std::memory_order_acquire)) {
  }
  if (from_before_fork()) {
    init(&lock_);
    forks_.store(fork_count(), std::memory_order_release);
  }
  renewing.store(false, std::memory_order_release);
}

StorageMutex::Held* StorageMutex::held() const {
  for (Held* h = t_held; h; h = h->next_)
    if (h->mutex_ == this) return h;
  return nullptr;
}

void StorageMutex::refuse_if_held() const {
  if (any_held() && held())
    fail(ErrorKind::runtime,
         "a shared variable cannot be changed by code that runs inside a call of a function that "
         "uses it (a monitor's callback)");
}

void StorageMutex::lock() {
  refuse_if_held();
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  pthread_rwlock_wrlock(&lock_);
}

bool StorageMutex::try_lock() {
  refuse_if_held();
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  return pthread_rwlock_trywrlock(&lock_) == 0;
}

bool StorageMutex::try_lock_for(std::chrono::milliseconds time) {
  refuse_if_held();
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  const timespec end = time_after(time);
  return pthread_rwlock_timedwrlock(&lock_, &end) != ETIMEDOUT;
}

void StorageMutex::unlock() {
  // The child of a fork inside a call: the lock that it took is the parent's.
  if (PHINTYS_UNLIKELY(from_before_fork())) return;
  pthread_rwlock_unlock(&lock_);
}

bool StorageMutex::admit_held_reader() {
  if (!any_held()) return false;
  Held* h = held();
  if (h) ++h->readers_;
  return h != nullptr;
}

void StorageMutex::lock_shared() {
  if (admit_held_reader()) return;
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  // EAGAIN: as many readers as can be counted.
  while (pthread_rwlock_rdlock(&lock_) == EAGAIN) {
  }
}

bool StorageMutex::try_lock_shared() {
  if (admit_held_reader()) return true;
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  return pthread_rwlock_tryrdlock(&lock_) == 0;
}

bool StorageMutex::try_lock_shared_for(std::chrono::milliseconds time) {
  if (admit_held_reader()) return true;
  if (PHINTYS_UNLIKELY(from_before_fork())) renew_after_fork();
  const timespec end = time_after(time);
  const int status = pthread_rwlock_timedrdlock(&lock_, &end);
  return status != ETIMEDOUT && status != EAGAIN;
}

void StorageMutex::unlock_shared() {
  if (any_held()) {
    Held* h = held();
    if (h && h->readers_ > 0) {
      --h->readers_;
      return;
    }
  }
  if (PHINTYS_UNLIKELY(from_before_fork())) return;
  pthread_rwlock_unlock(&lock_);
}

StorageMutex::Held::Held(StorageMutex* mutex) : mutex_(mutex), next_(t_held) {
  t_held = this;
  g_held.fetch_add(1, std::memory_order_relaxed);
}

StorageMutex::Held::~Held() {
  t_held = next_;
  g_held.fetch_sub(1, std::memory_order_relaxed);
}

SharedStorage::SharedStorage(Array value, std::string name_)
    : name(std::move(name_)), value_(std::move(value)) {
  static std::atomic<uint64_t> next{1};
  id_ = next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace phintys
