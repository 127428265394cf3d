#!/usr/bin/env python3
"""Writes official.safetensors with the official library: pip install safetensors==0.8.0 numpy."""

import pathlib

import numpy
from safetensors.numpy import save_file

save_file(
    {
        "conv.weight": numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4) / 8,
        "statistics": numpy.array([1e-300, -0.5, numpy.inf], dtype=numpy.float64),
        "mask": numpy.array([[0, 1, 255]], dtype=numpy.uint8),
        "codes": numpy.array([-1, 2**31 - 1], dtype=numpy.int32),
        "steps": numpy.array(-(2**62), dtype=numpy.int64),
        "empty": numpy.zeros((0, 5), dtype=numpy.float32),
    },
    pathlib.Path(__file__).with_name("official.safetensors"),
    metadata={"format": "np", "née": "\"quoted\"\n"},
)
