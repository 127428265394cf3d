"""PyTorch's side of `espalier bench`: pytorch_peer.py THREADS."""

import sys
from functools import partial

import peer

torch = peer.require("torch")
from torch import nn
from torch.nn import functional

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def lenet_300_100():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    )


def conv(channels, out, stride=1):
    return [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)]


def vgg16():
    layers, channels = [], 3
    for out in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        layers += [*conv(channels, out), nn.ReLU(inplace=True)] if out else [nn.MaxPool2d(2)]
        channels = out or channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.residual = nn.Sequential(*conv(channels, out, stride), nn.ReLU(inplace=True), *conv(out, out))
        self.stride, self.extra = stride, out - channels

    def forward(self, x):
        shortcut = x
        if self.extra:
            shortcut = x[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))
        return functional.relu(self.residual(x) + shortcut, inplace=True)


def resnet20():
    blocks, channels = [], 16
    for out in (16, 32, 64):
        for i in range(3):
            blocks.append(Block(channels, out, 2 if out > 16 and i == 0 else 1))
            channels = out
    return nn.Sequential(
        *conv(3, 16), nn.ReLU(inplace=True), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


MODELS = {each.__name__: each for each in (lenet_300_100, lenet5, vgg16, resnet20)}


def training_step(model, images, labels, foreach):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, foreach=foreach)
    loss_function = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(model(images), labels)
        loss.item()
        loss.backward()
        optimizer.step()

    return step


@torch.no_grad()
def inference_step(model, images, prepare):
    prepared = prepare(model.eval(), images)

    def step():
        with torch.inference_mode():
            prepared(images)

    return step


def eager(model, _):
    return model


def jit(model, images):
    return torch.jit.freeze(torch.jit.trace(model, images))


def optimized_jit(model, images):
    return torch.jit.optimize_for_inference(torch.jit.trace(model, images))


def forms_of(name, work, shape, compiled):
    """Every form that could be PyTorch's best, eager or compiled, by memory format, optimizer, JIT:
    {name: maker of a step}."""
    forms = {}
    labels = torch.randint(0, 10, shape[:1])
    for order, memory_format in FORMATS.items():
        images = torch.randn(shape).contiguous(memory_format=memory_format)

        def form(make, *choices):
            return partial(make, MODELS[name]().to(memory_format=memory_format), images, *choices)

        if work == "training":
            forms[order] = form(training_step, labels, False)
            forms[order + ", foreach"] = form(training_step, labels, True)
        elif compiled:
            forms[order + ", JIT"] = form(inference_step, jit)
            forms[order + ", JIT optimized"] = form(inference_step, optimized_jit)
        else:
            forms[order] = form(inference_step, eager)
    return forms


chosen = {}  # of the work measured last, eager and compiled


def answer(model, work, shape, seconds, compiled):
    key = (model, work, *shape, compiled)
    if key not in chosen:
        if len(chosen) == 2:
            chosen.clear()
        parameters = sum(each.numel() for each in MODELS[model]().parameters())
        chosen[key] = (*peer.fastest(forms_of(model, work, shape, compiled), seconds / 2), parameters)
    form, step, parameters = chosen[key]
    return {"rate": shape[0] * peer.rate(step, seconds), "form": form, "parameters": parameters}


peer.serve(f"PyTorch {torch.__version__} with {peer.blas()}", answer)
