// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.
#pragma once
#include "core/op_schema.h"
#include "core/tensor.h"

namespace ht {

constexpr int kOpCount = 48;
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
  adafactor = 45,
  adafactor_full = 46,
  average = 47,
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
  static constexpr int table = 0;
  static constexpr int ids = 1;
  static constexpr int dy = 2;
  static constexpr int in_fixed = 3, in_group = 0;
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
  static constexpr int w_scale = 6;
  static constexpr int a = 7;
  static constexpr int b = 8;
  static constexpr int table = 9;
  static constexpr int scale = 10;
  static constexpr int mid = 11;
  static constexpr int s_out = 12;
  static constexpr int in_fixed = 5, in_group = 8;
  static const Tensor& in(const Call& c, int operand, int i) { return c.in[operand < 5 ? operand : operand + i * 8]; }
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
  static constexpr int w_scale = 3;
  static constexpr int in_fixed = 4, in_group = 0;
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
struct adafactor {
  static constexpr int param = 0;
  static constexpr int row = 1;
  static constexpr int col = 2;
  static constexpr int m = 3;
  static constexpr int copy = 4;
  static constexpr int grad = 5;
  static constexpr int rates = 6;
  static constexpr int gscale = 7;
  static constexpr int in_fixed = 8, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
  static constexpr int a_beta1 = 0;
  static constexpr int a_eps1 = 1;
  static constexpr int a_eps2 = 2;
  static constexpr int a_clip_threshold = 3;
  static constexpr int a_weight_decay = 4;
  static constexpr int a_lr_scale = 5;
  static constexpr int a_scale_parameter = 6;
};
struct adafactor_full {
  static constexpr int param = 0;
  static constexpr int v = 1;
  static constexpr int m = 2;
  static constexpr int copy = 3;
  static constexpr int grad = 4;
  static constexpr int rates = 5;
  static constexpr int gscale = 6;
  static constexpr int in_fixed = 7, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
  static constexpr int a_beta1 = 0;
  static constexpr int a_eps1 = 1;
  static constexpr int a_eps2 = 2;
  static constexpr int a_clip_threshold = 3;
  static constexpr int a_weight_decay = 4;
  static constexpr int a_lr_scale = 5;
  static constexpr int a_scale_parameter = 6;
};
struct average {
  static constexpr int mean = 0;
  static constexpr int x = 1;
  static constexpr int rate = 2;
  static constexpr int gscale = 3;
  static constexpr int in_fixed = 4, in_group = 0;
  static constexpr int out_fixed = 0, out_group = 0;
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
void adafactor_ref(const Call&);
void adafactor_full_ref(const Call&);
void average_ref(const Call&);
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
void adafactor_cpu(const Call&);
void adafactor_full_cpu(const Call&);
void average_cpu(const Call&);

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
    {adafactor_ref, adafactor_cpu},
    {adafactor_full_ref, adafactor_full_cpu},
    {average_ref, average_cpu},
};

namespace op_table {
inline constexpr OperandSchema k0[] = {{"x", false, false, false, kAny, "", kShapeAny, "", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k1[] = {{"y", false, false, false, kLike, "x", kShapeFree, "", {}, kPlain, 0, {}}};
inline constexpr DimPattern k2[] = {{"n", "P", 0}, {"1", "C", 0}};
inline constexpr OperandSchema k3[] = {{"x", false, false, false, kAny, "", kShapeDims, "", k2, kPlain, 0, {}}};
inline constexpr DimPattern k4[] = {{"1", "P", 0}, {"1", "C", 0}};
inline constexpr OperandSchema k5[] = {{"y", true, false, false, kLike, "x", kShapeDims, "", k4, kPlain, 0, {}}};
inline constexpr AttrSchema k6[] = {{"n", kInt, 1, 4096}};
inline constexpr OperandSchema k7[] = {{"x", true, false, false, kAnyFloat, "", kShapeDims, "", k4, kPlain, 0, {}}};
inline constexpr OperandSchema k8[] = {{"y", false, false, false, kAttrDType, "", kShapeDims, "", k2, kPlain, 0, {}}};
inline constexpr AttrSchema k9[] = {{"n", kInt, 1, 4096}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr DimPattern k10[] = {{"1", "N", 0}, {"1", "C", 0}};
inline constexpr DimPattern k11[] = {{"1", "M", 0}};
inline constexpr DimPattern k12[] = {{"1", "N", 0}};
inline constexpr OperandSchema k13[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k10, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", k11, kIndex, -1, k12}};
inline constexpr DimPattern k14[] = {{"1", "M", 0}, {"1", "C", 0}};
inline constexpr OperandSchema k15[] = {{"y", false, false, false, kAttrDType, "", kShapeDims, "", k14, kPlain, 0, {}}};
inline constexpr AttrSchema k16[] = {{"dtype", kDTypeAttr, 0, 0}};
inline constexpr OperandSchema k17[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k14, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", k11, kIndex, -1, k12}};
inline constexpr OperandSchema k18[] = {{"y", false, false, false, kF32, "", kShapeDims, "", k10, kPlain, 0, {}}};
inline constexpr OperandSchema k19[] = {{"buffer", false, false, true, kAnyFloat, "", kShapeDims, "", k10, kPlain, 0, {}}, {"index", false, false, false, kI32, "", kShapeDims, "", k11, kIndex, -1, k12}, {"x", false, false, false, kAnyFloat, "", kShapeDims, "", k14, kPlain, 0, {}}};
inline constexpr OperandSchema k20[] = {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k21[] = {{"y", false, false, false, kAttrDType, "", kShapeLike, "a", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k22[] = {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k23[] = {{"y", false, false, false, kAttrDType, "", kShapeLike, "x", {}, kPlain, 0, {}}};
inline constexpr AttrSchema k24[] = {{"alpha", kFloat, 0, 0}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr DimPattern k25[] = {{"0", "", 1}};
inline constexpr OperandSchema k26[] = {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"s", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OperandSchema k27[] = {{"s", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OperandSchema k28[] = {{"y", false, false, false, kF32, "", kShapeFree, "", {}, kPlain, 0, {}}};
inline constexpr AttrSchema k29[] = {{"value", kFloat, 0, 0}};
inline constexpr DimPattern k30[] = {{"0", "", 4}};
inline constexpr OperandSchema k31[] = {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"key", false, false, false, kI32, "", kShapeDims, "", k30, kPlain, 0, {}}, {"rate", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr AttrSchema k32[] = {{"stream", kInt, 0, 2147483647}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr AttrSchema k33[] = {{"kind", kInt, 0, 3}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr OperandSchema k34[] = {{"x", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeLike, "x", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k35[] = {{"dx", false, false, false, kF32, "", kShapeLike, "x", {}, kPlain, 0, {}}};
inline constexpr AttrSchema k36[] = {{"kind", kInt, 0, 3}};
inline constexpr OperandSchema k37[] = {{"a", false, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeLike, "a", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k38[] = {{"da", false, false, false, kF32, "", kShapeLike, "a", {}, kPlain, 0, {}}, {"db", false, false, false, kF32, "", kShapeLike, "a", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k39[] = {{"y", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OperandSchema k40[] = {{"x", true, false, false, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}};
inline constexpr AttrSchema k41[] = {{"n", kInt, 1, 65535}};
inline constexpr OperandSchema k42[] = {{"norm", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}, {"count", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OperandSchema k43[] = {{"scale", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}, {"norm_out", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr AttrSchema k44[] = {{"max_norm", kFloat, 0, 0}};
inline constexpr DimPattern k45[] = {{"0", "", 3}};
inline constexpr OperandSchema k46[] = {{"param", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"m", false, false, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"v", false, false, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"copy", false, true, true, kAnyFloat, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"grad", false, false, false, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"rates", false, false, false, kF32, "", kShapeDims, "", k45, kPlain, 0, {}}, {"gscale", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr AttrSchema k47[] = {{"beta1", kFloat, 0, 0}, {"beta2", kFloat, 0, 0}, {"eps", kFloat, 0, 0}, {"weight_decay", kFloat, 0, 0}, {"lr_scale", kFloat, 0, 0}};
inline constexpr OperandSchema k48[] = {{"buffer", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeLike, "buffer", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k49[] = {{"buffer", false, false, true, kAnyFloat, "", kShapeAny, "", {}, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeLike, "buffer", {}, kPlain, 0, {}}};
inline constexpr OperandSchema k50[] = {{"buffer", false, false, true, kAny, "", kShapeAny, "", {}, kPlain, 0, {}}};
inline constexpr DimPattern k51[] = {{"1", "V", 0}, {"1", "d", 0}};
inline constexpr DimPattern k52[] = {{"1", "P", 0}, {"1", "d", 0}};
inline constexpr DimPattern k53[] = {{"1", "T", 0}};
inline constexpr DimPattern k54[] = {{"1", "V", 0}, {"1", "P", 0}};
inline constexpr OperandSchema k55[] = {{"table", false, false, false, kAnyFloat, "", kShapeDims, "", k51, kPlain, 0, {}}, {"prompt", false, true, false, kAnyFloat, "", kShapeDims, "", k52, kPlain, 0, {}}, {"ids", false, false, false, kI32, "", kShapeDims, "", k53, kIndex, 0, k54}};
inline constexpr DimPattern k56[] = {{"1", "T", 0}, {"1", "d", 0}};
inline constexpr OperandSchema k57[] = {{"y", false, false, false, kAttrDType, "", kShapeDims, "", k56, kPlain, 0, {}}};
inline constexpr OperandSchema k58[] = {{"table", false, false, false, kAnyFloat, "", kShapeDims, "", k51, kPlain, 0, {}}, {"ids", false, false, false, kI32, "", kShapeDims, "", k53, kIndex, 0, k54}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}};
inline constexpr OperandSchema k59[] = {{"dtable", false, true, false, kF32, "", kShapeDims, "", k51, kPlain, 0, {}}, {"dprompt", false, true, false, kF32, "", kShapeDims, "", k52, kPlain, 0, {}}};
inline constexpr DimPattern k60[] = {{"1", "d", 0}};
inline constexpr OperandSchema k61[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"residual", false, true, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"gain", false, false, false, kAnyFloat, "", kShapeDims, "", k60, kPlain, 0, {}}};
inline constexpr OperandSchema k62[] = {{"y", false, false, false, kAttrDType, "", kShapeDims, "", k56, kPlain, 0, {}}, {"h", false, true, false, kF32, "", kShapeDims, "", k56, kPlain, 0, {}}};
inline constexpr AttrSchema k63[] = {{"eps", kFloat, 0, 0}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr OperandSchema k64[] = {{"h", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"gain", false, false, false, kAnyFloat, "", kShapeDims, "", k60, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"carry", false, true, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}};
inline constexpr OperandSchema k65[] = {{"dh", false, false, false, kF32, "", kShapeDims, "", k56, kPlain, 0, {}}, {"dgain", false, true, false, kF32, "", kShapeDims, "", k60, kPlain, 0, {}}};
inline constexpr AttrSchema k66[] = {{"eps", kFloat, 0, 0}};
inline constexpr DimPattern k67[] = {{"1", "T", 0}, {"1", "in", 0}};
inline constexpr DimPattern k68[] = {{"1", "R", 1}};
inline constexpr DimPattern k69[] = {{"1", "R", 0}};
inline constexpr DimPattern k70[] = {{"1", "S", 0}};
inline constexpr DimPattern k71[] = {{"1", "Z", 0}};
inline constexpr DimPattern k72[] = {{"1", "Z", 0}, {"1", "in", 0}};
inline constexpr DimPattern k73[] = {{"1", "out_i", 0}, {"1", "in", 0}};
inline constexpr DimPattern k74[] = {{"1", "out_i", 0}};
inline constexpr DimPattern k75[] = {{"page_rank", "pages_i", 0}, {"1", "in", 0}};
inline constexpr DimPattern k76[] = {{"page_rank", "pages_i", 0}, {"1", "out_i", 0}};
inline constexpr DimPattern k77[] = {{"1", "S", 0}, {"1", "mp_i", 0}};
inline constexpr DimPattern k78[] = {{"1", "pages_i", 0}};
inline constexpr DimPattern k79[] = {{"1", "R", 0}, {"page_rank", "mp_i", 0}};
inline constexpr DimPattern k80[] = {{"1", "Z", 0}, {"1", "out_i", 0}};
inline constexpr OperandSchema k81[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k67, kPlain, 0, {}}, {"offsets", false, true, false, kI32, "", kShapeDims, "", k68, kOffsets, 0, k53}, {"slots", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"scale_slots", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k71}, {"s_in", false, true, false, kF32, "", kShapeDims, "", k72, kPlain, 0, {}}, {"w", true, false, false, kFloatOrI8, "", kShapeDims, "", k73, kPlain, 0, {}}, {"w_scale", true, true, false, kF32, "", kShapeDims, "", k74, kPlain, 0, {}}, {"a", true, true, false, kAnyFloat, "", kShapeDims, "", k75, kPlain, 0, {}}, {"b", true, true, false, kAnyFloat, "", kShapeDims, "", k76, kPlain, 0, {}}, {"table", true, true, false, kI32, "", kShapeDims, "", k77, kIndex, -1, k78}, {"scale", true, true, false, kF32, "", kShapeDims, "", k70, kPlain, 0, {}}, {"mid", true, true, false, kF32, "", kShapeDims, "", k79, kPlain, 0, {}}, {"s_out", true, true, false, kF32, "", kShapeDims, "", k80, kPlain, 0, {}}};
inline constexpr DimPattern k82[] = {{"1", "T", 0}, {"1", "out_i", 0}};
inline constexpr OperandSchema k83[] = {{"y", true, false, false, kAttrDType, "", kShapeDims, "", k82, kPlain, 0, {}}};
inline constexpr AttrSchema k84[] = {{"n", kInt, 1, 16}, {"page_rank", kInt, 1, 1024}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr const char* k85[] = {"b", "table", "scale", "slots"};
inline constexpr const char* k86[] = {"scale_slots"};
inline constexpr const char* k87[] = {"a"};
inline constexpr OpRule k88[] = {{kAbsentEqual, "offsets", "T", "R", {}}, {kNeeds, "a", "", "", k85}, {kNeeds, "s_in", "", "", k86}, {kNeeds, "s_out", "", "", k86}, {kNeeds, "mid", "", "", k87}, {kWithI8, "w_scale", "w", "", {}}};
inline constexpr OperandSchema k89[] = {{"offsets", false, true, false, kI32, "", kShapeDims, "", k68, kOffsets, 0, k53}, {"slots", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"scale_slots", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k71}, {"s_in", false, true, false, kF32, "", kShapeDims, "", k72, kPlain, 0, {}}, {"dy", true, false, false, kAnyFloat, "", kShapeDims, "", k82, kPlain, 0, {}}, {"w", true, false, false, kAnyFloat, "", kShapeDims, "", k73, kPlain, 0, {}}, {"a", true, true, false, kAnyFloat, "", kShapeDims, "", k75, kPlain, 0, {}}, {"b", true, true, false, kAnyFloat, "", kShapeDims, "", k76, kPlain, 0, {}}, {"table", true, true, false, kI32, "", kShapeDims, "", k77, kIndex, -1, k78}, {"scale", true, true, false, kF32, "", kShapeDims, "", k70, kPlain, 0, {}}, {"mid", true, true, false, kF32, "", kShapeDims, "", k79, kPlain, 0, {}}, {"s_out", true, true, false, kF32, "", kShapeDims, "", k80, kPlain, 0, {}}};
inline constexpr OperandSchema k90[] = {{"dx", false, false, false, kF32, "", kShapeDims, "", k67, kPlain, 0, {}}};
inline constexpr AttrSchema k91[] = {{"n", kInt, 1, 16}, {"page_rank", kInt, 1, 1024}};
inline constexpr OpRule k92[] = {{kAbsentEqual, "offsets", "T", "R", {}}, {kNeeds, "a", "", "", k85}, {kNeeds, "s_in", "", "", k86}, {kNeeds, "s_out", "", "", k86}, {kNeeds, "mid", "", "", k87}};
inline constexpr DimPattern k93[] = {{"1", "T", 0}, {"1", "out", 0}};
inline constexpr DimPattern k94[] = {{"page_rank", "pages", 0}, {"1", "in", 0}};
inline constexpr DimPattern k95[] = {{"page_rank", "pages", 0}, {"1", "out", 0}};
inline constexpr DimPattern k96[] = {{"1", "S", 0}, {"1", "mp", 0}};
inline constexpr DimPattern k97[] = {{"1", "pages", 0}};
inline constexpr DimPattern k98[] = {{"1", "R", 0}, {"page_rank", "mp", 0}};
inline constexpr OperandSchema k99[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k67, kPlain, 0, {}}, {"offsets", false, true, false, kI32, "", kShapeDims, "", k68, kOffsets, 0, k53}, {"slots", false, false, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", k93, kPlain, 0, {}}, {"a", false, false, false, kAnyFloat, "", kShapeDims, "", k94, kPlain, 0, {}}, {"b", false, false, false, kAnyFloat, "", kShapeDims, "", k95, kPlain, 0, {}}, {"table", false, false, false, kI32, "", kShapeDims, "", k96, kIndex, -1, k97}, {"scale", false, false, false, kF32, "", kShapeDims, "", k70, kPlain, 0, {}}, {"mid", false, true, false, kF32, "", kShapeDims, "", k98, kPlain, 0, {}}};
inline constexpr OperandSchema k100[] = {{"da", false, false, false, kF32, "", kShapeDims, "", k94, kPlain, 0, {}}, {"db", false, false, false, kF32, "", kShapeDims, "", k95, kPlain, 0, {}}};
inline constexpr AttrSchema k101[] = {{"page_rank", kInt, 1, 1024}};
inline constexpr OpRule k102[] = {{kAbsentEqual, "offsets", "T", "R", {}}};
inline constexpr OperandSchema k103[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k67, kPlain, 0, {}}, {"dy", false, false, false, kAnyFloat, "", kShapeDims, "", k93, kPlain, 0, {}}};
inline constexpr DimPattern k104[] = {{"1", "out", 0}, {"1", "in", 0}};
inline constexpr OperandSchema k105[] = {{"dw", false, false, false, kF32, "", kShapeDims, "", k104, kPlain, 0, {}}};
inline constexpr DimPattern k106[] = {{"1", "Tq", 0}, {"1", "I", 0}};
inline constexpr DimPattern k107[] = {{"1", "Tk", 0}, {"1", "I", 0}};
inline constexpr DimPattern k108[] = {{"1", "Tq", 0}};
inline constexpr DimPattern k109[] = {{"1", "K", 1}};
inline constexpr DimPattern k110[] = {{"1", "Tk", 0}};
inline constexpr DimPattern k111[] = {{"1", "K", 0}};
inline constexpr DimPattern k112[] = {{"1", "buckets", 0}, {"1", "heads", 0}};
inline constexpr DimPattern k113[] = {{"page_len", "pages", 0}, {"1", "I", 0}};
inline constexpr DimPattern k114[] = {{"page_len", "mp", 1}};
inline constexpr DimPattern k115[] = {{"1", "S", 0}, {"1", "heads", 0}};
inline constexpr OperandSchema k116[] = {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", k106, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", k107, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", k107, kPlain, 0, {}}, {"q_offsets", false, true, false, kI32, "", kShapeDims, "", k68, kOffsets, 0, k108}, {"k_offsets", false, false, false, kI32, "", kShapeDims, "", k109, kOffsets, 0, k110}, {"kv_row", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k111}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", k112, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", k96, kIndex, -1, k97}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", k70, kIndex, 0, k114}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", k115, kPlain, 0, {}}};
inline constexpr DimPattern k117[] = {{"1", "Tq", 0}, {"1", "heads", 0}};
inline constexpr OperandSchema k118[] = {{"o", false, false, false, kAttrDType, "", kShapeDims, "", k106, kPlain, 0, {}}, {"lse", false, true, false, kF32, "", kShapeDims, "", k117, kPlain, 0, {}}};
inline constexpr AttrSchema k119[] = {{"heads", kInt, 1, 1024}, {"causal", kInt, 0, 1}, {"bidirectional", kInt, 0, 1}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr const char* k120[] = {"pv", "prefix_table", "prefix_len", "prefix_slot"};
inline constexpr const char* k121[] = {"pk"};
inline constexpr OpRule k122[] = {{kAbsentEqual, "q_offsets", "Tq", "R", {}}, {kAbsentEqual, "kv_row", "K", "R", {}}, {kNeeds, "pk", "", "", k120}, {kNeeds, "prefix_bias", "", "", k121}};
inline constexpr OperandSchema k123[] = {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", k106, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", k107, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", k107, kPlain, 0, {}}, {"q_offsets", false, true, false, kI32, "", kShapeDims, "", k68, kOffsets, 0, k108}, {"k_offsets", false, false, false, kI32, "", kShapeDims, "", k109, kOffsets, 0, k110}, {"kv_row", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k111}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", k112, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", k96, kIndex, -1, k97}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", k70, kIndex, 0, k114}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", k115, kPlain, 0, {}}, {"o", false, false, false, kAnyFloat, "", kShapeDims, "", k106, kPlain, 0, {}}, {"lse", false, false, false, kF32, "", kShapeDims, "", k117, kPlain, 0, {}}, {"do", false, false, false, kAnyFloat, "", kShapeDims, "", k106, kPlain, 0, {}}};
inline constexpr OperandSchema k124[] = {{"dq", false, false, false, kF32, "", kShapeDims, "", k106, kPlain, 0, {}}, {"dk", false, false, false, kF32, "", kShapeDims, "", k107, kPlain, 0, {}}, {"dv", false, false, false, kF32, "", kShapeDims, "", k107, kPlain, 0, {}}, {"dbias", false, true, false, kF32, "", kShapeDims, "", k112, kPlain, 0, {}}, {"dpk", false, true, false, kF32, "", kShapeDims, "", k113, kPlain, 0, {}}, {"dpv", false, true, false, kF32, "", kShapeDims, "", k113, kPlain, 0, {}}, {"dprefix_bias", false, true, false, kF32, "", kShapeDims, "", k115, kPlain, 0, {}}};
inline constexpr AttrSchema k125[] = {{"heads", kInt, 1, 1024}, {"causal", kInt, 0, 1}, {"bidirectional", kInt, 0, 1}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}};
inline constexpr DimPattern k126[] = {{"1", "R", 0}, {"1", "I", 0}};
inline constexpr DimPattern k127[] = {{"cache_len", "C", 0}, {"1", "I", 0}};
inline constexpr DimPattern k128[] = {{"1", "cache_len", 1}};
inline constexpr DimPattern k129[] = {{"1", "R", 0}, {"1", "cache_len", 0}};
inline constexpr DimPattern k130[] = {{"1", "C", 0}};
inline constexpr OperandSchema k131[] = {{"q", false, false, false, kAnyFloat, "", kShapeDims, "", k126, kPlain, 0, {}}, {"k", false, false, false, kAnyFloat, "", kShapeDims, "", k127, kPlain, 0, {}}, {"v", false, false, false, kAnyFloat, "", kShapeDims, "", k127, kPlain, 0, {}}, {"length", false, false, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k128}, {"ancestors", false, true, false, kI32, "", kShapeDims, "", k129, kIndex, 0, k130}, {"bias", false, true, false, kAnyFloat, "", kShapeDims, "", k112, kPlain, 0, {}}, {"prefix_slot", false, true, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k70}, {"pk", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"pv", false, true, false, kAnyFloat, "", kShapeDims, "", k113, kPlain, 0, {}}, {"prefix_table", false, true, false, kI32, "", kShapeDims, "", k96, kIndex, -1, k97}, {"prefix_len", false, true, false, kI32, "", kShapeDims, "", k70, kIndex, 0, k114}, {"prefix_bias", false, true, false, kF32, "", kShapeDims, "", k115, kPlain, 0, {}}};
inline constexpr OperandSchema k132[] = {{"o", false, false, false, kAttrDType, "", kShapeDims, "", k126, kPlain, 0, {}}};
inline constexpr AttrSchema k133[] = {{"heads", kInt, 1, 1024}, {"cache_len", kInt, 1, 1048576}, {"max_distance", kInt, 1, 1048576}, {"page_len", kInt, 1, 4096}, {"policy", kInt, 0, 1}, {"dtype", kDTypeAttr, 0, 0}};
inline constexpr OpRule k134[] = {{kNeeds, "pk", "", "", k120}, {kNeeds, "prefix_bias", "", "", k121}};
inline constexpr OperandSchema k135[] = {{"cache", false, false, true, kAnyFloat, "", kShapeDims, "", k127, kPlain, 0, {}}, {"x", false, false, false, kAnyFloat, "", kShapeDims, "", k126, kPlain, 0, {}}, {"length", false, false, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k128}};
inline constexpr AttrSchema k136[] = {{"cache_len", kInt, 1, 1048576}};
inline constexpr DimPattern k137[] = {{"1", "N", 0}, {"1", "d", 0}};
inline constexpr DimPattern k138[] = {{"1", "hid", 0}, {"1", "d", 0}};
inline constexpr DimPattern k139[] = {{"1", "hid", 0}};
inline constexpr DimPattern k140[] = {{"1", "out_i", 0}, {"1", "hid", 0}};
inline constexpr OperandSchema k141[] = {{"u", false, false, false, kAnyFloat, "", kShapeDims, "", k137, kPlain, 0, {}}, {"w1", false, false, false, kAnyFloat, "", kShapeDims, "", k138, kPlain, 0, {}}, {"b1", false, false, false, kAnyFloat, "", kShapeDims, "", k139, kPlain, 0, {}}, {"w2", true, false, false, kAnyFloat, "", kShapeDims, "", k140, kPlain, 0, {}}, {"b2", true, false, false, kAnyFloat, "", kShapeDims, "", k74, kPlain, 0, {}}};
inline constexpr DimPattern k142[] = {{"1", "N", 0}, {"1", "hid", 0}};
inline constexpr DimPattern k143[] = {{"1", "N", 0}, {"1", "out_i", 0}};
inline constexpr OperandSchema k144[] = {{"t", false, false, false, kF32, "", kShapeDims, "", k142, kPlain, 0, {}}, {"y", true, false, false, kF32, "", kShapeDims, "", k143, kPlain, 0, {}}};
inline constexpr AttrSchema k145[] = {{"n", kInt, 1, 512}, {"output_scale", kFloat, 0, 0}};
inline constexpr OperandSchema k146[] = {{"u", false, false, false, kAnyFloat, "", kShapeDims, "", k137, kPlain, 0, {}}, {"w1", false, false, false, kAnyFloat, "", kShapeDims, "", k138, kPlain, 0, {}}, {"t", false, false, false, kF32, "", kShapeDims, "", k142, kPlain, 0, {}}, {"w2", true, false, false, kAnyFloat, "", kShapeDims, "", k140, kPlain, 0, {}}, {"dy", true, false, false, kAnyFloat, "", kShapeDims, "", k143, kPlain, 0, {}}};
inline constexpr OperandSchema k147[] = {{"du", false, false, false, kF32, "", kShapeDims, "", k137, kPlain, 0, {}}, {"dw1", false, false, false, kF32, "", kShapeDims, "", k138, kPlain, 0, {}}, {"db1", false, false, false, kF32, "", kShapeDims, "", k139, kPlain, 0, {}}, {"dw2", true, false, false, kF32, "", kShapeDims, "", k140, kPlain, 0, {}}, {"db2", true, false, false, kF32, "", kShapeDims, "", k74, kPlain, 0, {}}};
inline constexpr DimPattern k148[] = {{"1", "V", 0}};
inline constexpr OperandSchema k149[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"w", false, false, false, kFloatOrI8, "", kShapeDims, "", k51, kPlain, 0, {}}, {"labels", false, false, false, kI32, "", kShapeDims, "", k53, kIndex, -1, k148}, {"w_scale", false, true, false, kF32, "", kShapeDims, "", k148, kPlain, 0, {}}};
inline constexpr OperandSchema k150[] = {{"logp", false, false, false, kF32, "", kShapeDims, "", k53, kPlain, 0, {}}, {"lse", false, false, false, kF32, "", kShapeDims, "", k53, kPlain, 0, {}}};
inline constexpr AttrSchema k151[] = {{"scale", kFloat, 0, 0}};
inline constexpr OpRule k152[] = {{kWithI8, "w_scale", "w", "", {}}};
inline constexpr OperandSchema k153[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k56, kPlain, 0, {}}, {"w", false, false, false, kAnyFloat, "", kShapeDims, "", k51, kPlain, 0, {}}, {"labels", false, false, false, kI32, "", kShapeDims, "", k53, kIndex, -1, k148}, {"lse", false, false, false, kF32, "", kShapeDims, "", k53, kPlain, 0, {}}, {"g", false, false, false, kF32, "", kShapeDims, "", k53, kPlain, 0, {}}};
inline constexpr OperandSchema k154[] = {{"dx", false, false, false, kF32, "", kShapeDims, "", k56, kPlain, 0, {}}, {"dw", false, true, false, kF32, "", kShapeDims, "", k51, kPlain, 0, {}}};
inline constexpr DimPattern k155[] = {{"1", "R", 0}, {"1", "V", 0}};
inline constexpr OperandSchema k156[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k155, kPlain, 0, {}}};
inline constexpr OperandSchema k157[] = {{"y", false, false, false, kF32, "", kShapeDims, "", k155, kPlain, 0, {}}};
inline constexpr DimPattern k158[] = {{"1", "R", 0}, {"1", "H", 0}};
inline constexpr DimPattern k159[] = {{"1", "H", 1}};
inline constexpr DimPattern k160[] = {{"1", "E", 0}};
inline constexpr DimPattern k161[] = {{"1", "B", 0}, {"1", "L", 0}};
inline constexpr DimPattern k162[] = {{"1", "U", 0}};
inline constexpr OperandSchema k163[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k155, kPlain, 0, {}}, {"history", false, false, false, kI32, "", kShapeDims, "", k158, kIndex, 0, k148}, {"length", false, false, false, kI32, "", kShapeDims, "", k69, kIndex, 0, k159}, {"eos", false, true, false, kI32, "", kShapeDims, "", k160, kIndex, 0, k148}, {"banned", false, true, false, kI32, "", kShapeDims, "", k161, kIndex, -1, k148}, {"suppress", false, true, false, kI32, "", kShapeDims, "", k162, kIndex, 0, k148}};
inline constexpr AttrSchema k164[] = {{"repetition_penalty", kFloat, 0, 0}, {"no_repeat_ngram", kInt, 0, 1048576}, {"min_length", kInt, 0, 1048576}};
inline constexpr DimPattern k165[] = {{"1", "R", 0}, {"1", "k", 0}};
inline constexpr OperandSchema k166[] = {{"value", false, false, false, kF32, "", kShapeDims, "", k165, kPlain, 0, {}}, {"id", false, false, false, kI32, "", kShapeDims, "", k165, kPlain, 0, {}}};
inline constexpr AttrSchema k167[] = {{"k", kInt, 1, 4096}};
inline constexpr DimPattern k168[] = {{"1", "R", 0}, {"0", "", 4}};
inline constexpr DimPattern k169[] = {{"1", "R", 0}, {"0", "", 2}};
inline constexpr OperandSchema k170[] = {{"x", false, false, false, kAnyFloat, "", kShapeDims, "", k155, kPlain, 0, {}}, {"token", false, false, true, kI32, "", kShapeDims, "", k69, kPlain, 0, {}}, {"length", false, false, true, kI32, "", kShapeDims, "", k69, kIndex, 0, k159}, {"done", false, false, true, kI32, "", kShapeDims, "", k69, kPlain, 0, {}}, {"history", false, false, true, kI32, "", kShapeDims, "", k158, kPlain, 0, {}}, {"params", false, false, false, kF32, "", kShapeDims, "", k168, kPlain, 0, {}}, {"seed", false, false, false, kI32, "", kShapeDims, "", k169, kPlain, 0, {}}, {"eos", false, false, false, kI32, "", kShapeDims, "", k160, kIndex, 0, k148}};
inline constexpr OperandSchema k171[] = {{"next", false, false, false, kI32, "", kShapeDims, "", k69, kPlain, 0, {}}, {"logp", false, false, false, kF32, "", kShapeDims, "", k69, kPlain, 0, {}}, {"stop", false, false, false, kI32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr AttrSchema k172[] = {{"pad", kInt, 0, 2147483647}};
inline constexpr DimPattern k173[] = {{"1", "N", 0}, {"1", "R", 0}, {"1", "C", 0}};
inline constexpr DimPattern k174[] = {{"1", "N", 0}, {"1", "R", 0}};
inline constexpr DimPattern k175[] = {{"0", "", 2}};
inline constexpr OperandSchema k176[] = {{"param", false, false, true, kF32, "", kShapeDims, "", k173, kPlain, 0, {}}, {"row", false, false, true, kF32, "", kShapeDims, "", k174, kPlain, 0, {}}, {"col", false, false, true, kF32, "", kShapeDims, "", k10, kPlain, 0, {}}, {"m", false, true, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"copy", false, true, true, kAnyFloat, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"grad", false, false, false, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"rates", false, false, false, kF32, "", kShapeDims, "", k175, kPlain, 0, {}}, {"gscale", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr AttrSchema k177[] = {{"beta1", kFloat, 0, 0}, {"eps1", kFloat, 0, 0}, {"eps2", kFloat, 0, 0}, {"clip_threshold", kFloat, 0, 0}, {"weight_decay", kFloat, 0, 0}, {"lr_scale", kFloat, 0, 0}, {"scale_parameter", kInt, 0, 1}};
inline constexpr OperandSchema k178[] = {{"param", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"v", false, false, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"m", false, true, true, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"copy", false, true, true, kAnyFloat, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"grad", false, false, false, kF32, "", kShapeLike, "param", {}, kPlain, 0, {}}, {"rates", false, false, false, kF32, "", kShapeDims, "", k175, kPlain, 0, {}}, {"gscale", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OperandSchema k179[] = {{"mean", false, false, true, kF32, "", kShapeAny, "", {}, kPlain, 0, {}}, {"x", false, false, false, kF32, "", kShapeLike, "mean", {}, kPlain, 0, {}}, {"rate", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}, {"gscale", false, false, false, kF32, "", kShapeDims, "", k25, kPlain, 0, {}}};
inline constexpr OpSchema ops[kOpCount] = {
    {"reshape", true, k0, k1, {}, {}},
    {"split_rows", true, k3, k5, k6, {}},
    {"concat_rows", false, k7, k8, k9, {}},
    {"gather_rows", false, k13, k15, k16, {}},
    {"scatter_add_rows", false, k17, k18, {}, {}},
    {"write_rows", false, k19, {}, {}, {}},
    {"add", false, k20, k21, k16, {}},
    {"mul", false, k20, k21, k16, {}},
    {"scale", false, k22, k23, k24, {}},
    {"scale_by", false, k26, k23, k16, {}},
    {"cast", false, k22, k23, k16, {}},
    {"expand", false, k27, k28, {}, {}},
    {"fill", false, {}, k28, k29, {}},
    {"dropout", false, k31, k23, k32, {}},
    {"activation", false, k22, k23, k33, {}},
    {"activation_grad", false, k34, k35, k36, {}},
    {"gated_activation", false, k20, k21, k33, {}},
    {"gated_activation_grad", false, k37, k38, k36, {}},
    {"sum", false, k22, k39, {}, {}},
    {"global_norm", false, k40, k39, k41, {}},
    {"grad_scale", false, k42, k43, k44, {}},
    {"adamw", false, k46, {}, k47, {}},
    {"accumulate", false, k48, {}, {}, {}},
    {"assign", false, k49, {}, {}, {}},
    {"zero", false, k50, {}, {}, {}},
    {"embedding", false, k55, k57, k16, {}},
    {"embedding_grad", false, k58, k59, {}, {}},
    {"rms_norm", false, k61, k62, k63, {}},
    {"rms_norm_grad", false, k64, k65, k66, {}},
    {"lora_linear", false, k81, k83, k84, k88},
    {"lora_linear_dx", false, k89, k90, k91, k92},
    {"lora_linear_dab", false, k99, k100, k101, k102},
    {"linear_dw", false, k103, k105, {}, {}},
    {"prefix_attention", false, k116, k118, k119, k122},
    {"prefix_attention_grad", false, k123, k124, k125, k122},
    {"prefix_attention_decode", false, k131, k132, k133, k134},
    {"kv_append", false, k135, {}, k136, {}},
    {"hyper_heads", false, k141, k144, k145, {}},
    {"hyper_heads_grad", false, k146, k147, k145, {}},
    {"cross_entropy", false, k149, k150, k151, k152},
    {"cross_entropy_grad", false, k153, k154, k151, {}},
    {"log_softmax", false, k156, k157, {}, {}},
    {"logit_rules", false, k163, k157, k164, {}},
    {"top_k", false, k156, k166, k167, {}},
    {"sample", false, k170, k171, k172, {}},
    {"adafactor", false, k176, {}, k177, {}},
    {"adafactor_full", false, k178, {}, k177, {}},
    {"average", false, k179, {}, {}, {}},
};
}  // namespace op_table

inline const OpSchema& op_schema(int id) { return op_table::ops[id]; }

}  // namespace ht
