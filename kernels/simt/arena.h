// Device memory: buffers in one reserved range of addresses, each between two guards, so that any
// address can be told to be in a buffer, beside one, or not the device's at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace lamella::simt {

class Arena {
 public:
  // Shared by the host threads of the process, as the memory of a device is.
  static Arena& instance();

  // 256-byte aligned, filled with bytes 0xFF (NaN in every floating-point type). Null when the
  // range is full.
  void* allocate(std::size_t bytes);
  // Throws std::runtime_error for an address that is no live buffer's.
  void release(void* data);
  // Throws std::runtime_error unless [data, data + bytes) lies in one live buffer.
  void require(const void* data, std::size_t bytes, const char* what) const;
  bool contains(const void* address) const;
  // Empty, or which buffer was written beside, and where; guards are whole again afterwards.
  std::string check_guards();
  // "buffer 3 (4096 bytes), byte 4100", for an address in or beside a buffer.
  std::string describe(const void* address) const;

 private:
  struct Buffer {
    std::uint64_t number;  // in order of allocation
    std::size_t bytes, room;
  };
  using Buffers = std::map<char*, Buffer>;

  Arena();
  std::string damage_of(const Buffers::value_type& buffer, bool repair);
  char* take_room(std::size_t room);
  void give_room(char* begin, std::size_t room);

  mutable std::mutex mutex_;
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  Buffers live_;
  std::map<char*, std::size_t> holes_;
  std::uint64_t allocations_ = 0;
};

}  // namespace lamella::simt
