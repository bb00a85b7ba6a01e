// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.
#pragma once
#include "core/op_schema.h"
#include "core/tensor.h"

namespace ht {

constexpr int kOpCount = 45;
constexpr int kOpTableVersion = 1;

enum class Op : int32_t {
  reshape = 0,
  split_rows = 1,
  concat_rows = 2,
  gather_rows = 3,
  scatter_add_rows = 4,
  write_rows = 5,
  add = 6,
  mul = 7,
  scale = 8,
  scale_by = 9,
  cast = 10,
  expand = 11,
  fill = 12,
  dropout = 13,
  activation = 14,
  activation_grad = 15,
  gated_activation = 16,
  gated_activation_grad = 17,
  sum = 18,
  global_norm = 19,
  grad_scale = 20,
  adamw = 21,
  accumulate = 22,
  assign = 23,
  zero = 24,
  embedding = 25,
  embedding_grad = 26,
  rms_norm = 27,
  rms_norm_grad = 28,
  lora_linear = 29,
  lora_linear_dx = 30,
  lora_linear_dab = 31,
  linear_dw = 32,
  prefix_attention = 33,
  prefix_attention_grad = 34,
  prefix_attention_decode = 35,
  kv_append = 36,
  hyper_heads = 37,
  hyper_heads_grad = 38,
  cross_entropy = 39,
  cross_entropy_grad = 40,
  log_softmax = 41,
  logit_rules = 42,
  top_k = 43,
  sample = 44,
};

// Positions of operands and attributes: call.in[op::rms_norm::gain], op::lora_linear::in(call, op::lora_linear::w, i).
namespace op {
struct reshape {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct split_rows {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 0, out_group = 1;
  static Tensor& out(const Call& c, int operand, int i) { return c.out[operand < 0 ? operand : operand + i * 1]; }
  static constexpr int a_n = 0;
};
struct concat_rows {
  static constexpr int x = 0;
  static constexpr int in_fixed = 0, in_group = 1;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 0 ? operand : operand + i * 1]; }
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_n = 0;
  static constexpr int a_dtype = 1;
};
struct gather_rows {
  static constexpr int x = 0;
  static constexpr int index = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct scatter_add_rows {
  static constexpr int x = 0;
  static constexpr int index = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct write_rows {
  static constexpr int buffer = 0;
  static constexpr int index = 1;
  static constexpr int x = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
};
struct add {
  static constexpr int a = 0;
  static constexpr int b = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct mul {
  static constexpr int a = 0;
  static constexpr int b = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct scale {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_alpha = 0;
  static constexpr int a_dtype = 1;
};
struct scale_by {
  static constexpr int x = 0;
  static constexpr int s = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct cast {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct expand {
  static constexpr int s = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct fill {
  static constexpr int in_fixed = 0, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_value = 0;
};
struct dropout {
  static constexpr int x = 0;
  static constexpr int key = 1;
  static constexpr int rate = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_stream = 0;
  static constexpr int a_dtype = 1;
};
struct activation {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_kind = 0;
  static constexpr int a_dtype = 1;
};
struct activation_grad {
  static constexpr int x = 0;
  static constexpr int dy = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_dx = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_kind = 0;
};
struct gated_activation {
  static constexpr int a = 0;
  static constexpr int b = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_kind = 0;
  static constexpr int a_dtype = 1;
};
struct gated_activation_grad {
  static constexpr int a = 0;
  static constexpr int b = 1;
  static constexpr int dy = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int o_da = 0;
  static constexpr int o_db = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_kind = 0;
};
struct sum {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct global_norm {
  static constexpr int x = 0;
  static constexpr int in_fixed = 0, in_group = 1;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 0 ? operand : operand + i * 1]; }
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_n = 0;
};
struct grad_scale {
  static constexpr int norm = 0;
  static constexpr int count = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_scale = 0;
  static constexpr int o_norm_out = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_max_norm = 0;
};
struct adamw {
  static constexpr int param = 0;
  static constexpr int m = 1;
  static constexpr int v = 2;
  static constexpr int copy = 3;
  static constexpr int grad = 4;
  static constexpr int rates = 5;
  static constexpr int gscale = 6;
  static constexpr int in_fixed = 7, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
  static constexpr int a_beta1 = 0;
  static constexpr int a_beta2 = 1;
  static constexpr int a_eps = 2;
  static constexpr int a_weight_decay = 3;
  static constexpr int a_lr_scale = 4;
};
struct accumulate {
  static constexpr int buffer = 0;
  static constexpr int x = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
};
struct assign {
  static constexpr int buffer = 0;
  static constexpr int x = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
};
struct zero {
  static constexpr int buffer = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
};
struct embedding {
  static constexpr int table = 0;
  static constexpr int prompt = 1;
  static constexpr int ids = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_dtype = 0;
};
struct embedding_grad {
  static constexpr int ids = 0;
  static constexpr int dy = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_dtable = 0;
  static constexpr int o_dprompt = 1;
  static constexpr int out_fixed = 2, out_group = 0;
};
struct rms_norm {
  static constexpr int x = 0;
  static constexpr int residual = 1;
  static constexpr int gain = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int o_h = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_eps = 0;
  static constexpr int a_dtype = 1;
};
struct rms_norm_grad {
  static constexpr int h = 0;
  static constexpr int gain = 1;
  static constexpr int dy = 2;
  static constexpr int carry = 3;
  static constexpr int in_fixed = 4, in_group = 0;
  static constexpr int o_dh = 0;
  static constexpr int o_dgain = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_eps = 0;
};
struct lora_linear {
  static constexpr int x = 0;
  static constexpr int offsets = 1;
  static constexpr int slots = 2;
  static constexpr int scale_slots = 3;
  static constexpr int s_in = 4;
  static constexpr int w = 5;
  static constexpr int a = 6;
  static constexpr int b = 7;
  static constexpr int table = 8;
  static constexpr int scale = 9;
  static constexpr int mid = 10;
  static constexpr int s_out = 11;
  static constexpr int in_fixed = 5, in_group = 7;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 5 ? operand : operand + i * 7]; }
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 0, out_group = 1;
  static Tensor& out(const Call& c, int operand, int i) { return c.out[operand < 0 ? operand : operand + i * 1]; }
  static constexpr int a_n = 0;
  static constexpr int a_page_rank = 1;
  static constexpr int a_dtype = 2;
};
struct lora_linear_dx {
  static constexpr int offsets = 0;
  static constexpr int slots = 1;
  static constexpr int scale_slots = 2;
  static constexpr int s_in = 3;
  static constexpr int dy = 4;
  static constexpr int w = 5;
  static constexpr int a = 6;
  static constexpr int b = 7;
  static constexpr int table = 8;
  static constexpr int scale = 9;
  static constexpr int mid = 10;
  static constexpr int s_out = 11;
  static constexpr int in_fixed = 4, in_group = 8;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 4 ? operand : operand + i * 8]; }
  static constexpr int o_dx = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_n = 0;
  static constexpr int a_page_rank = 1;
};
struct lora_linear_dab {
  static constexpr int x = 0;
  static constexpr int offsets = 1;
  static constexpr int slots = 2;
  static constexpr int dy = 3;
  static constexpr int a = 4;
  static constexpr int b = 5;
  static constexpr int table = 6;
  static constexpr int scale = 7;
  static constexpr int mid = 8;
  static constexpr int in_fixed = 9, in_group = 0;
  static constexpr int o_da = 0;
  static constexpr int o_db = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_page_rank = 0;
};
struct linear_dw {
  static constexpr int x = 0;
  static constexpr int dy = 1;
  static constexpr int in_fixed = 2, in_group = 0;
  static constexpr int o_dw = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct prefix_attention {
  static constexpr int q = 0;
  static constexpr int k = 1;
  static constexpr int v = 2;
  static constexpr int q_offsets = 3;
  static constexpr int k_offsets = 4;
  static constexpr int kv_row = 5;
  static constexpr int bias = 6;
  static constexpr int prefix_slot = 7;
  static constexpr int pk = 8;
  static constexpr int pv = 9;
  static constexpr int prefix_table = 10;
  static constexpr int prefix_len = 11;
  static constexpr int prefix_bias = 12;
  static constexpr int in_fixed = 13, in_group = 0;
  static constexpr int o_o = 0;
  static constexpr int o_lse = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_heads = 0;
  static constexpr int a_causal = 1;
  static constexpr int a_bidirectional = 2;
  static constexpr int a_max_distance = 3;
  static constexpr int a_page_len = 4;
  static constexpr int a_policy = 5;
  static constexpr int a_dtype = 6;
};
struct prefix_attention_grad {
  static constexpr int q = 0;
  static constexpr int k = 1;
  static constexpr int v = 2;
  static constexpr int q_offsets = 3;
  static constexpr int k_offsets = 4;
  static constexpr int kv_row = 5;
  static constexpr int bias = 6;
  static constexpr int prefix_slot = 7;
  static constexpr int pk = 8;
  static constexpr int pv = 9;
  static constexpr int prefix_table = 10;
  static constexpr int prefix_len = 11;
  static constexpr int prefix_bias = 12;
  static constexpr int o = 13;
  static constexpr int lse = 14;
  static constexpr int do_ = 15;
  static constexpr int in_fixed = 16, in_group = 0;
  static constexpr int o_dq = 0;
  static constexpr int o_dk = 1;
  static constexpr int o_dv = 2;
  static constexpr int o_dbias = 3;
  static constexpr int o_dpk = 4;
  static constexpr int o_dpv = 5;
  static constexpr int o_dprefix_bias = 6;
  static constexpr int out_fixed = 7, out_group = 0;
  static constexpr int a_heads = 0;
  static constexpr int a_causal = 1;
  static constexpr int a_bidirectional = 2;
  static constexpr int a_max_distance = 3;
  static constexpr int a_page_len = 4;
  static constexpr int a_policy = 5;
};
struct prefix_attention_decode {
  static constexpr int q = 0;
  static constexpr int k = 1;
  static constexpr int v = 2;
  static constexpr int length = 3;
  static constexpr int ancestors = 4;
  static constexpr int bias = 5;
  static constexpr int prefix_slot = 6;
  static constexpr int pk = 7;
  static constexpr int pv = 8;
  static constexpr int prefix_table = 9;
  static constexpr int prefix_len = 10;
  static constexpr int prefix_bias = 11;
  static constexpr int in_fixed = 12, in_group = 0;
  static constexpr int o_o = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_heads = 0;
  static constexpr int a_cache_len = 1;
  static constexpr int a_max_distance = 2;
  static constexpr int a_page_len = 3;
  static constexpr int a_policy = 4;
  static constexpr int a_dtype = 5;
};
struct kv_append {
  static constexpr int cache = 0;
  static constexpr int x = 1;
  static constexpr int length = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
  static constexpr int a_cache_len = 0;
};
struct hyper_heads {
  static constexpr int u = 0;
  static constexpr int w1 = 1;
  static constexpr int b1 = 2;
  static constexpr int w2 = 3;
  static constexpr int b2 = 4;
  static constexpr int in_fixed = 3, in_group = 2;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 3 ? operand : operand + i * 2]; }
  static constexpr int o_t = 0;
  static constexpr int o_y = 1;
  static constexpr int out_fixed = 1, out_group = 1;
  static Tensor& out(const Call& c, int operand, int i) { return c.out[operand < 1 ? operand : operand + i * 1]; }
  static constexpr int a_n = 0;
  static constexpr int a_output_scale = 1;
};
struct hyper_heads_grad {
  static constexpr int u = 0;
  static constexpr int w1 = 1;
  static constexpr int t = 2;
  static constexpr int w2 = 3;
  static constexpr int dy = 4;
  static constexpr int in_fixed = 3, in_group = 2;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 3 ? operand : operand + i * 2]; }
  static constexpr int o_du = 0;
  static constexpr int o_dw1 = 1;
  static constexpr int o_db1 = 2;
  static constexpr int o_dw2 = 3;
  static constexpr int o_db2 = 4;
  static constexpr int out_fixed = 3, out_group = 2;
  static Tensor& out(const Call& c, int operand, int i) { return c.out[operand < 3 ? operand : operand + i * 2]; }
  static constexpr int a_n = 0;
  static constexpr int a_output_scale = 1;
};
struct cross_entropy {
  static constexpr int x = 0;
  static constexpr int w = 1;
  static constexpr int labels = 2;
  static constexpr int in_fixed = 3, in_group = 0;
  static constexpr int o_logp = 0;
  static constexpr int o_lse = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_scale = 0;
};
struct cross_entropy_grad {
  static constexpr int x = 0;
  static constexpr int w = 1;
  static constexpr int labels = 2;
  static constexpr int lse = 3;
  static constexpr int g = 4;
  static constexpr int in_fixed = 5, in_group = 0;
  static constexpr int o_dx = 0;
  static constexpr int o_dw = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_scale = 0;
};
struct log_softmax {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
};
struct logit_rules {
  static constexpr int x = 0;
  static constexpr int history = 1;
  static constexpr int length = 2;
  static constexpr int eos = 3;
  static constexpr int banned = 4;
  static constexpr int suppress = 5;
  static constexpr int in_fixed = 6, in_group = 0;
  static constexpr int o_y = 0;
  static constexpr int out_fixed = 1, out_group = 0;
  static constexpr int a_repetition_penalty = 0;
  static constexpr int a_no_repeat_ngram = 1;
  static constexpr int a_min_length = 2;
};
struct top_k {
  static constexpr int x = 0;
  static constexpr int in_fixed = 1, in_group = 0;
  static constexpr int o_value = 0;
  static constexpr int o_id = 1;
  static constexpr int out_fixed = 2, out_group = 0;
  static constexpr int a_k = 0;
};
struct sample {
  static constexpr int x = 0;
  static constexpr int token = 1;
  static constexpr int length = 2;
  static constexpr int done = 3;
  static constexpr int history = 4;
  static constexpr int params = 5;
  static constexpr int seed = 6;
  static constexpr int eos = 7;
  static constexpr int in_fixed = 8, in_group = 0;
  static constexpr int o_next = 0;
  static constexpr int o_logp = 1;
  static constexpr int o_stop = 2;
  static constexpr int out_fixed = 3, out_group = 0;
  static constexpr int a_pad = 0;
};
}  // namespace op

