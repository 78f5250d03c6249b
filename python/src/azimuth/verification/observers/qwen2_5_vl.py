"""Qwen2.5-VL: as Qwen2-VL."""

from .qwen2_vl import prepare
