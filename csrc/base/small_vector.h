// A vector of trivially copyable elements that keeps the first N of them inside itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>
#include <type_traits>

namespace phintys {

template <class T, std::size_t N>
class SmallVec {
  static_assert(std::is_trivially_copyable_v<T>, "SmallVec moves its elements with memcpy");
  static_assert(N > 0);

 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVec() noexcept : data_(local()) {}
  explicit SmallVec(std::size_t n, T fill = T{}) : SmallVec() { resize(n, fill); }
  SmallVec(std::initializer_list<T> init) : SmallVec() { append(init.begin(), init.end()); }
  template <std::input_iterator It>
  SmallVec(It first, It last) : SmallVec() {
    append(first, last);
  }
  SmallVec(const SmallVec& other) : SmallVec() { append(other.begin(), other.end()); }
  SmallVec(SmallVec&& other) noexcept : SmallVec() { take(other); }
  ~SmallVec() { release(); }

  SmallVec& operator=(const SmallVec& other) {
    if (this != &other) {
      size_ = 0;
      append(other.begin(), other.end());
    }
    return *this;
  }
  SmallVec& operator=(SmallVec&& other) noexcept {
    if (this != &other) {
      release();
      data_ = local();
      capacity_ = N;
      size_ = 0;
      take(other);
    }
    return *this;
  }
  SmallVec& operator=(std::initializer_list<T> init) {
    size_ = 0;
    append(init.begin(), init.end());
    return *this;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  const T* cbegin() const noexcept { return data_; }
  const T* cend() const noexcept { return data_ + size_; }
  auto rbegin() noexcept { return std::reverse_iterator<T*>(end()); }
  auto rend() noexcept { return std::reverse_iterator<T*>(begin()); }
  auto rbegin() const noexcept { return std::reverse_iterator<const T*>(end()); }
  auto rend() const noexcept { return std::reverse_iterator<const T*>(begin()); }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T& front() noexcept { return data_[0]; }
  const T& front() const noexcept { return data_[0]; }
  T& back() noexcept { return data_[size_ - 1]; }
  const T& back() const noexcept { return data_[size_ - 1]; }

  void clear() noexcept { size_ = 0; }
  void reserve(std::size_t n) {
    if (n > capacity_) grow(n);
  }
  // By value: the argument may be an element of this vector.
  void push_back(T value) {
    if (size_ == capacity_) grow(size_ + 1);
    data_[size_++] = value;
  }
  void pop_back() noexcept { --size_; }
  void resize(std::size_t n, T fill = T{}) {
    reserve(n);
    for (std::size_t i = size_; i < n; ++i) data_[i] = fill;
    size_ = static_cast<std::uint32_t>(n);
  }
  void assign(std::size_t n, T fill) {
    size_ = 0;
    resize(n, fill);
  }
  template <std::input_iterator It>
  void assign(It first, It last) {
    size_ = 0;
    append(first, last);
  }
  // The range must not lie in this vector.
  template <std::input_iterator It>
  void append(It first, It last) {
    if constexpr (std::forward_iterator<It>) {
      reserve(size_ + static_cast<std::size_t>(std::distance(first, last)));
    }
    for (; first != last; ++first) push_back(static_cast<T>(*first));
  }
  iterator insert(const_iterator pos, T value) {
    const std::size_t at = static_cast<std::size_t>(pos - data_);
    if (size_ == capacity_) grow(size_ + 1);
    std::memmove(static_cast<void*>(data_ + at + 1), data_ + at, (size_ - at) * sizeof(T));
    data_[at] = value;
    ++size_;
    return data_ + at;
  }
  iterator erase(const_iterator pos) noexcept { return erase(pos, pos + 1); }
  iterator erase(const_iterator first, const_iterator last) noexcept {
    const std::size_t at = static_cast<std::size_t>(first - data_);
    const std::size_t count = static_cast<std::size_t>(last - first);
    std::memmove(static_cast<void*>(data_ + at), data_ + at + count,
                 (size_ - at - count) * sizeof(T));
    size_ -= static_cast<std::uint32_t>(count);
    return data_ + at;
  }

  friend bool operator==(const SmallVec& a, const SmallVec& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a.data_[i] == b.data_[i])) return false;
    }
    return true;
  }
  friend bool operator<(const SmallVec& a, const SmallVec& b) noexcept {
    for (std::size_t i = 0; i < a.size_ && i < b.size_; ++i) {
      if (a.data_[i] < b.data_[i]) return true;
      if (b.data_[i] < a.data_[i]) return false;
    }
    return a.size_ < b.size_;
  }

 private:
  T* local() noexcept { return reinterpret_cast<T*>(inline_); }
  bool on_heap() const noexcept { return static_cast<const void*>(data_) != inline_; }
  void release() noexcept {
    if (on_heap()) ::operator delete(data_, std::align_val_t{alignof(T)});
  }
  // Only for a fresh (empty, inline) *this.
  void take(SmallVec& other) noexcept {
    if (other.on_heap()) {
      data_ = other.data_;
      capacity_ = other.capacity_;
    } else {
      std::memcpy(static_cast<void*>(data_), other.data_, other.size_ * sizeof(T));
    }
    size_ = other.size_;
    other.data_ = other.local();
    other.capacity_ = N;
    other.size_ = 0;
  }
  void grow(std::size_t need) {
    std::size_t capacity = std::size_t{2} * capacity_;
    if (capacity < need) capacity = need;
    if (capacity > UINT32_MAX || capacity > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
    T* fresh = static_cast<T*>(::operator new(capacity * sizeof(T), std::align_val_t{alignof(T)}));
    std::memcpy(static_cast<void*>(fresh), data_, size_ * sizeof(T));
    release();
    data_ = fresh;
    capacity_ = static_cast<std::uint32_t>(capacity);
  }

  T* data_;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = N;
  alignas(T) unsigned char inline_[N * sizeof(T)];
};

}  // namespace phintys
