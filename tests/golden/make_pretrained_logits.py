#!/usr/bin/env python3
"""Writes pretrained-logits.npz: PyTorch 1.13's logits of CIFAR-10 networks trained elsewhere.

make_pretrained_logits.py PRETRAINED CIFAR10_JPEG: the folders of resnet20-12fca82f.th and resnet56-4bfd9763.th
(https://github.com/akamaster/pytorch_resnet_cifar10) and of test/<class>/*.jpg. For 64 images of noise and the
first 64 test images, by class and name.
"""

import pathlib
import sys

import numpy
import torch
from make_training import tensor
from make_training_step import PaddedBlock, ResNet20
from PIL import Image
from torch import nn

pretrained, cifar = map(pathlib.Path, sys.argv[1:3])


class ResNet56(ResNet20):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(*[PaddedBlock(16, 16, 1) for _ in range(9)])
        self.layer2 = nn.Sequential(PaddedBlock(16, 32, 2), *[PaddedBlock(32, 32, 1) for _ in range(8)])
        self.layer3 = nn.Sequential(PaddedBlock(32, 64, 2), *[PaddedBlock(64, 64, 1) for _ in range(8)])


mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
files = sorted((cifar / "test").glob("*/*.jpg"))[:64]
pixels = numpy.stack([numpy.asarray(Image.open(file).convert("RGB")) for file in files])
images = {
    "noise": tensor(1, (64, 3, 32, 32), -2, 2),
    "test": (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / deviation,
}
arrays = {}
for name, make in {"resnet20-12fca82f": ResNet20, "resnet56-4bfd9763": ResNet56}.items():
    network = make().eval()
    state = torch.load(pretrained / f"{name}.th", map_location="cpu")["state_dict"]
    network.load_state_dict({key.replace("module.", ""): value for key, value in state.items()})
    with torch.no_grad():
        for kind, batch in images.items():
            arrays[f"{name}/{kind}"] = network(batch).numpy()
numpy.savez_compressed(pathlib.Path(__file__).with_name("pretrained-logits.npz"), **arrays)
