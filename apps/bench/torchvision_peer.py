"""torchvision's side of `espalier bench data`: torchvision_peer.py THREADS."""

import functools
import sys

import peer

torchvision = peer.require("torchvision")
import numpy
import torch
from PIL import Image
from torchvision import datasets, transforms

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
NORMALISE = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]


class Memory:
    """Random images that are changed as those of torchvision's CIFAR10 are."""

    def __init__(self):
        self.pixels = numpy.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), dtype=numpy.uint8)
        crop = transforms.RandomCrop(32, padding=4)
        self.change = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *NORMALISE])

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.change(Image.fromarray(self.pixels[index]))


def files(folder):
    crop = transforms.RandomResizedCrop(224, scale=(0.08, 1.0))
    change = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *NORMALISE])
    return datasets.ImageFolder(folder, change)


@functools.cache
def step_of(work, folder):
    data = files(folder) if work == "files" else Memory()
    done = 0

    def step():
        nonlocal done
        data[done % len(data)]
        done += 1

    peer.rate(step, 0.2)
    return step


def answer(work, folder, seconds):
    return {"rate": peer.rate(step_of(work, folder), seconds)}


peer.serve("torchvision " + torchvision.__version__, answer)
