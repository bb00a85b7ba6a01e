// d = alpha op(a) op(b) + beta c on an emulated stream; matrices are column-major, sums are fp32 in the order of k.
//
// The work is put into stream order through the functions that the stream handle brings along (stream_interface.h), and captured
// when the stream captures. Found here: operands or a workspace outside device memory (a line on stderr, kInvalidValue), other
// handles than emulated streams, the legacy stream included; combinations of types that the real library refuses. The workspace
// is overwritten, as the real library may do.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../stream_interface.h"
#include "api.h"

struct Matrix {
  const void* data;
  DataType type;
  int64_t ld, stride;  // stride: from one product of a batch to the next
};

struct Product {
  int64_t m, n, k, batch;
  bool transpose_a, transpose_b;
  Matrix a, b, c, d;  // d is written
  float alpha, beta;  // beta 0: c is not read
  bool tf32;          // operands are rounded to 10 bits of mantissa
  void* workspace;
  size_t workspace_bytes;
};

Status enqueue(emulator::StreamInterface* stream, const Product& product);

// Whether the real library has such a product.
bool types_supported(DataType a, DataType b, DataType c, Compute compute);
