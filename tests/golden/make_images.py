#!/usr/bin/env python3
"""Writes JPEG files and, as PNG files, the pixels that PIL (Debian: python3-pil) decodes them to."""

import pathlib

import numpy
from PIL import Image

here = pathlib.Path(__file__).parent
y, x = numpy.mgrid[0:37, 0:45]
noise = numpy.random.default_rng(1).integers(-12, 13, (37, 45, 3))
waves = numpy.stack([128 + 100 * numpy.sin(x / 5), 128 + 90 * numpy.cos(y / 4), 3 * (x + y)], axis=2)
image = Image.fromarray(numpy.clip(waves + noise, 0, 255).astype(numpy.uint8))
for name, options in {
    "smooth": {"quality": 80, "subsampling": "4:2:0"},
    "progressive": {"quality": 60, "subsampling": "4:2:2", "progressive": True},
}.items():
    image.save(here / f"{name}.jpg", **options)
    Image.open(here / f"{name}.jpg").save(here / f"{name}.png", optimize=True)
