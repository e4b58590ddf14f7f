"""How often PyTorch is right on a folder of ImageNet images, with the public preprocessing.

  imagenet_top1.py --images DIR --weights squeezenet1_1_imagenet.safetensors

The names of the images begin with the number of their class, as in 000_tench.JPEG. Writes
bench/results/imagenet_<model>.json: torch's class of every image, and how many are right.
tests/tools/real_weights_test.cpp holds lamella to that number.
"""

import argparse
import json
import pathlib
import sys

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))
from machine import describe_machine  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="squeezenet1_1")
    parser.add_argument("--lamella", default=ROOT / "build/release/bin/lamella")
    args = parser.parse_args()
    prepare = torchvision.models.get_model_weights(args.model).DEFAULT.transforms()
    net = torchvision.models.get_model(args.model, weights=None).eval()
    net.load_state_dict(load_file(args.weights), strict=True)
    rows = []
    with torch.inference_mode():
        for path in sorted(args.images.iterdir()):
            logits = net(prepare(Image.open(path).convert("RGB"))[None])[0]
            rows.append({"file": path.name, "class": int(path.name.split("_")[0]),
                         "torch": int(logits.argmax())})
    right = sum(row["class"] == row["torch"] for row in rows)
    words = sys.argv[1:]  # without the folders of this machine
    command = ["bench/peers/imagenet_top1.py"] + [
        pathlib.Path(word).name if "/" in word else word for word in words]
    result = {"schema": "lamella.bench.imagenet_top1/1", "model": args.model,
              "command": " ".join(command), "preprocessing": " ".join(str(prepare).split()),
              "machine": describe_machine(args.lamella, torch.get_num_threads()),
              "images": len(rows), "right": right, "rows": rows}
    out = ROOT / "bench" / "results" / f"imagenet_{args.model}.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{out.name}: {right} of {len(rows)} right")


if __name__ == "__main__":
    main()
