#!/usr/bin/env python3
"""Weight files go from torchvision and timm to lamella and back, and mean the same on both sides.

  torch_files.py LAMELLA [MODEL...]

For each network, drawn weights: what torch.save wrote goes through `lamella convert --model`; the
result must load strictly into a new network of torch with every tensor equal, give the logits of
torch in `lamella forward`, and, from an image file, its log-probabilities in `lamella predict`, by
the preprocessing of the public weights. And what `lamella train` wrote must load into torch, after
`lamella convert`, and give the same logits. Exit status 77: a package is missing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision import models
except ImportError as error:
    print(f"SKIP: {error}; PYTHON names a Python that has torch, torchvision, timm and safetensors")
    sys.exit(77)

MOST = 1e-4  # largest difference, relative to the largest value


def torchvision_net(name, weights, **options):
    def make(classes=1000, **more):
        return getattr(models, name)(weights=None, num_classes=classes, **options, **more)
    return make, weights.IMAGENET1K_V1.transforms()


def timm_net(name, tag):
    config = timm.data.resolve_data_config(
        pretrained_cfg=timm.models.get_pretrained_cfg(tag).to_dict())
    return (lambda classes=1000: timm.create_model(name, pretrained=False, num_classes=classes),
            timm.data.create_transform(**config, is_training=False))


AUXILIARY = {"googlenet": 64, "inception_v3": 299}  # with a size that these classifiers can read
NETS = {  # name: maker and preprocessing, size of the raw input, options with and without aux
    "squeezenet1_1": (*torchvision_net("squeezenet1_1", models.SqueezeNet1_1_Weights), 64, {}, {}),
    "densenet121": (*torchvision_net("densenet121", models.DenseNet121_Weights), 64, {}, {}),
    "googlenet": (*torchvision_net("googlenet", models.GoogLeNet_Weights, init_weights=False), 64,
                  {"aux_logits": True}, {"aux_logits": False}),
    "inception_v3": (*torchvision_net("inception_v3", models.Inception_V3_Weights,
                                      init_weights=False), 107,
                     {"aux_logits": True}, {"aux_logits": False}),
    "inception_v4": (*timm_net("inception_v4", "inception_v4.tf_in1k"), 107, {}, {}),
}


def draw(net, seed):
    """Weights of a size that keeps signals alive; statistics that are not those of a new net."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var") or tensor.dim() == 1 and name.endswith("weight"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
        elif tensor.dim() == 1:
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
        elif tensor.dim() > 1:
            scale = (2 / tensor[0].numel()) ** 0.5
            scale *= 0.05 if len(tensor) == 1000 else 1  # no probability becomes 0
            tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return net.eval()


def centred(values):
    """Logits and logarithms of probabilities are the same up to a constant."""
    return values - values.mean()


class Check:
    def __init__(self, lamella, work):
        self.lamella, self.work, self.failed = lamella, work, 0

    def run(self, *words):
        done = subprocess.run([self.lamella, *map(str, words)], text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"lamella {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def expect(self, what, good):
        print(f"  {'ok    ' if good else 'FAILED'} {what}")
        self.failed += not good

    def close(self, what, ours, theirs):
        worst = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        self.expect(f"{what}: differ by {worst:.1e} of the largest, at most {MOST:.0e}",
                    worst <= MOST)

    def logits(self, net, file, size):
        x = torch.randn((2, 3, size, size), generator=torch.Generator().manual_seed(7))
        np.save(self.work / "in.npy", x.numpy())
        self.run("forward", "--weights", file, "--input", self.work / "in.npy", "--layout", "nchw",
                 "--output", self.work / "out.npy")
        with torch.no_grad():
            return np.load(self.work / "out.npy"), net(x).numpy()

    def there_and_back(self, name, make, prepare, size, aux):
        pth, file = self.work / "net.pth", self.work / "net.safetensors"
        net = draw(make(**aux), seed=3)
        torch.save(net.state_dict(), pth)
        self.run("convert", pth, "--model", name, "--out", file)
        again = make(**aux).eval()
        again.load_state_dict(load_file(file), strict=True)
        same = all(torch.equal(tensor, again.state_dict()[key])
                   for key, tensor in net.state_dict().items())
        self.expect("convert's file has every tensor of torch's", same)
        self.close("logits of forward and torch", *self.logits(again, file, size))
        image = Image.fromarray(np.random.default_rng(5).integers(
            0, 256, (25, 31, 3), dtype=np.uint8)).resize((437, 360), Image.Resampling.BICUBIC)
        image.save(self.work / "image.png")
        # transform_input is what torchvision's builders set with their weights.
        if hasattr(net, "transform_input"):
            net.transform_input = True
        with torch.no_grad():
            theirs = centred(net(prepare(image)[None])[0].double().numpy())
        for source in (("--weights", file), ("--weights", pth, "--model", name)):
            said = json.loads(self.run("predict", *source, self.work / "image.png", "--top", "1000",
                                       "--json"))
            ours = np.zeros(1000)
            for top in said["predictions"][0]["top"]:
                ours[top["index"]] = top["probability"]
            self.close(f"log-probabilities of predict from {source[1].name} and torch",
                       centred(np.log(ours)), theirs)

    def from_a_run(self, name, make, size, options, *flags):
        run = self.work / "-".join(("run", *flags))
        file = run.with_suffix(".safetensors")
        data = self.work / "data"
        if not data.exists():
            self.run("synth", "tem", "--out", data, "--classes", "2", "--per-class", "4", "--size",
                     "32")
        self.run("train", "--model", name, "--data", data, "--size", size, "--channels", "3",
                 "--epochs", "0", "--out", run, *flags)
        self.run("convert", run, "--out", file)
        net = make(2, **options).eval()
        net.load_state_dict(load_file(file), strict=True)
        self.close("logits of a run's file and torch", *self.logits(net, file, size))


def main():
    lamella, chosen = sys.argv[1], sys.argv[2:] or list(NETS)
    failed = 0
    for name in chosen:
        make, prepare, size, aux, no_aux = NETS[name]
        print(f"{name}:")
        with tempfile.TemporaryDirectory() as work:
            check = Check(lamella, Path(work))
            check.there_and_back(name, make, prepare, size, aux)
            check.from_a_run(name, make, size, no_aux)
            if name in AUXILIARY:
                check.from_a_run(name, make, AUXILIARY[name], aux, "--auxiliary")
            failed += check.failed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
