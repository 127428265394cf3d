#!/usr/bin/env python3
"""Writes resample.json with PIL and torchvision (Debian's python3-torchvision): one channel of float pixels at a time, so
that nothing is rounded."""

import json
import pathlib

import numpy
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional

BILINEAR = InterpolationMode.BILINEAR


def channels(height, width):
    y, x = numpy.mgrid[0:height, 0:width]
    for channel in range(3):
        pixels = (31 * y + 17 * x + 59 * channel + 7 * x * y) % 256
        yield Image.fromarray(pixels.astype(numpy.float32), mode="F")


def values(images):
    stacked = numpy.stack([numpy.asarray(image) for image in images], axis=-1)
    return [round(float(value), 4) for value in stacked.flatten()]


def centre(height, width, shorter, size):
    images = [functional.center_crop(functional.resize(image, shorter, BILINEAR), size) for image in channels(height, width)]
    return {"image": [height, width], "shorter": shorter, "size": size, "pixels": values(images)}


def crop(height, width, top, left, rows, columns, size):
    images = [functional.resized_crop(image, top, left, rows, columns, [size, size], BILINEAR) for image in channels(height, width)]
    return {"image": [height, width], "part": [top, left, rows, columns], "size": size, "pixels": values(images)}


golden = {
    "centre": [centre(17, 23, 9, 6), centre(50, 31, 11, 8), centre(5, 7, 12, 9), centre(8, 8, 8, 8)],
    "crop": [crop(17, 23, 3, 5, 11, 13, 4), crop(17, 23, 16, 0, 1, 23, 5), crop(9, 9, 2, 1, 4, 5, 7), crop(60, 40, 0, 0, 60, 40, 3)],
}
pathlib.Path(__file__).with_name("resample.json").write_text(json.dumps(golden) + "\n")
