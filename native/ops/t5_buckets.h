// T5's relative position buckets (Raffel et al. 2020, section 2.1) with the numbers that Hugging Face's
// T5Attention._relative_position_bucket yields in fp32: small distances have a bucket each, larger ones share
// logarithmically wider buckets up to max_distance, everything beyond falls into the last.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

namespace ht {

class T5Buckets {
 public:
  // num_buckets: rows of the bias table, >= 1. Bidirectional: the upper half is for keys behind the query.
  T5Buckets(int64_t num_buckets, int64_t max_distance, bool bidirectional) : bidirectional_(bidirectional) {
    half_ = bidirectional ? std::max<int64_t>(num_buckets / 2, 1) : num_buckets;
    upper_ = bidirectional && num_buckets > 1 ? half_ : 0;
    // The last bucket is reached at max_distance at the latest (where the logarithmic part exists), so the table is short.
    do {
      const auto distance = static_cast<int64_t>(by_distance_.size());
      by_distance_.push_back(static_cast<int32_t>(evaluate(distance, half_, max_distance)));
    } while (by_distance_.back() < half_ - 1);
  }

  // relative = key position - query position.
  int32_t bucket(int64_t relative) const {
    const bool behind = bidirectional_ && relative > 0;
    const int64_t distance = bidirectional_ ? std::abs(relative) : std::max<int64_t>(-relative, 0);
    const auto last = static_cast<int64_t>(by_distance_.size()) - 1;
    return by_distance_[std::min(distance, last)] + static_cast<int32_t>(behind ? upper_ : 0);
  }

  // Every distance from here on has the bucket of this one.
  int64_t last_distance() const { return static_cast<int64_t>(by_distance_.size()) - 1; }

  // The logarithm is evaluated once per (num_buckets, max_distance, bidirectional) and process.
  static std::shared_ptr<const T5Buckets> of(int64_t num_buckets, int64_t max_distance, bool bidirectional) {
    static std::mutex mutex;
    static std::map<std::tuple<int64_t, int64_t, bool>, std::shared_ptr<const T5Buckets>> known;
    std::lock_guard<std::mutex> lock(mutex);
    auto& entry = known[{num_buckets, max_distance, bidirectional}];
    if (!entry) entry = std::make_shared<const T5Buckets>(num_buckets, max_distance, bidirectional);
    return entry;
  }

 private:
  static int64_t evaluate(int64_t distance, int64_t buckets, int64_t max_distance) {
    const int64_t exact = buckets / 2;
    if (distance < exact) return distance;
    if (exact == 0 || max_distance <= exact) return buckets - 1;  // no logarithmic part
    const float share = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                        static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
    const auto large = exact + static_cast<int64_t>(share * static_cast<float>(buckets - exact));
    return std::min(large, buckets - 1);
  }

  bool bidirectional_;
  int64_t half_, upper_;
  std::vector<int32_t> by_distance_;
};

}  // namespace ht
