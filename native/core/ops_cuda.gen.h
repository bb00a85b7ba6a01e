// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.
#pragma once
#include "core/ops.gen.h"

namespace ht::cuda {

class Launcher;
using CudaKernel = void (*)(const Call&, Launcher&);

void concat_rows_cuda(const Call&, Launcher&);
void gather_rows_cuda(const Call&, Launcher&);
void scatter_add_rows_cuda(const Call&, Launcher&);
void write_rows_cuda(const Call&, Launcher&);
void add_cuda(const Call&, Launcher&);
void mul_cuda(const Call&, Launcher&);
void scale_cuda(const Call&, Launcher&);
void scale_by_cuda(const Call&, Launcher&);
void cast_cuda(const Call&, Launcher&);
void expand_cuda(const Call&, Launcher&);
void fill_cuda(const Call&, Launcher&);
void dropout_cuda(const Call&, Launcher&);
void activation_cuda(const Call&, Launcher&);
void activation_grad_cuda(const Call&, Launcher&);
void gated_activation_cuda(const Call&, Launcher&);
void gated_activation_grad_cuda(const Call&, Launcher&);
void sum_cuda(const Call&, Launcher&);
void global_norm_cuda(const Call&, Launcher&);
void grad_scale_cuda(const Call&, Launcher&);
void adamw_cuda(const Call&, Launcher&);
void accumulate_cuda(const Call&, Launcher&);
void assign_cuda(const Call&, Launcher&);
void zero_cuda(const Call&, Launcher&);
void embedding_cuda(const Call&, Launcher&);
void embedding_grad_cuda(const Call&, Launcher&);
void rms_norm_cuda(const Call&, Launcher&);
void rms_norm_grad_cuda(const Call&, Launcher&);
void lora_linear_cuda(const Call&, Launcher&);
void lora_linear_dx_cuda(const Call&, Launcher&);
void lora_linear_dab_cuda(const Call&, Launcher&);
void linear_dw_cuda(const Call&, Launcher&);
void prefix_attention_cuda(const Call&, Launcher&);
void prefix_attention_grad_cuda(const Call&, Launcher&);
void prefix_attention_decode_cuda(const Call&, Launcher&);
void kv_append_cuda(const Call&, Launcher&);
void hyper_heads_cuda(const Call&, Launcher&);
void hyper_heads_grad_cuda(const Call&, Launcher&);
void cross_entropy_cuda(const Call&, Launcher&);
void cross_entropy_grad_cuda(const Call&, Launcher&);
void log_softmax_cuda(const Call&, Launcher&);
void logit_rules_cuda(const Call&, Launcher&);
void top_k_cuda(const Call&, Launcher&);
void sample_cuda(const Call&, Launcher&);
void adafactor_cuda(const Call&, Launcher&);
void adafactor_full_cuda(const Call&, Launcher&);
void average_cuda(const Call&, Launcher&);

// In the order of the op table; null for views.
inline const CudaKernel kCudaKernels[kOpCount] = {
    nullptr,
    nullptr,
    concat_rows_cuda,
    gather_rows_cuda,
    scatter_add_rows_cuda,
    write_rows_cuda,
    add_cuda,
    mul_cuda,
    scale_cuda,
    scale_by_cuda,
    cast_cuda,
    expand_cuda,
    fill_cuda,
    dropout_cuda,
    activation_cuda,
    activation_grad_cuda,
    gated_activation_cuda,
    gated_activation_grad_cuda,
    sum_cuda,
    global_norm_cuda,
    grad_scale_cuda,
    adamw_cuda,
    accumulate_cuda,
    assign_cuda,
    zero_cuda,
    embedding_cuda,
    embedding_grad_cuda,
    rms_norm_cuda,
    rms_norm_grad_cuda,
    lora_linear_cuda,
    lora_linear_dx_cuda,
    lora_linear_dab_cuda,
    linear_dw_cuda,
    prefix_attention_cuda,
    prefix_attention_grad_cuda,
    prefix_attention_decode_cuda,
    kv_append_cuda,
    hyper_heads_cuda,
    hyper_heads_grad_cuda,
    cross_entropy_cuda,
    cross_entropy_grad_cuda,
    log_softmax_cuda,
    logit_rules_cuda,
    top_k_cuda,
    sample_cuda,
    adafactor_cuda,
    adafactor_full_cuda,
    average_cuda,
};

}  // namespace ht::cuda
