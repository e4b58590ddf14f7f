"""ONNX Runtime and OpenVINO as one side of a comparison of inference: the options and the lines of
bench/train_step.cpp --mode inference.

  inference_step.py --model NAME --runtime onnxruntime|openvino [--batch 1] [--size 224]
                    [--channels 3] [--classes 14] [--threads 2]
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import torch
from torch.nn import functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens"))
from make_goldens import load_golden_values  # noqa: E402
from philox import golden_values  # noqa: E402
from torch_nets import make_net  # noqa: E402
from train_step import say, status_bytes  # noqa: E402


def exported(net, x, folder):
    path = pathlib.Path(folder) / "net.onnx"
    torch.onnx.export(net, (x,), str(path), input_names=["x"], output_names=["y"], dynamo=False)
    return path


def onnxruntime_runner(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def openvino_runner(path, threads):
    import openvino
    core = openvino.Core()
    # f32 as everybody else here; left alone it may choose bf16 where the processor has it.
    model = core.compile_model(str(path), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    return lambda x: next(iter(request.infer({"x": x}).values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--mode", default="inference", choices=["inference"])
    parser.add_argument("--runtime", required=True, choices=["onnxruntime", "openvino"])
    for name, default in (("batch", 1), ("size", 224), ("channels", 3), ("classes", 14),
                          ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    n, size, channels = args.batch, args.size, args.channels
    net = make_net(args.model, size, size, channels, args.classes)
    load_golden_values(net, args.model)
    x = golden_values("bench/x", n * size * size * channels, -1.0, 1.0)
    x = np.ascontiguousarray(x.reshape(n, size, size, channels).transpose(0, 3, 1, 2))
    make = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[args.runtime]
    with tempfile.TemporaryDirectory() as folder:
        run = make(exported(net.eval(), torch.from_numpy(x), folder), args.threads)
    del net
    initial = status_bytes("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    labels = torch.arange(n) % args.classes
    say(loss=F.cross_entropy(torch.from_numpy(run(x)), labels).item())
    for _ in sys.stdin:
        start = time.perf_counter()
        run(x)
        say(seconds=time.perf_counter() - start)
    say(initial_bytes=initial, peak_bytes=status_bytes("VmHWM"))


if __name__ == "__main__":
    main()