void concat_rows_ref(const Call&);
void gather_rows_ref(const Call&);
void scatter_add_rows_ref(const Call&);
void write_rows_ref(const Call&);
void add_ref(const Call&);
void mul_ref(const Call&);
void scale_ref(const Call&);
void scale_by_ref(const Call&);
void cast_ref(const Call&);
void expand_ref(const Call&);
void fill_ref(const Call&);
void dropout_ref(const Call&);
void activation_ref(const Call&);
void activation_grad_ref(const Call&);
void gated_activation_ref(const Call&);
void gated_activation_grad_ref(const Call&);
void sum_ref(const Call&);
void global_norm_ref(const Call&);
void grad_scale_ref(const Call&);
void adamw_ref(const Call&);
void accumulate_ref(const Call&);
void assign_ref(const Call&);
void zero_ref(const Call&);
void embedding_ref(const Call&);
void embedding_grad_ref(const Call&);
void rms_norm_ref(const Call&);
void rms_norm_grad_ref(const Call&);
void lora_linear_ref(const Call&);
void lora_linear_dx_ref(const Call&);
void lora_linear_dab_ref(const Call&);
void linear_dw_ref(const Call&);
void prefix_attention_ref(const Call&);
void prefix_attention_grad_ref(const Call&);
void prefix_attention_decode_ref(const Call&);
void kv_append_ref(const Call&);
void hyper_heads_ref(const Call&);
void hyper_heads_grad_ref(const Call&);
void cross_entropy_ref(const Call&);
void cross_entropy_grad_ref(const Call&);
void log_softmax_ref(const Call&);
void logit_rules_ref(const Call&);
void top_k_ref(const Call&);
void sample_ref(const Call&);
void concat_rows_cpu(const Call&);
void gather_rows_cpu(const Call&);
void add_cpu(const Call&);
void mul_cpu(const Call&);
void scale_cpu(const Call&);
void scale_by_cpu(const Call&);
void cast_cpu(const Call&);
void dropout_cpu(const Call&);
void activation_cpu(const Call&);
void activation_grad_cpu(const Call&);
void gated_activation_cpu(const Call&);
void gated_activation_grad_cpu(const Call&);
void global_norm_cpu(const Call&);
void adamw_cpu(const Call&);
void accumulate_cpu(const Call&);
void assign_cpu(const Call&);
void zero_cpu(const Call&);
void embedding_cpu(const Call&);
void embedding_grad_cpu(const Call&);
void rms_norm_cpu(const Call&);
void rms_norm_grad_cpu(const Call&);
void lora_linear_cpu(const Call&);
void lora_linear_dx_cpu(const Call&);
void lora_linear_dab_cpu(const Call&);
void linear_dw_cpu(const Call&);
void prefix_attention_cpu(const Call&);
void prefix_attention_grad_cpu(const Call&);
void prefix_attention_decode_cpu(const Call&);
void kv_append_cpu(const Call&);
void hyper_heads_cpu(const Call&);
void hyper_heads_grad_cpu(const Call&);
void cross_entropy_cpu(const Call&);
void cross_entropy_grad_cpu(const Call&);
void log_softmax_cpu(const Call&);
void top_k_cpu(const Call&);
void sample_cpu(const Call&);

