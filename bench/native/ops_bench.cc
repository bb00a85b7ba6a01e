// Fused ops on the CPU against the plain product of the same weights, so that the figures mean the same on any machine.
//
//   ops_bench [threads [filter]] [--json FILE]     default: 1, all; HYPERTUNE_ISA chooses the instruction set
//
// Attention and cross-entropy: share of what a product y = x W^T of 512 x 768 x 768 reaches per second in the same run
// (fp32), counting 4 operations per query, key and channel forward and 10 backward, and the head's products.
// lora_linear: time over that of the same products without an adapter.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/ops.gen.h"
#include "cpu/gemm.h"
#include "cpu/isa.h"
#include "cpu/threads.h"
#include "../bench/native/results.h"

using namespace ht;

namespace {

double seconds_of(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Best of several calls. One thread: its CPU time, so that a machine in use can be measured too.
double measure(const std::function<void()>& call) {
  const clockid_t clock = cpu::thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  call();
  double best = 1e9;
  int calls = 0;
  for (const double end = seconds_of(clock) + 0.3; calls < 3 || seconds_of(clock) < end; ++calls) {
    const double start = seconds_of(clock);
    call();
    best = std::min(best, seconds_of(clock) - start);
  }
  return best;
}

// Owns the operands of a bench.
class Operands {
 public:
  Tensor floats(std::vector<int64_t> shape, DType dtype = DType::F32, float size = 0.05f) {
    Tensor t = make(shape, dtype);
    for (int64_t i = 0; i < t.size(); ++i) t.set(i, size * (static_cast<float>((state_ = state_ * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f));
    return t;
  }
  Tensor integers(std::vector<int64_t> shape, const std::function<int32_t(int64_t)>& value) {
    Tensor t = make(shape, DType::I32);
    for (int64_t i = 0; i < t.size(); ++i) t.i32()[i] = value(i);
    return t;
  }
  Tensor frozen(std::vector<int64_t> shape, DType dtype = DType::F32) {
    Tensor t = floats(shape, dtype);
    caches_.emplace_back();
    t.cache = &caches_.back();
    return t;
  }

 private:
  Tensor make(const std::vector<int64_t>& shape, DType dtype) {
    Tensor t;
    t.dtype = dtype;
    t.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), t.dim);
    memory_.emplace_back(t.bytes() + 64);
    t.data = memory_.back().data();
    return t;
  }
  std::deque<std::vector<char>> memory_;
  std::deque<DerivedCache> caches_;
  uint32_t state_ = 1;
};

double product_rate() {
  Operands all;
  const int64_t m = 512, n = 768;
  const Tensor x = all.floats({m, n}), w = all.floats({n, n}), y = all.floats({m, n});
  const cpu::PackedB packed = cpu::pack_b(cpu::Matrix::of(w.data, w.dtype, n, n).t());
  cpu::GemmOptions options;
  options.packed_b = &packed;
  const double seconds = measure([&] {
    cpu::gemm(cpu::Matrix::of(x.data, x.dtype, m, n), cpu::Matrix::of(w.data, w.dtype, n, n).t(), cpu::MatrixOut::of(y.data, y.dtype, m, n), options);
  });
  return 2.0 * m * n * n / seconds;
}

Attr integer(int32_t i) {
  Attr a;
  a.i = i;
  return a;
}
Attr real(float f) {
  Attr a;
  a.f = f;
  return a;
}

void attention(Results& results, double rate, int64_t rows, int64_t length, int64_t heads, int64_t dim, int64_t prefix, DType dtype) {
  Operands all;
  const int64_t tokens = rows * length, width = heads * dim;
  using O = op::prefix_attention_grad;
  std::vector<Tensor> in(O::in_fixed), out(O::o_dprefix_bias + 1);
  for (int i : {O::q, O::k, O::v, O::o, O::do_}) in[i] = all.floats({tokens, width}, dtype, 0.5f);
  in[O::lse] = all.floats({tokens, heads});
  in[O::bias] = all.floats({32, heads});
  in[O::q_offsets] = in[O::k_offsets] = all.integers({rows + 1}, [&](int64_t i) { return static_cast<int32_t>(i * length); });
  if (prefix) {
    in[O::prefix_slot] = all.integers({rows}, [](int64_t i) { return static_cast<int32_t>(i); });
    in[O::pk] = all.floats({rows * prefix, width}, dtype);
    in[O::pv] = all.floats({rows * prefix, width}, dtype);
    in[O::prefix_table] = all.integers({rows, 1}, [](int64_t i) { return static_cast<int32_t>(i); });
    in[O::prefix_len] = all.integers({rows}, [&](int64_t) { return static_cast<int32_t>(prefix); });
  }
  std::vector<Tensor> forward_out = {in[O::o], in[O::lse]};
  out[O::o_dq] = all.floats({tokens, width});
  out[O::o_dk] = all.floats({tokens, width});
  out[O::o_dv] = all.floats({tokens, width});
  out[O::o_dbias] = all.floats({32, heads});
  if (prefix) {
    out[O::o_dpk] = all.floats({rows * prefix, width});
    out[O::o_dpv] = all.floats({rows * prefix, width});
  }
  const Attr attr[] = {integer(static_cast<int32_t>(heads)), integer(0), integer(1), integer(128), integer(static_cast<int32_t>(std::max<int64_t>(prefix, 1))), integer(0),
                       integer(static_cast<int32_t>(dtype))};
  const double operations = static_cast<double>(tokens) * static_cast<double>((length + prefix) * width);
  const double forward = measure([&] { prefix_attention_cpu({in.data(), forward_out.data(), attr, nullptr}); });
  const double backward = measure([&] { prefix_attention_grad_cpu({in.data(), out.data(), attr, nullptr}); });
  const std::string shape = std::to_string(rows) + " x " + std::to_string(length) + ", prefix " + std::to_string(prefix);
  results.add("attention", shape, dtype_name(dtype), rows, forward * 1e3, "ms", 4 * operations / forward / rate);
  results.add("attention backward", shape, dtype_name(dtype), rows, backward * 1e3, "ms", 10 * operations / backward / rate);
  std::printf("attention        %3ld rows x %4ld, %2ld heads x %3ld, prefix %3ld, %s: forward %8.3f ms %3.0f %%, backward %8.3f ms %3.0f %%\n", long(rows), long(length),
              long(heads), long(dim), long(prefix), dtype_name(dtype), forward * 1e3, 100 * 4 * operations / forward / rate, backward * 1e3, 100 * 10 * operations / backward / rate);
}

void decode_attention(Results& results, int64_t rows, int64_t length, int64_t heads, int64_t dim, DType dtype) {
  Operands all;
  using O = op::prefix_attention_decode;
  std::vector<Tensor> in(O::in_fixed), out = {all.floats({rows, heads * dim}, dtype)};
  in[O::q] = all.floats({rows, heads * dim}, dtype);
  in[O::k] = all.floats({rows * length, heads * dim}, dtype);
  in[O::v] = all.floats({rows * length, heads * dim}, dtype);
  in[O::length] = all.integers({rows}, [&](int64_t) { return static_cast<int32_t>(length); });
  in[O::bias] = all.floats({32, heads});
  const Attr attr[] = {integer(static_cast<int32_t>(heads)), integer(static_cast<int32_t>(length)), integer(128), integer(1), integer(0), integer(static_cast<int32_t>(dtype))};
  const double seconds = measure([&] { prefix_attention_decode_cpu({in.data(), out.data(), attr, nullptr}); });
  results.add("attention decode", std::to_string(rows) + " x " + std::to_string(length), dtype_name(dtype), rows, seconds * 1e3, "ms");
  std::printf("attention decode %3ld rows, cache %4ld, %2ld heads x %3ld, %s: %8.3f ms, %5.1f GB/s of keys and values\n", long(rows), long(length), long(heads), long(dim),
              dtype_name(dtype), seconds * 1e3, static_cast<double>(in[O::k].bytes() * 2) / seconds * 1e-9);
}

void lora(Results& results, int64_t rows, int64_t length, int64_t in_dim, int64_t out_dim, int64_t rank, int64_t slots, DType dtype) {
  Operands all;
  using O = op::lora_linear;
  const int64_t tokens = rows * length;
  std::vector<Tensor> plain(O::in_fixed + O::in_group), out = {all.floats({tokens, out_dim}, dtype)};
  plain[O::x] = all.floats({tokens, in_dim}, dtype);
  plain[O::w] = all.frozen({out_dim, in_dim}, dtype);
  std::vector<Tensor> in = plain;
  in[O::offsets] = all.integers({rows + 1}, [&](int64_t i) { return static_cast<int32_t>(i * length); });
  in[O::slots] = all.integers({rows}, [&](int64_t i) { return static_cast<int32_t>(i % slots); });
  in[O::a] = all.floats({slots * rank, in_dim}, dtype);
  in[O::b] = all.floats({slots * rank, out_dim}, dtype);
  in[O::table] = all.integers({slots, 1}, [](int64_t i) { return static_cast<int32_t>(i); });
  in[O::scale] = all.floats({slots});
  const Attr attr[] = {integer(1), integer(static_cast<int32_t>(rank)), integer(static_cast<int32_t>(dtype))};
  const double without = measure([&] { lora_linear_cpu({plain.data(), out.data(), attr, nullptr}); });
  const double with = measure([&] { lora_linear_cpu({in.data(), out.data(), attr, nullptr}); });
  results.add("lora_linear", std::to_string(in_dim) + " to " + std::to_string(out_dim) + ", " + std::to_string(slots) + " adapters", dtype_name(dtype), tokens, with * 1e3, "ms", without / with);
  std::printf("lora_linear      %4ld tokens, %4ld -> %4ld, rank %ld, %2ld adapters, %s: %8.3f ms, %+5.1f %%\n", long(tokens), long(in_dim), long(out_dim), long(rank), long(slots),
              dtype_name(dtype), with * 1e3, 100 * (with / without - 1));
}

void cross_entropy_head(Results& results, double rate, int64_t tokens, int64_t d, int64_t vocabulary, DType dtype) {
  Operands all;
  using O = op::cross_entropy_grad;
  std::vector<Tensor> in(O::in_fixed), out(2), forward_out = {all.floats({tokens}), all.floats({tokens})};
  in[O::x] = all.floats({tokens, d}, dtype);
  in[O::w] = all.frozen({vocabulary, d}, dtype);
  in[O::labels] = all.integers({tokens}, [](int64_t i) { return static_cast<int32_t>(i); });
  in[O::g] = all.floats({tokens});
  out[O::o_dx] = all.floats({tokens, d});
  const Attr attr[] = {real(1)};
  const double forward = measure([&] { cross_entropy_cpu({in.data(), forward_out.data(), attr, nullptr}); });
  in[O::lse] = forward_out[op::cross_entropy::o_lse];
  const double backward = measure([&] { cross_entropy_grad_cpu({in.data(), out.data(), attr, nullptr}); });
  const double operations = 2.0 * static_cast<double>(tokens) * static_cast<double>(d * vocabulary);
  results.add("cross_entropy", std::to_string(vocabulary), dtype_name(dtype), tokens, forward * 1e3, "ms", operations / forward / rate);
  results.add("cross_entropy backward", std::to_string(vocabulary), dtype_name(dtype), tokens, backward * 1e3, "ms", 2 * operations / backward / rate);
  std::printf("cross_entropy    %4ld tokens, %4ld -> %ld, %s: forward %8.3f ms %3.0f %%, backward %8.3f ms %3.0f %%\n", long(tokens), long(d), long(vocabulary), dtype_name(dtype),
              forward * 1e3, 100 * operations / forward / rate, backward * 1e3, 100 * 2 * operations / backward / rate);
}

}  // namespace

int main(int argc, char** argv) {
  Results results(argc, argv);
  cpu::set_thread_count(argc > 1 ? std::max(1, std::atoi(argv[1])) : 1);
  const std::string filter = argc > 2 ? argv[2] : "";
  const auto wanted = [&](const char* name) { return std::string(name).find(filter) != std::string::npos; };
  const double rate = product_rate();
  std::printf("%s, %d threads; plain product %.1f GFLOP/s\n", cpu::isa_name(cpu::active_isa()), cpu::thread_count(), rate * 1e-9);
  if (wanted("attention")) {
    for (DType dtype : {DType::F32, DType::BF16}) attention(results, rate, 1, 512, 6, 64, 0, dtype);
    attention(results, rate, 16, 64, 6, 64, 0, DType::F32);
    attention(results, rate, 16, 64, 6, 64, 32, DType::F32);
    attention(results, rate, 16, 111, 6, 64, 0, DType::F32);
    for (DType dtype : {DType::F32, DType::BF16}) decode_attention(results, 8, 128, 12, 64, dtype);
  }
  if (wanted("lora_linear")) {
    for (DType dtype : {DType::F32, DType::BF16}) {
      lora(results, 16, 64, 768, 768, 16, 16, dtype);
      lora(results, 16, 64, 512, 384, 16, 4, dtype);
      lora(results, 1, 1, 768, 768, 16, 1, dtype);
      lora(results, 8, 1, 768, 768, 16, 8, dtype);
      lora(results, 32, 1, 768, 768, 16, 32, dtype);
      lora(results, 32, 1, 768, 768, 16, 1, dtype);
    }
  }
  if (wanted("cross_entropy"))
    for (DType dtype : {DType::F32, DType::BF16})
      for (int64_t tokens : {16, 512}) cross_entropy_head(results, rate, tokens, 512, 8000, dtype);
  return results.write() ? 0 : 1;
}
