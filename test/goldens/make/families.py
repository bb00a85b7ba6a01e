"""Tiny configurations, one per T5 family, written the way the families' own config.json files are."""

TOKENS = {
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "is_encoder_decoder": True,
    "use_cache": True,
    "dropout_rate": 0.1,
    "initializer_factor": 1.0,
}


def _config(model_type: str, architecture: str, **fields) -> dict:
    return {"model_type": model_type, "architectures": [architecture], **TOKENS, **fields}


def _t5(**fields) -> dict:
    return _config("t5", "T5ForConditionalGeneration", **fields)


# The v1.0 configuration leaves out feed_forward_proj, tie_word_embeddings and relative_attention_max_distance,
# as the oldest published ones do: a reader has to know the defaults (relu, true, 128).
FAMILIES: dict[str, dict] = {
    "t5-v1.0": _t5(
        d_model=24, d_kv=8, num_heads=5, d_ff=51, vocab_size=99, num_layers=2, num_decoder_layers=3,
        relative_attention_num_buckets=32, layer_norm_epsilon=1e-6, n_positions=512,
    ),
    "t5-v1.1": _t5(
        d_model=28, d_kv=8, num_heads=3, d_ff=45, vocab_size=107, num_layers=2, num_decoder_layers=3,
        relative_attention_num_buckets=32, relative_attention_max_distance=128, layer_norm_epsilon=1e-6,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    ),
    "flan": _t5(
        d_model=40, d_kv=8, num_heads=6, d_ff=37, vocab_size=120, num_layers=3, num_decoder_layers=2,
        relative_attention_num_buckets=32, relative_attention_max_distance=128, layer_norm_epsilon=1e-6,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, n_positions=512, output_past=True,
    ),
    "mt5": _config(
        "mt5", "MT5ForConditionalGeneration",
        d_model=32, d_kv=8, num_heads=5, d_ff=43, vocab_size=113, num_layers=2, num_decoder_layers=3,
        relative_attention_num_buckets=32, layer_norm_epsilon=1e-6, feed_forward_proj="gated-gelu",
        tie_word_embeddings=False, tokenizer_class="T5Tokenizer",
    ),
    "t5-tied-gated": _t5(
        d_model=36, d_kv=8, num_heads=4, d_ff=55, vocab_size=101, num_layers=2, num_decoder_layers=3,
        relative_attention_num_buckets=20, relative_attention_max_distance=50, layer_norm_epsilon=1e-5,
        feed_forward_proj="gated-gelu", tie_word_embeddings=True,
    ),
}


def _prefix_base(encoder_layers: int, decoder_layers: int, heads: int) -> dict:
    return _t5(
        d_model=24, d_kv=8, num_heads=heads, d_ff=19, vocab_size=61, num_layers=encoder_layers,
        num_decoder_layers=decoder_layers, relative_attention_num_buckets=32, relative_attention_max_distance=128,
        layer_norm_epsilon=1e-6, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )


# Bases for prefix tuning: the library can only serve decoders no deeper than the encoder, and without
# a token_dim override only models whose inner width equals d_model.
PREFIX_BASES: dict[str, dict] = {
    "prefix-ln2": _prefix_base(2, 2, 3),
    "prefix-ln3": _prefix_base(3, 3, 3),
    "prefix-ln4": _prefix_base(4, 4, 3),
    "prefix-inner": _prefix_base(3, 3, 5),
}

# Storage variants: the same weights as their family, written by transformers itself.
VARIANTS: dict[str, tuple[str, str]] = {
    "t5-v1.1-sharded": ("t5-v1.1", "float32"),
    "flan-bf16": ("flan", "bfloat16"),
    "mt5-fp16": ("mt5", "float16"),
}
