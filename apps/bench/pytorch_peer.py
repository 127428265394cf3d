"""PyTorch's side of `espalier bench`: pytorch_peer.py MODEL BATCH THREADS SECONDS prints images per second."""

import sys
import time

import torch
from torch import nn

model_name, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(threads)
torch.manual_seed(1)
models = {
    "lenet_300_100": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    ),
    "lenet5": lambda: nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    ),
}


def measure(memory_format):
    model = models[model_name]().to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_function = nn.CrossEntropyLoss()
    images = torch.randn(batch, 1, 28, 28).contiguous(memory_format=memory_format)
    labels = torch.randint(0, 10, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(model(images), labels)
        loss.item()
        loss.backward()
        optimizer.step()

    for _ in range(20):
        step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(10):
            step()
        steps += 10
    return steps * batch / (time.perf_counter() - start)


formats = [torch.contiguous_format] + ([torch.channels_last] if model_name == "lenet5" else [])
print(max(measure(each) for each in formats))  # its best memory format counts
