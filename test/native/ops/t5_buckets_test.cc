// T5's buckets against the published look-up form: the distance at which each bucket begins.
#include "../cpu/check.h"
#include "ops/t5_buckets.h"

using ht::T5Buckets;

namespace {

// firsts[b] is the first distance of bucket b.
void check_firsts(const T5Buckets& buckets, const std::vector<int64_t>& firsts, int64_t sign, int64_t base) {
  for (int64_t distance = 0, expected = 0; distance < 1000; ++distance) {
    while (expected + 1 < static_cast<int64_t>(firsts.size()) && firsts[expected + 1] <= distance) ++expected;
    if (sign > 0 && distance == 0) continue;
    const int64_t got = buckets.bucket(sign * distance);
    CHECK(got == base + expected, "distance %ld: bucket %ld, should be %ld", long(sign * distance), long(got), long(base + expected));
  }
}

void published_tables() {
  const std::vector<int64_t> both = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  const T5Buckets encoder(32, 128, true);
  check_firsts(encoder, both, -1, 0);
  check_firsts(encoder, both, +1, 16);

  std::vector<int64_t> back = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
  const T5Buckets decoder(32, 128, false);
  check_firsts(decoder, back, -1, 0);
  for (int64_t ahead = 1; ahead < 500; ++ahead) CHECK(decoder.bucket(ahead) == 0, "ahead %ld", long(ahead));
}

// Any size of table: buckets never fall with distance, stay inside, and small distances have one each.
void other_sizes() {
  for (int64_t count : {1, 2, 3, 7, 8, 33, 64}) {
    for (int64_t max_distance : {1, 3, 20, 128, 5000}) {
      for (bool bidirectional : {false, true}) {
        const T5Buckets buckets(count, max_distance, bidirectional);
        const int64_t half = bidirectional ? std::max<int64_t>(count / 2, 1) : count;
        int64_t before = 0;
        for (int64_t distance = 0; distance < 6000; ++distance) {
          const int64_t got = buckets.bucket(-distance), ahead = buckets.bucket(distance);
          CHECK(got >= before && got < half, "%ld buckets, distance %ld: %ld", long(count), long(distance), long(got));
          CHECK(ahead >= 0 && ahead < count, "%ld buckets, %ld ahead: %ld", long(count), long(distance), long(ahead));
          if (distance < half / 2) CHECK(got == distance, "distance %ld: %ld", long(distance), long(got));
          before = got;
        }
        CHECK(before == half - 1, "%ld buckets end at %ld", long(count), long(before));
      }
    }
  }
}

void evaluated_once() {
  CHECK(T5Buckets::of(32, 128, true) == T5Buckets::of(32, 128, true));
  CHECK(T5Buckets::of(32, 128, true) != T5Buckets::of(32, 128, false));
}

}  // namespace

int main() {
  published_tables();
  other_sizes();
  evaluated_once();
  return report("t5_buckets");
}
