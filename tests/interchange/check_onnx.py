"""Checks an ONNX model and runs it: check_onnx.py MODEL INPUT OUTPUT.

The model passes ONNX's checker and strict shape inference. INPUT holds float32 images of the model's input shape;
their logits go to OUTPUT. They are computed by onnxruntime where it is installed, otherwise node by node with
PyTorch's functions. Says which; exits with 77 where the modules for it are not there.
"""

import sys

try:
    import numpy
    import onnx
    from onnx import numpy_helper
except ImportError as missing:
    print(missing)
    sys.exit(77)


def by_onnxruntime(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input": images})[0]


def by_torch(path, images):
    import torch
    import torch.nn.functional as F

    def padded(x, a, value):
        """x with the operator's padding made explicit, by `value`."""
        top, left, bottom, right = a["pads"]
        return F.pad(x, (left, right, top, bottom), value=value)

    def conv(a, x, weight, bias=None):
        return F.conv2d(padded(x, a, 0.0), weight, bias, a["strides"], 0, a["dilations"], a["group"])

    def max_pool(a, x):
        return F.max_pool2d(padded(x, a, -torch.inf), a["kernel_shape"], a["strides"])

    def average_pool(a, x):
        """The sum of each window over how many of its elements lie in the image."""
        total = F.avg_pool2d(padded(x, a, 0.0), a["kernel_shape"], a["strides"], divisor_override=1)
        count = F.avg_pool2d(padded(torch.ones_like(x), a, 0.0), a["kernel_shape"], a["strides"], divisor_override=1)
        return total / count

    def pad(a, x, zeros):
        begins, ends = zeros.reshape(2, -1).tolist()
        return F.pad(x, [amount for pair in zip(reversed(begins), reversed(ends)) for amount in pair])

    operators = {
        "Add": lambda a, x, y: x + y,
        "AveragePool": average_pool,
        "BatchNormalization": lambda a, x, scale, shift, mean, variance: F.batch_norm(
            x, mean, variance, scale, shift, eps=a["epsilon"]
        ),
        "Clip": lambda a, x, low, high: x.clamp(low.item(), high.item()),
        "Concat": lambda a, *x: torch.cat(x, a["axis"]),
        "Conv": conv,
        "Flatten": lambda a, x: x.flatten(1),
        "Gather": lambda a, x, indices: x.index_select(a["axis"], indices),
        "Gemm": lambda a, x, weight, bias=None: F.linear(x, weight, bias),
        "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
        "Identity": lambda a, x: x,
        "MaxPool": max_pool,
        "Mul": lambda a, x, y: x * y,
        "Pad": pad,
        "Relu": lambda a, x: x.relu(),
        "Sigmoid": lambda a, x: x.sigmoid(),
        "Softmax": lambda a, x: x.softmax(a["axis"]),
        "Tanh": lambda a, x: x.tanh(),
    }
    graph = onnx.load(path).graph
    values = {constant.name: torch.tensor(numpy_helper.to_array(constant)) for constant in graph.initializer}
    values["input"] = torch.tensor(images)
    for node in graph.node:
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        values[node.output[0]] = operators[node.op_type](attributes, *(values[name] for name in node.input))
    return values["logits"].numpy()


def main(path, images_path, logits_path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {value.name for value in inferred.graph.value_info} | {"logits"}
    unknown = [name for node in model.graph.node for name in node.output if name not in known]
    assert not unknown, f"no shape was inferred for {unknown}"
    extents = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    images = numpy.fromfile(images_path, numpy.float32).reshape(-1, *extents)
    absent = []
    for run in (by_onnxruntime, by_torch):
        try:
            logits = run(path, images)
        except ImportError as missing:
            absent.append(missing)
            continue
        logits.astype(numpy.float32).tofile(logits_path)
        print(f"checked by onnx {onnx.__version__}, run {run.__name__.replace('_', ' ')}")
        return 0
    print(*absent, sep="; ")
    return 77


sys.exit(main(*sys.argv[1:]))
