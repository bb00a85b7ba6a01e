#include "warp_functions.h"

namespace emulator {
namespace {

template <class T>
T slot_of(const Exchange& e, int lane) {
  T value;
  std::memcpy(&value, e.slot[lane], sizeof value);
  return value;
}

template <class T>
void give_all(Exchange& e, T value) {
  for (unsigned lanes = e.mask; lanes; lanes &= lanes - 1) std::memcpy(e.slot[__builtin_ctz(lanes)], &value, sizeof value);
}

void combine_ballot(Exchange& e) {
  unsigned result = 0;
  for (unsigned lanes = e.mask; lanes; lanes &= lanes - 1) result |= slot_of<unsigned>(e, __builtin_ctz(lanes)) << __builtin_ctz(lanes);
  give_all(e, result);
}

template <class T>
T apply(Reduction reduction, T a, T b) {
  const unsigned ua = static_cast<unsigned>(a), ub = static_cast<unsigned>(b);
  switch (reduction) {
    case Reduction::Add: return static_cast<T>(ua + ub);
    case Reduction::Min: return b < a ? b : a;
    case Reduction::Max: return a < b ? b : a;
    case Reduction::And: return static_cast<T>(ua & ub);
    case Reduction::Or: return static_cast<T>(ua | ub);
    case Reduction::Xor: return static_cast<T>(ua ^ ub);
  }
  return a;
}

constexpr int kSigned = 16;  // beside the reduction, in an operation's variant

template <class T>
void combine_reduce(Exchange& e) {
  const Reduction reduction = static_cast<Reduction>(e.variant % kSigned);
  const int first = __builtin_ctz(e.mask);
  T result = slot_of<T>(e, first);
  for (unsigned lanes = e.mask & (e.mask - 1); lanes; lanes &= lanes - 1) result = apply(reduction, result, slot_of<T>(e, __builtin_ctz(lanes)));
  give_all(e, result);
}

template <class T>
T reduce_as(unsigned mask, Reduction reduction, T value, int variant, Place place) {
  T result;
  exchange({mask, WarpOp::Reduce, variant + static_cast<int>(reduction), place, combine_reduce<T>}, &value, sizeof value, lane_now(), &result, sizeof result);
  return result;
}

}  // namespace

unsigned ballot(unsigned mask, Vote vote, bool predicate, Place place) {
  const unsigned mine = predicate;
  unsigned result;
  exchange({mask, WarpOp::Vote, static_cast<int>(vote), place, combine_ballot}, &mine, sizeof mine, lane_now(), &result, sizeof result);
  return result;
}

unsigned reduce(unsigned mask, Reduction reduction, unsigned value, Place place) { return reduce_as(mask, reduction, value, 0, place); }
int reduce(unsigned mask, Reduction reduction, int value, Place place) { return reduce_as(mask, reduction, value, kSigned, place); }

}  // namespace emulator