// Reference kernel, then the fast CPU kernel where there is one; both null for views.
struct OpKernels {
  Kernel reference, cpu;
};
inline constexpr OpKernels kOpKernels[kOpCount] = {
    {nullptr, nullptr},
    {nullptr, nullptr},
    {concat_rows_ref, concat_rows_cpu},
    {gather_rows_ref, gather_rows_cpu},
    {scatter_add_rows_ref, nullptr},
    {write_rows_ref, nullptr},
    {add_ref, add_cpu},
    {mul_ref, mul_cpu},
    {scale_ref, scale_cpu},
    {scale_by_ref, scale_by_cpu},
    {cast_ref, cast_cpu},
    {expand_ref, nullptr},
    {fill_ref, nullptr},
    {dropout_ref, dropout_cpu},
    {activation_ref, activation_cpu},
    {activation_grad_ref, activation_grad_cpu},
    {gated_activation_ref, gated_activation_cpu},
    {gated_activation_grad_ref, gated_activation_grad_cpu},
    {sum_ref, nullptr},
    {global_norm_ref, global_norm_cpu},
    {grad_scale_ref, nullptr},
    {adamw_ref, adamw_cpu},
    {accumulate_ref, accumulate_cpu},
    {assign_ref, assign_cpu},
    {zero_ref, zero_cpu},
    {embedding_ref, embedding_cpu},
    {embedding_grad_ref, embedding_grad_cpu},
    {rms_norm_ref, rms_norm_cpu},
    {rms_norm_grad_ref, rms_norm_grad_cpu},
    {lora_linear_ref, lora_linear_cpu},
    {lora_linear_dx_ref, lora_linear_dx_cpu},
    {lora_linear_dab_ref, lora_linear_dab_cpu},
    {linear_dw_ref, linear_dw_cpu},
    {prefix_attention_ref, prefix_attention_cpu},
    {prefix_attention_grad_ref, prefix_attention_grad_cpu},
    {prefix_attention_decode_ref, prefix_attention_decode_cpu},
    {kv_append_ref, kv_append_cpu},
    {hyper_heads_ref, hyper_heads_cpu},
    {hyper_heads_grad_ref, hyper_heads_grad_cpu},
    {cross_entropy_ref, cross_entropy_cpu},
    {cross_entropy_grad_ref, cross_entropy_grad_cpu},
    {log_softmax_ref, log_softmax_cpu},
    {logit_rules_ref, nullptr},
    {top_k_ref, top_k_cpu},
    {sample_ref, sample_cpu},
};

