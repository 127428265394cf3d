"""torchvision's side of `espalier bench data`: torchvision_peer.py files|cifar SECONDS FOLDER prints images per second."""

import sys
import time

import numpy
import torch
from PIL import Image
from torchvision import datasets, transforms

workload, seconds, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.manual_seed(1)
normalise = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
if workload == "files":
    crop = transforms.RandomResizedCrop(224, scale=(0.08, 1.0))
    change = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *normalise])
    data = datasets.ImageFolder(folder, change)
else:
    crop = transforms.RandomCrop(32, padding=4)
    change = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *normalise])
    pixels = numpy.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), dtype=numpy.uint8)

    class Memory:
        def __len__(self):
            return len(pixels)

        def __getitem__(self, index):
            return change(Image.fromarray(pixels[index]))  # as torchvision's CIFAR10 does

    data = Memory()


def measure(length):
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < length:
        data[done % len(data)]
        done += 1
    return done / (time.perf_counter() - start)


measure(0.2)
print(measure(seconds))
