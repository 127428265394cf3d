#!/usr/bin/env python3
"""What one step of SGD does to the zoo's networks in PyTorch 1.13 with torchvision 0.14, computed in float64.

make_training_step.py writes training-step-<model>.npz beside itself with at most 64 elements of each parameter;
make_training_step.py DIR writes all elements into DIR, for tests with ESPALIER_TRAINING_STEP=DIR.
"""

import pathlib
import sys

import numpy
import torch
import torchvision
from make_training import tensor
from torch import nn
from torch.nn import functional

RATE, BATCH = 0.005, 16


class PaddedBlock(nn.Module):
    """He et al. 2016, option A."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        half = self.extra // 2
        carried = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))
        return functional.relu(y + carried)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[PaddedBlock(16, 16, 1) for _ in range(3)])
        self.layer2 = nn.Sequential(PaddedBlock(16, 32, 2), *[PaddedBlock(32, 32, 1) for _ in range(2)])
        self.layer3 = nn.Sequential(PaddedBlock(32, 64, 2), *[PaddedBlock(64, 64, 1) for _ in range(2)])
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class Vgg16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]:
            if width == 0:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(inputs, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=False)

    def forward(self, x):
        return self.conv1(functional.relu(self.bn1(x)))


class DenseNet40(nn.Module):
    def __init__(self):
        super().__init__()
        channels = 24
        self.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        for block in (1, 2, 3):
            layers = []
            for _ in range(12):
                layers.append(DenseLayer(channels, 12, 3))
                channels += 12
            setattr(self, f"dense{block}", nn.ModuleList(layers))
            if block < 3:
                setattr(self, f"trans{block}", DenseLayer(channels, channels, 1))
        self.bn, self.fc = nn.BatchNorm2d(channels), nn.Linear(channels, 10)

    def forward(self, x):
        x = self.conv1(x)
        for block in (1, 2, 3):
            for layer in getattr(self, f"dense{block}"):
                x = torch.cat([x, layer(x)], 1)
            if block < 3:
                x = functional.avg_pool2d(getattr(self, f"trans{block}")(x), 2)
        return self.fc(functional.relu(self.bn(x)).mean((2, 3)))


MODELS = {  # the network, and the side of its images
    "resnet20": (ResNet20, 32),
    "vgg16": (Vgg16, 32),
    "densenet40": (DenseNet40, 32),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=10, dropout=0.0), 64),
    "resnet50": (lambda: torchvision.models.resnet50(num_classes=10), 64),
}


def initial(stream, name, shape):
    if len(shape) > 1:  # as if trained: the classifier begins small, so that the loss is near that of chance
        bound = (6 / float(numpy.prod(shape[1:]))) ** 0.5 * (0.1 if len(shape) == 2 else 1)
        return tensor(stream, shape, -bound, bound)
    return tensor(stream, shape, 0.25, 0.75) if name.endswith("weight") else tensor(stream, shape, -0.5, 0.5)


def sample(values, count):
    """Element k of `count` is element k * n / count, rounded down, of all n."""
    flat = values.detach().flatten()
    return flat[torch.arange(count) * len(flat) // count].numpy()


def step(make, side, most):
    network = make().double()
    parameters = sorted(network.named_parameters())
    for index, (name, parameter) in enumerate(parameters):
        parameter.data = initial(100 + index, name, tuple(parameter.shape)).double()
    before = {name: parameter.detach().clone() for name, parameter in parameters}
    images = tensor(1, (BATCH, 3, side, side), -2, 2).double()
    labels = torch.arange(BATCH) * 7 % 10
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, weight_decay=1e-2)
    loss = functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    arrays = {"loss": numpy.float64(loss.item())}
    for name, parameter in parameters:
        count = min(parameter.numel(), most)
        arrays["after/" + name] = sample(parameter, count).astype(numpy.float32)
        arrays["change/" + name] = sample(parameter - before[name], count).astype(numpy.float32)
    return arrays


if __name__ == "__main__":
    everything = len(sys.argv) > 1
    folder = pathlib.Path(sys.argv[1]) if everything else pathlib.Path(__file__).parent
    for model, (make, side) in MODELS.items():
        numpy.savez_compressed(folder / f"training-step-{model}.npz", **step(make, side, 10**9 if everything else 64))
