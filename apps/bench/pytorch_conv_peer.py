"""PyTorch's side of `espalier bench conv`: pytorch_conv_peer.py THREADS."""

import sys
from functools import partial

import peer

torch = peer.require("torch")
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}
WANTED = {"backward data": [True, False, False], "backward weight": [False, True, False]}


def step_of(memory_format, work, x_shape, weight_shape, stride, padding, groups):
    x = torch.randn(x_shape).contiguous(memory_format=memory_format)
    weight = torch.randn(weight_shape).contiguous(memory_format=memory_format)
    geometry = [stride, stride], [padding, padding], [1, 1]
    if work == "forward":
        return lambda: torch.conv2d(x, weight, None, *geometry, groups)
    y = torch.conv2d(x, weight, None, *geometry, groups)
    dy = torch.randn(y.shape).contiguous(memory_format=memory_format)
    return lambda: torch.ops.aten.convolution_backward(
        dy, x, weight, None, *geometry, False, [0, 0], groups, WANTED[work]
    )


chosen = {}  # of the work measured last


@torch.inference_mode()
def answer(seconds, **convolution):
    key = str(convolution)
    if key not in chosen:
        chosen.clear()
        forms = {order: partial(step_of, each, **convolution) for order, each in FORMATS.items()}
        chosen[key] = peer.fastest(forms, seconds / 2)
    form, step = chosen[key]
    return {"rate": peer.rate(step, seconds), "form": form}


peer.serve(f"PyTorch {torch.__version__} with {peer.blas()}", answer)
