"""What weights can be rounded to, from the roughest to the finest, and how two of them compare."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Bits a weight, as the formats' names say; NVFP4 and MXFP4 share a scale among many weights.
BITS: Mapping[str, float] = MappingProxyType(
    {
        "1.58-bit": 1.58,
        "int2": 2,
        "int3": 3,
        "int4": 4,
        "fp4": 4,
        "nvfp4": 4,
        "mxfp4": 4,
        "int5": 5,
        "int6": 6,
        "fp6": 6,
        "int8": 8,
        "fp8": 8,
        "bf16": 16,
        "fp16": 16,
        "fp32": 32,
    }
)


def meant(word: str) -> frozenset[str]:
    """Return what a word stands for: itself, or with ``+`` at its end all that is no rougher.

    Raises ``KeyError`` for a word that is none.
    """
    name = word.removesuffix("+")
    least = BITS[name]
    if name == word:
        return frozenset((name,))
    return frozenset(other for other, bits in BITS.items() if bits >= least)