inline const OpSchema& op_schema(int id) {
  static const OpSchema table[kOpCount] = {
      {"reshape", true, {{"x", false, false, false, kAny, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kLike, "x", kShapeFree, "", {}, kPlain, 0, {}}},
       {}, {}},
      {"split_rows", true, {{"x", false, false, false, kAny, "", kShapeDims, "", {{"n", "P", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {{"y", true, false, false, kLike, "x", kShapeDims, "", {{"1", "P", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 4096}}, {}},
      {"concat_rows", false, {{"x", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "P", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeDims, "", {{"n", "P", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 4096}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"gather_rows", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "N", 0}, {"1", "C", 0}}, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", {{"1", "M", 0}}, kIndex, -1, {{"1", "N", 0}}}},
       {{"y", false, false, false, kAttrDType, "", kShapeDims, "", {{"1", "M", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"scatter_add_rows", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "M", 0}, {"1", "C", 0}}, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", {{"1", "M", 0}}, kIndex, -1, {{"1", "N", 0}}}},
       {{"y", false, false, false, kF32, "", kShapeDims, "", {{"1", "N", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {}, {}},
      {"write_rows", false, {{"buffer", false, false, true, kAnyFloat, "", kShapeDims, "", {{"1", "N", 0}, {"1", "C", 0}}, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", {{"1", "M", 0}}, kIndex, -1, {{"1", "N", 0}}}, {"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "M", 0}, {"1", "C", 0}}, kPlain, 0, {}}},
       {},
       {}, {}},
      {"add", false, {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"mul", false, {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"scale", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"alpha", kFloat, 0, 0}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"scale_by", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"s", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"cast", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"expand", false, {{"s", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"y", false, false, false, kF32, "", kShapeFree, "", {}, kPlain, 0, {}}},
       {}, {}},
      {"fill", false, {},
       {{"y", false, false, false, kF32, "", kShapeFree, "", {}, kPlain, 0, {}}},
       {{"value", kFloat, 0, 0}}, {}},
      {"dropout", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"key", false, false, false, kI32, "", kShapeDims, "", {{"0", "", 4}}, kPlain, 0, {}}, {"rate", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"stream", kInt, 0, 2147483647}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"activation", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"kind", kInt, 0, 3}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"activation_grad", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"dx", false, false, false, kF32, "", kShapeLike, "x", {}, kPlain, 0, {}}},
       {{"kind", kInt, 0, 3}}, {}},
      {"gated_activation", false, {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"kind", kInt, 0, 3}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"gated_activation_grad", false, {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"da", false, false, false, kF32, "", kShapeLike, "a", {}, kPlain, 0, {}}, {"db", false, false, false, kF32, "", kShapeLike, "a", {}, kPlain, 0, {}}},
       {{"kind", kInt, 0, 3}}, {}},
      {"sum", false, {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {}, {}},
      {"global_norm", false, {{"x", true, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {{"y", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 65535}}, {}},
      {"grad_scale", false, {{"norm", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}, {"count", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"scale", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}, {"norm_out", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"max_norm", kFloat, 0, 0}}, {}},
      {"adamw", false, {{"param", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"m", false, false, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"v", false, false, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"copy", false, true, true, kAnyFloat, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"grad", false, false, false, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"rates", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 3}}, kPlain, 0, {}}, {"gscale", false, false, false, kF32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {},
       {{"beta1", kFloat, 0, 0}, {"beta2", kFloat, 0, 0}, {"eps", kFloat, 0, 0}, {"weight_decay", kFloat, 0, 0}, {"lr_scale", kFloat, 0, 0}}, {}},
      {"accumulate", false, {{"buffer", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeLike, "buffer", {}, kPlain, 0, {}}},
       {},
       {}, {}},
      {"assign", false, {{"buffer", false, false, true, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeLike, "buffer", {}, kPlain, 0, {}}},
       {},
       {}, {}},
      {"zero", false, {{"buffer", false, false, true, kAny, "", kShapeAny, "", {}, kPlain, 0, {}}},
       {},
       {}, {}},
      {"embedding", false, {{"table", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "V", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"prompt", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "P", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"ids", false, false, false, kI32, "", kShapeDims, "", {{"1", "T", 0}}, kIndex, 0, {{"1", "V", 0}, {"1", "P", 0}}}},
       {{"y", false, false, false, kAttrDType, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {{"dtype", kDTypeAttr, 0, 0}}, {}},
      {"embedding_grad", false, {{"ids", false, false, false, kI32, "", kShapeDims, "", {{"1", "T", 0}}, kIndex, 0, {{"1", "V", 0}, {"1", "P", 0}}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {{"dtable", false, false, false, kF32, "", kShapeDims, "", {{"1", "V", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"dprompt", false, true, false, kF32, "", kShapeDims, "", {{"1", "P", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {}, {}},
      {"rms_norm", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"residual", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"gain", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "d", 0}}, kPlain, 0, {}}},
       {{"y", false, false, false, kAttrDType, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"h", false, true, false, kF32, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {{"eps", kFloat, 0, 0}, {"dtype", kDTypeAttr, 0, 0}}, {}},
      {"rms_norm_grad", false, {{"h", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"gain", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "d", 0}}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"carry", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {{"dh", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"dgain", false, true, false, kF32, "", kShapeDims, "", {{"1", "d", 0}}, kPlain, 0, {}}},
       {{"eps", kFloat, 0, 0}}, {}},
      {"lora_linear", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"offsets", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 1}}, kOffsets, 0, {{"1", "T", 0}}}, {"slots", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"scale_slots", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "Z", 0}}}, {"s_in", false, true, false, kF32, "", kShapeDims, "", {{"1", "Z", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"w", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "out_i", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"a", true, true, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages_i", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"b", true, true, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages_i", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}, {"table", true, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp_i", 0}}, kIndex, -1, {{"1", "pages_i", 0}}}, {"scale", true, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}}, kPlain, 0, {}}, {"mid", true, true, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"page_rank", "mp_i", 0}}, kPlain, 0, {}}, {"s_out", true, true, false, kF32, "", kShapeDims, "", {{"1", "Z", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"y", true, false, false, kAttrDType, "", kShapeDims, "", {{"1", "T", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 16}, {"page_rank", kInt, 1, 1024}, {"dtype", kDTypeAttr, 0, 0}}, {{"offsets", "T", "R", {}}, {"a", "", "", {"b", "table", "scale", "slots"}}, {"s_in", "", "", {"scale_slots"}}, {"s_out", "", "", {"scale_slots"}}, {"mid", "", "", {"a"}}}},
      {"lora_linear_dx", false, {{"offsets", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 1}}, kOffsets, 0, {{"1", "T", 0}}}, {"slots", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"scale_slots", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "Z", 0}}}, {"s_in", false, true, false, kF32, "", kShapeDims, "", {{"1", "Z", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"dy", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}, {"w", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "out_i", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"a", true, true, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages_i", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"b", true, true, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages_i", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}, {"table", true, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp_i", 0}}, kIndex, -1, {{"1", "pages_i", 0}}}, {"scale", true, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}}, kPlain, 0, {}}, {"mid", true, true, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"page_rank", "mp_i", 0}}, kPlain, 0, {}}, {"s_out", true, true, false, kF32, "", kShapeDims, "", {{"1", "Z", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"dx", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}, {"1", "in", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 16}, {"page_rank", kInt, 1, 1024}}, {{"offsets", "T", "R", {}}, {"a", "", "", {"b", "table", "scale", "slots"}}, {"s_in", "", "", {"scale_slots"}}, {"s_out", "", "", {"scale_slots"}}, {"mid", "", "", {"a"}}}},
      {"lora_linear_dab", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"offsets", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 1}}, kOffsets, 0, {{"1", "T", 0}}}, {"slots", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "out", 0}}, kPlain, 0, {}}, {"a", false, false, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeDims, "", {{"page_rank", "pages", 0}, {"1", "out", 0}}, kPlain, 0, {}}, {"table", false, false, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp", 0}}, kIndex, -1, {{"1", "pages", 0}}}, {"scale", false, false, false, kF32, "", kShapeDims, "", {{"1", "S", 0}}, kPlain, 0, {}}, {"mid", false, true, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"page_rank", "mp", 0}}, kPlain, 0, {}}},
       {{"da", false, false, false, kF32, "", kShapeDims, "", {{"page_rank", "pages", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"db", false, false, false, kF32, "", kShapeDims, "", {{"page_rank", "pages", 0}, {"1", "out", 0}}, kPlain, 0, {}}},
       {{"page_rank", kInt, 1, 1024}}, {{"offsets", "T", "R", {}}}},
      {"linear_dw", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "in", 0}}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "out", 0}}, kPlain, 0, {}}},
       {{"dw", false, false, false, kF32, "", kShapeDims, "", {{"1", "out", 0}, {"1", "in", 0}}, kPlain, 0, {}}},
       {}, {}},
      {"prefix_attention", false, {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"q_offsets", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 1}}, kOffsets, 0, {{"1", "Tq", 0}}}, {"k_offsets", false, false, false, kI32, "", kShapeDims, "", {{"1", "K", 1}}, kOffsets, 0, {{"1", "Tk", 0}}}, {"kv_row", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "K", 0}}}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "buckets", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp", 0}}, kIndex, -1, {{"1", "pages", 0}}}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}}, kIndex, 0, {{"page_len", "mp", 1}}}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "heads", 0}}, kPlain, 0, {}}},
       {{"o", false, false, false, kAttrDType, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"lse", false, true, false, kF32, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "heads", 0}}, kPlain, 0, {}}},
       {{"heads", kInt, 1, 1024}, {"causal", kInt, 0, 1}, {"bidirectional", kInt, 0, 1}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}, {"dtype", kDTypeAttr, 0, 0}}, {{"q_offsets", "Tq", "R", {}}, {"kv_row", "K", "R", {}}, {"pk", "", "", {"pv", "prefix_table", "prefix_len", "prefix_slot"}}, {"prefix_bias", "", "", {"pk"}}}},
      {"prefix_attention_grad", false, {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"q_offsets", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 1}}, kOffsets, 0, {{"1", "Tq", 0}}}, {"k_offsets", false, false, false, kI32, "", kShapeDims, "", {{"1", "K", 1}}, kOffsets, 0, {{"1", "Tk", 0}}}, {"kv_row", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "K", 0}}}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "buckets", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp", 0}}, kIndex, -1, {{"1", "pages", 0}}}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}}, kIndex, 0, {{"page_len", "mp", 1}}}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"o", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"lse", false, false, false, kF32, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"do", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}},
       {{"dq", false, false, false, kF32, "", kShapeDims, "", {{"1", "Tq", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"dk", false, false, false, kF32, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"dv", false, false, false, kF32, "", kShapeDims, "", {{"1", "Tk", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"dbias", false, true, false, kF32, "", kShapeDims, "", {{"1", "buckets", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"dpk", false, true, false, kF32, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"dpv", false, true, false, kF32, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"dprefix_bias", false, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "heads", 0}}, kPlain, 0, {}}},
       {{"heads", kInt, 1, 1024}, {"causal", kInt, 0, 1}, {"bidirectional", kInt, 0, 1}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}}, {{"q_offsets", "Tq", "R", {}}, {"kv_row", "K", "R", {}}, {"pk", "", "", {"pv", "prefix_table", "prefix_len", "prefix_slot"}}, {"prefix_bias", "", "", {"pk"}}}},
      {"prefix_attention_decode", false, {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", {{"cache_len", "C", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", {{"cache_len", "C", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"length", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "cache_len", 1}}}, {"ancestors", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "cache_len", 0}}, kIndex, 0, {{"1", "C", 0}}}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", {{"1", "buckets", 0}, {"1", "heads", 0}}, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "S", 0}}}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", {{"page_len", "pages", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "mp", 0}}, kIndex, -1, {{"1", "pages", 0}}}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", {{"1", "S", 0}}, kIndex, 0, {{"page_len", "mp", 1}}}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", {{"1", "S", 0}, {"1", "heads", 0}}, kPlain, 0, {}}},
       {{"o", false, false, false, kAttrDType, "", kShapeDims, "", {{"1", "R", 0}, {"1", "I", 0}}, kPlain, 0, {}}},
       {{"heads", kInt, 1, 1024}, {"cache_len", kInt, 1, 1048576}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}, {"dtype", kDTypeAttr, 0, 0}}, {{"pk", "", "", {"pv", "prefix_table", "prefix_len", "prefix_slot"}}, {"prefix_bias", "", "", {"pk"}}}},
      {"kv_append", false, {{"cache", false, false, true, kAnyFloat, "", kShapeDims, "", {{"cache_len", "C", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "I", 0}}, kPlain, 0, {}}, {"length", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "cache_len", 1}}}},
       {},
       {{"cache_len", kInt, 1, 1048576}}, {}},
      {"hyper_heads", false, {{"u", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "N", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"w1", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "hid", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"b1", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "hid", 0}}, kPlain, 0, {}}, {"w2", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "out_i", 0}, {"1", "hid", 0}}, kPlain, 0, {}}, {"b2", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"t", false, false, false, kF32, "", kShapeDims, "", {{"1", "N", 0}, {"1", "hid", 0}}, kPlain, 0, {}}, {"y", true, false, false, kF32, "", kShapeDims, "", {{"1", "N", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 512}, {"output_scale", kFloat, 0, 0}}, {}},
      {"hyper_heads_grad", false, {{"u", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "N", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"w1", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "hid", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"t", false, false, false, kF32, "", kShapeDims, "", {{"1", "N", 0}, {"1", "hid", 0}}, kPlain, 0, {}}, {"w2", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "out_i", 0}, {"1", "hid", 0}}, kPlain, 0, {}}, {"dy", true, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "N", 0}, {"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"du", false, false, false, kF32, "", kShapeDims, "", {{"1", "N", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"dw1", false, false, false, kF32, "", kShapeDims, "", {{"1", "hid", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"db1", false, false, false, kF32, "", kShapeDims, "", {{"1", "hid", 0}}, kPlain, 0, {}}, {"dw2", true, false, false, kF32, "", kShapeDims, "", {{"1", "out_i", 0}, {"1", "hid", 0}}, kPlain, 0, {}}, {"db2", true, false, false, kF32, "", kShapeDims, "", {{"1", "out_i", 0}}, kPlain, 0, {}}},
       {{"n", kInt, 1, 512}, {"output_scale", kFloat, 0, 0}}, {}},
      {"cross_entropy", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"w", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "V", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"labels", false, false, false, kI32, "", kShapeDims, "", {{"1", "T", 0}}, kIndex, -1, {{"1", "V", 0}}}},
       {{"logp", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}}, kPlain, 0, {}}, {"lse", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}}, kPlain, 0, {}}},
       {{"scale", kFloat, 0, 0}}, {}},
      {"cross_entropy_grad", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"w", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "V", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"labels", false, false, false, kI32, "", kShapeDims, "", {{"1", "T", 0}}, kIndex, -1, {{"1", "V", 0}}}, {"lse", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}}, kPlain, 0, {}}, {"g", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}}, kPlain, 0, {}}},
       {{"dx", false, false, false, kF32, "", kShapeDims, "", {{"1", "T", 0}, {"1", "d", 0}}, kPlain, 0, {}}, {"dw", false, true, false, kF32, "", kShapeDims, "", {{"1", "V", 0}, {"1", "d", 0}}, kPlain, 0, {}}},
       {{"scale", kFloat, 0, 0}}, {}},
      {"log_softmax", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}},
       {{"y", false, false, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}},
       {}, {}},
      {"logit_rules", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}, {"history", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "H", 0}}, kIndex, 0, {{"1", "V", 0}}}, {"length", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "H", 1}}}, {"eos", false, true, false, kI32, "", kShapeDims, "", {{"1", "E", 0}}, kIndex, 0, {{"1", "V", 0}}}, {"banned", false, true, false, kI32, "", kShapeDims, "", {{"1", "B", 0}, {"1", "L", 0}}, kIndex, -1, {{"1", "V", 0}}}, {"suppress", false, true, false, kI32, "", kShapeDims, "", {{"1", "U", 0}}, kIndex, 0, {{"1", "V", 0}}}},
       {{"y", false, false, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}},
       {{"repetition_penalty", kFloat, 0, 0}, {"no_repeat_ngram", kInt, 0, 1048576}, {"min_length", kInt, 0, 1048576}}, {}},
      {"top_k", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}},
       {{"value", false, false, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "k", 0}}, kPlain, 0, {}}, {"id", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "k", 0}}, kPlain, 0, {}}},
       {{"k", kInt, 1, 4096}}, {}},
      {"sample", false, {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", {{"1", "R", 0}, {"1", "V", 0}}, kPlain, 0, {}}, {"token", false, false, true, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kPlain, 0, {}}, {"length", false, false, true, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kIndex, 0, {{"1", "H", 1}}}, {"done", false, false, true, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kPlain, 0, {}}, {"history", false, false, true, kI32, "", kShapeDims, "", {{"1", "R", 0}, {"1", "H", 0}}, kPlain, 0, {}}, {"params", false, false, false, kF32, "", kShapeDims, "", {{"1", "R", 0}, {"0", "", 4}}, kPlain, 0, {}}, {"seed", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}, {"0", "", 2}}, kPlain, 0, {}}, {"eos", false, false, false, kI32, "", kShapeDims, "", {{"1", "E", 0}}, kIndex, 0, {{"1", "V", 0}}}},
       {{"next", false, false, false, kI32, "", kShapeDims, "", {{"1", "R", 0}}, kPlain, 0, {}}, {"logp", false, false, false, kF32, "", kShapeDims, "", {{"1", "R", 0}}, kPlain, 0, {}}, {"stop", false, false, false, kI32, "", kShapeDims, "", {{"0", "", 1}}, kPlain, 0, {}}},
       {{"pad", kInt, 0, 2147483647}}, {}},
  };
  return table[id];
}

}  // namespace ht
