#!/usr/bin/env python3
"""Writes interchange-*.pt, .npz and .json: a small network in each container, and its outputs. PyTorch 1.13, NumPy 1.24."""

import collections
import json
import pathlib

import numpy
import torch

folder = pathlib.Path(__file__).parent
torch.manual_seed(7)
model = torch.nn.Sequential(
    collections.OrderedDict(
        conv1=torch.nn.Conv2d(2, 3, 3, bias=False),
        bn1=torch.nn.BatchNorm2d(3),
        relu=torch.nn.ReLU(),
        flatten=torch.nn.Flatten(),
        fc=torch.nn.Linear(48, 4),
    )
)
for _ in range(3):
    model(torch.randn(8, 2, 6, 6) * 2 + 1)  # moves the running statistics
with torch.no_grad():
    model.bn1.weight.uniform_(0.5, 1.5)
    model.bn1.bias.uniform_(-1, 1)
    model.fc.bias.copy_(model.fc.bias.half().float())
model.eval()
images = torch.randn(5, 2, 6, 6)
logits = model(images)

state = model.state_dict()
torch.save(state, folder / "interchange-zip.pt")

# As akamaster's checkpoints are: legacy, nested, prefixed; with a transposed view, a half and a double besides.
wrapped = collections.OrderedDict(("module." + name, tensor) for name, tensor in state.items())
wrapped["module.fc.weight"] = state["fc.weight"].t().contiguous().t()
wrapped["module.fc.bias"] = state["fc.bias"].half()
wrapped["module.conv1.weight"] = torch.nn.Parameter(state["conv1.weight"].double())
torch.save(
    {"state_dict": wrapped, "best_prec1": 91.7},
    folder / "interchange-legacy.pt",
    _use_new_zipfile_serialization=False,
)
numpy.savez_compressed(folder / "interchange.npz", **{name: tensor.numpy() for name, tensor in state.items()})
torch.save({"weight": torch.zeros(2), "evil": collections.Counter()}, folder / "interchange-class.pt")

with open(folder / "interchange.json", "w") as file:
    json.dump(
        {"images": images.permute(0, 2, 3, 1).flatten().tolist(), "logits": logits.flatten().tolist()}, file
    )
    file.write("\n")
