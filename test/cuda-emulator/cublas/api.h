// The values of cuBLAS and cuBLASLt that the stand-ins know, written down apart from native/cuda so that one checks the other.
#pragma once

enum Status : int { kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kExecutionFailed = 13, kNotSupported = 15 };
enum DataType : int { kF32 = 0, kBf16 = 14 };
enum Operation : int { kNone = 0, kTranspose = 1 };
enum Compute : int { kCompute32F = 68, kCompute32FPedantic = 69, kCompute32FFastTf32 = 77 };
enum MathMode : int { kMathDefault = 0, kMathPedantic = 2, kMathTf32 = 3, kMathKeepPrecision = 16 };

#define CUBLAS_API extern "C" __attribute__((visibility("default")))
