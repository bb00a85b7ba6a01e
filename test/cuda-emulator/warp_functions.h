// __shfl_sync and its kin, votes, integer reductions, __syncwarp. Found here: a shuffle that reads a lane outside its mask.
#pragma once
#include <cstring>
#include <type_traits>

#include "block.h"
#include "warp.h"

namespace emulator {

template <class T>
T shuffle(WarpOp op, unsigned mask, T value, int from, int width, Place place) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16, "a shuffle moves up to 16 bytes");
  if (width < 1 || width > kLanes || (width & (width - 1))) fail("the width of a shuffle is a power of two up to 32", place);
  if (!(mask >> from & 1)) fail("a shuffle reads lane " + std::to_string(from) + ", which is not in its mask", place);
  T result;
  exchange({mask, op, static_cast<int>(sizeof(T)), place, nullptr}, &value, sizeof value, from, &result, sizeof result);
  return result;
}

inline int lane_now() {
  const Quiet quiet;
  return current->lane;
}

// The bits of the lanes whose predicate holds.
enum class Vote { Ballot, Any, All };
unsigned ballot(unsigned mask, Vote vote, bool predicate, Place place);

enum class Reduction { Add, Min, Max, And, Or, Xor };
unsigned reduce(unsigned mask, Reduction reduction, unsigned value, Place place);
int reduce(unsigned mask, Reduction reduction, int value, Place place);

}  // namespace emulator

constexpr int warpSize = 32;

inline void __syncwarp(unsigned mask = 0xffffffffu, emulator::Place place = EMULATOR_HERE) {
  emulator::exchange({mask, emulator::WarpOp::Sync, 0, place, nullptr}, nullptr, 0, 0, nullptr, 0);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, emulator::Place place = EMULATOR_HERE) {
  const int me = emulator::lane_now();
  return emulator::shuffle(emulator::WarpOp::Shuffle, mask, value, (me & ~(width - 1)) | (lane & (width - 1)), width, place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, emulator::Place place = EMULATOR_HERE) {
  const int me = emulator::lane_now(), within = me & (width - 1);
  return emulator::shuffle(emulator::WarpOp::ShuffleUp, mask, value, within < static_cast<int>(delta) ? me : me - static_cast<int>(delta), width, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, emulator::Place place = EMULATOR_HERE) {
  const int me = emulator::lane_now(), within = me & (width - 1);
  return emulator::shuffle(emulator::WarpOp::ShuffleDown, mask, value, within + static_cast<int>(delta) >= width ? me : me + static_cast<int>(delta), width, place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, emulator::Place place = EMULATOR_HERE) {
  const int me = emulator::lane_now(), other = (me ^ bits) & 31;
  return emulator::shuffle(emulator::WarpOp::ShuffleXor, mask, value, other / width > me / width ? me : other, width, place);
}

inline unsigned __activemask() = delete;  // says nothing that a kernel may rely on
inline unsigned __ballot_sync(unsigned mask, int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::ballot(mask, emulator::Vote::Ballot, predicate != 0, place); }
inline int __any_sync(unsigned mask, int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::ballot(mask, emulator::Vote::Any, predicate != 0, place) != 0; }
inline int __all_sync(unsigned mask, int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::ballot(mask, emulator::Vote::All, predicate != 0, place) == mask; }

// Of int and unsigned, as on sm_80.
template <class T>
T __reduce_add_sync(unsigned mask, T value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::Add, value, place); }
template <class T>
T __reduce_min_sync(unsigned mask, T value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::Min, value, place); }
template <class T>
T __reduce_max_sync(unsigned mask, T value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::Max, value, place); }
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::And, value, place); }
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::Or, value, place); }
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, emulator::Place place = EMULATOR_HERE) { return emulator::reduce(mask, emulator::Reduction::Xor, value, place); }
