"""A language model of half a megabyte with random weights, and eyes for it: nothing of sense, through the whole real
runtime."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

if os.environ.get("CI") != "true":
    for _package in ("gguf", "xllamacpp"):
        pytest.importorskip(_package, reason=f"{_package} is not installed: make developer")

import gguf

CONTEXT = 2048
_WIDTH, _LAYERS, _HEADS, _INNER = 64, 2, 4, 128
_TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
_UNKNOWN, _CONTROL, _BYTE = 2, 3, 6  # token types of llama.cpp

TOKENS_OF_A_PICTURE = 16
_SIDE, _PATCH, _EYE = 56, 14, 32  # pixels, pixels, width of the vision tower


def write(path: Path, *, seed: int = 7) -> Path:
    """Write the model, always the same for a seed: one token for each byte, a context of `CONTEXT` tokens."""
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.1).astype(np.float32)

    def ones() -> np.ndarray:
        return np.ones(_WIDTH, np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    writer.add_tensor("token_embd.weight", weights(len(_TOKENS), _WIDTH))
    writer.add_tensor("output_norm.weight", ones())
    output = weights(len(_TOKENS), _WIDTH)
    output[:3] = 0.0  # hardly ever the end: an answer goes on until it is cut
    writer.add_tensor("output.weight", output)
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        writer.add_tensor(f"{block}attn_norm.weight", ones())
        writer.add_tensor(f"{block}ffn_norm.weight", ones())
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}{name}.weight", weights(_WIDTH, _WIDTH))
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}{name}.weight", weights(_INNER, _WIDTH))
        writer.add_tensor(f"{block}ffn_down.weight", weights(_WIDTH, _INNER))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(_TOKENS)
    writer.add_token_scores([0.0] * len(_TOKENS))
    writer.add_token_types([_UNKNOWN, _CONTROL, _CONTROL, *([_BYTE] * 256)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")


def write_projector(path: Path) -> Path:
    """Write a vision tower as LLaVA's for the model: a picture of any size becomes `TOKENS_OF_A_PICTURE` tokens."""
    random = np.random.default_rng(9)

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.1).astype(np.float32)

    writer = gguf.GGUFWriter(path, "clip")
    _describe_projector(writer)
    writer.add_tensor("v.patch_embd.weight", weights(_EYE, 3, _PATCH, _PATCH))
    writer.add_tensor("v.position_embd.weight", weights(TOKENS_OF_A_PICTURE, _EYE))
    for name in ("ln1", "ln2"):
        writer.add_tensor(f"v.blk.0.{name}.weight", np.ones(_EYE, np.float32))
        writer.add_tensor(f"v.blk.0.{name}.bias", weights(_EYE))
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        writer.add_tensor(f"v.blk.0.{name}.weight", weights(_EYE, _EYE))
        writer.add_tensor(f"v.blk.0.{name}.bias", weights(_EYE))
    writer.add_tensor("v.blk.0.ffn_up.weight", weights(2 * _EYE, _EYE))
    writer.add_tensor("v.blk.0.ffn_up.bias", weights(2 * _EYE))
    writer.add_tensor("v.blk.0.ffn_down.weight", weights(_EYE, 2 * _EYE))
    writer.add_tensor("v.blk.0.ffn_down.bias", weights(_EYE))
    writer.add_tensor("mm.0.weight", weights(_WIDTH, _EYE))
    writer.add_tensor("mm.0.bias", weights(_WIDTH))
    writer.add_tensor("mm.2.weight", weights(_WIDTH, _WIDTH))
    writer.add_tensor("mm.2.bias", weights(_WIDTH))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe_projector(writer: gguf.GGUFWriter) -> None:
    writer.add_type("mmproj")
    writer.add_file_type(0)
    writer.add_bool("clip.has_vision_encoder", val=True)
    writer.add_bool("clip.use_gelu", val=True)
    writer.add_string("clip.projector_type", "mlp")
    for name, value in {
        "image_size": _SIDE,
        "patch_size": _PATCH,
        "embedding_length": _EYE,
        "feed_forward_length": 2 * _EYE,
        "projection_dim": _WIDTH,
        "block_count": 1,
        "attention.head_count": 2,
    }.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.25, 0.25, 0.25])
