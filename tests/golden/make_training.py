#!/usr/bin/env python3
"""Writes training.json with PyTorch 1.13 (Debian: python3-torch): what optimizers, a schedule and LeNet-300-100 do there."""

import json
import pathlib

import numpy
import torch


def uniform(stream, count):
    """Element i is splitmix64(stream * 2^32 + i) as a number in [0, 1) with 24 bits; tests/support/uniform.h draws the same."""
    with numpy.errstate(over="ignore"):
        z = (numpy.uint64(stream) << numpy.uint64(32)) + numpy.arange(count, dtype=numpy.uint64)
        z = z * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return ((z >> numpy.uint64(40)).astype(numpy.float32)) * numpy.float32(2**-24)


def tensor(stream, shape, low, high):
    values = numpy.float32(low) + numpy.float32(high - low) * uniform(stream, int(numpy.prod(shape)))
    return torch.from_numpy(values.reshape(shape))


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05),
}


def optimizer_weights(make):
    """The weights after each of five steps along made-up gradients."""
    weight = torch.nn.Parameter(tensor(1, (6,), -1, 1).double())
    optimizer = make([weight])
    weights = []
    for step in range(5):
        weight.grad = tensor(2 + step, (6,), -1, 1).double()
        optimizer.step()
        weights.append(weight.detach().tolist())
    return weights


def one_cycle(steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.5, total_steps=steps, pct_start=0.3, div_factor=25, final_div_factor=40, cycle_momentum=False)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(rates) < steps:
            schedule.step()
    return rates


def lenet_losses(make):
    """The loss before each of ten steps of LeNet-300-100 on one batch of 64 random images."""
    layers = []
    for index, (inputs, outputs) in enumerate([(784, 300), (300, 100), (100, 10)]):
        layer = torch.nn.Linear(inputs, outputs).double()
        bound = (6 / inputs) ** 0.5
        layer.weight.data = tensor(10 + index, (outputs, inputs), -bound, bound).double()
        layer.bias.data.zero_()
        layers.append(layer)
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    images = tensor(20, (64, 784), -1, 1).double()
    labels = torch.arange(64) * 7 % 10
    optimizer = make([{"params": [layer.weight for layer in layers]},
                      {"params": [layer.bias for layer in layers], "weight_decay": 0}])
    losses = []
    for _ in range(10):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


if __name__ == "__main__":
    golden = {
        "optimizers": {name: optimizer_weights(make) for name, make in OPTIMIZERS.items()},
        "one_cycle": {str(steps): one_cycle(steps) for steps in (10, 37)},
        "lenet_300_100": {
            "sgd": lenet_losses(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-3)),
            "adam": lenet_losses(lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=5e-3)),
        },
    }
    pathlib.Path(__file__).with_name("training.json").write_text(json.dumps(golden, indent=1) + "\n")
