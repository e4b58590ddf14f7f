// A bounded map, safe for several threads, that forgets what was used longest ago.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace lamella {

template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t capacity) : capacity_(capacity) {}

  // The value of a key, made by make() where it is not there yet. O(log entries).
  template <class Make>
  std::shared_ptr<const Value> get(const Key& key, const Make& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
    recent_.emplace_front(key, std::make_shared<const Value>(make()));
    try {
      by_key_[key] = recent_.begin();
    } catch (...) {
      recent_.pop_front();
      throw;
    }
    if (recent_.size() > capacity_) {
      by_key_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return recent_.front().second;
  }

 private:
  using Entry = std::pair<Key, std::shared_ptr<const Value>>;

  const std::size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> recent_;
  std::map<Key, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace lamella
