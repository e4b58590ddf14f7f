"""Writes goldens/: checkpoints of every form PyTorch has written, and what PyTorch reads from them.

    python make_goldens.py          (made with torch 2.15.0, numpy and safetensors)

NAME.pt is a checkpoint. NAME.safetensors holds what it must be read as: the tensors torch.load
gives, contiguous, and in its metadata `form`, `entry` and the `skipped` names (as in ReadReport of
weights/read_weights.h). refused/ holds files that must not be read. Forms that PyTorch no longer
writes are written here by hand, and read by torch.load before they count.
"""
import argparse
import collections
import io
import os
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent / "goldens"
MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True,
          "type_sizes": {"short": 2, "int": 4, "long": 4}}
warnings.simplefilter("ignore")


def ramp(*shape, dtype=torch.float32, start=1):
    count = int(np.prod(shape, dtype=np.int64))
    return (torch.arange(count, dtype=torch.float64) * 0.5 + start).to(dtype).reshape(shape)


def expect(name, form, entry="", skipped=(), prefix="", rename=("", "")):
    """Reads NAME.pt with PyTorch and writes what it read."""
    loaded = torch.load(HERE / f"{name}.pt", map_location="cpu", weights_only=False)
    for key in filter(None, entry.split("/")):
        loaded = loaded[key]
    tensors = {key.removeprefix(prefix).replace(*rename): value.detach().clone().contiguous()
               for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    assert tensors and all(key not in tensors for key in skipped)
    save_file(tensors, HERE / f"{name}.safetensors",
              {"form": form, "entry": entry, "skipped": " ".join(skipped)})


# --- what torch.save writes -----------------------------------------------------------------
def old_types(*more):
    names = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8".split() + list(more)
    tensors = {name: ramp(5, dtype=getattr(torch, name)) for name in names}
    tensors["bool"] = torch.tensor([True, False, True])
    return tensors


def all_types():
    return old_types("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")


def views():
    base = ramp(4, 6)
    return {
        "transposed": base.t(), "part": base[1:3, 2:5], "stepped": base[:, ::2], "row": base[2],
        "channels_last": ramp(2, 3, 2, 4).contiguous(memory_format=torch.channels_last),
        "expanded": ramp(3, 1).expand(3, 4), "scalar": base[1, 1], "empty": torch.zeros(0, 3),
        "sparse": ramp(40, 40)[::39, ::39], "tied": base, "one": ramp(1, 3, 1).transpose(0, 2),
    }


def small_net():
    torch.manual_seed(1)
    return torch.nn.Sequential(collections.OrderedDict(
        conv=torch.nn.Conv2d(2, 3, 2), bn=torch.nn.BatchNorm2d(3), fc=torch.nn.Linear(3, 2)))


def training():
    net = torch.nn.DataParallel(small_net())
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 6])
    return {"epoch": 7, "arch": "small", "best_prec1": np.float64(71.5),
            "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(),
            "lr_scheduler": schedule.state_dict(), "history": np.arange(3), "seen": {1, 2},
            "args": argparse.Namespace(lr=0.1, sizes=[1, 2]), "torch": torch.__version__,
            "device": torch.device("cpu"), "dtype": torch.float32, "shape": torch.Size([1, 2]),
            "big": 1 << 70, "loss": -0.25, "step": -3, "flag": True, "none": None}


def mixed():
    return {"module._orig_mod.w": torch.nn.Parameter(ramp(2, 2)),
            "module._orig_mod.b": torch.nn.Parameter(ramp(2), requires_grad=False),
            "version": 3, "extra": None}


def write_torch_forms():
    zip_form, legacy = "PyTorch zip", "PyTorch legacy"
    old = {"_use_new_zipfile_serialization": False}
    names = "version extra".split()
    for name, what, form, options in (
            ("zip_types", all_types(), zip_form, {}), ("zip_views", views(), zip_form, {}),
            ("zip_protocol1", small_net().state_dict(), zip_form, {"pickle_protocol": 1}),
            ("zip_protocol4", small_net().state_dict(), zip_form, {"pickle_protocol": 4}),
            ("zip_protocol5", small_net().state_dict(), zip_form, {"pickle_protocol": 5}),
            ("legacy_types", old_types(), legacy, old), ("legacy_views", views(), legacy, old),
            ("legacy_net", small_net().state_dict(), legacy, old),
            ("legacy_protocol1", small_net().state_dict(), legacy, old | {"pickle_protocol": 1}),
            ("legacy_protocol4", small_net().state_dict(), legacy, old | {"pickle_protocol": 4})):
        torch.save(what, HERE / f"{name}.pt", **options)
        expect(name, form)
    for name, form, options in (("zip_mixed", zip_form, {}), ("legacy_mixed", legacy, old)):
        torch.save(mixed(), HERE / f"{name}.pt", **options)
        expect(name, form, "", names, "module._orig_mod.")
    for name, form, options in (("zip_training", zip_form, {}), ("legacy_training", legacy, old)):
        torch.save(training(), HERE / f"{name}.pt", **options)
        expect(name, form, "state_dict", (), "module.")
    torch.save({"features.denseblock1.denselayer1.norm.1.weight": ramp(2)},
               HERE / "legacy_densenet.pt", **old)
    expect("legacy_densenet", legacy, rename=("norm.1", "norm1"))
    torch.save({"model": {"config": {"k": 1}, "state_dict": small_net().state_dict()}, "epoch": 1},
               HERE / "zip_nested.pt")
    expect("zip_nested", zip_form, "model/state_dict")
    torch.save({"backbone": small_net().state_dict(), "metrics": {"acc": 1.0}, "step": 3},
               HERE / "zip_only.pt")
    expect("zip_only", zip_form, "backbone")


# --- forms of the past ------------------------------------------------------------------------
class OldPickler(pickle._Pickler):
    """Writes texts and ordered dictionaries as Python 2 did, and numbers the memo from 1."""

    dispatch = dict(pickle._Pickler.dispatch)

    def memoize(self, obj):
        if self.fast or id(obj) in self.memo:
            return
        number = len(self.memo) + 1
        self.write(self.put(number))
        self.memo[id(obj)] = number, obj

    def save_text(self, obj):
        raw = obj.encode()
        self.write(pickle.SHORT_BINSTRING + bytes([len(raw)]) + raw)
        self.memoize(obj)

    def save_ordered(self, obj):
        self.save_reduce(collections.OrderedDict, ([[k, v] for k, v in obj.items()],), obj=obj)

    dispatch[str] = save_text
    dispatch[collections.OrderedDict] = save_ordered


class Tensor:
    """A tensor as it is written: any storage key, offset, size and strides."""

    def __init__(self, key, offset, size, strides, part=None):
        self.key, self.offset, self.size, self.strides, self.part = key, offset, size, strides, part


class Call:
    """Pickles as a call of a function of this name."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Name:
    def __init__(self, module, name):
        self.module, self.name = module, name


def save_name(self, obj):
    self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())


def save_call(self, obj):
    save_name(self, obj)
    self.save(tuple(obj.arguments))
    self.write(pickle.REDUCE)


class Storage:
    def __init__(self, key, elements, part):
        self.key, self.elements, self.part = key, elements, part


def save_tensor(self, obj):
    storage = Storage(obj.key, self.storages[obj.key].numel(), obj.part)
    self.save(Call("torch._utils", "_rebuild_tensor", storage, obj.offset, obj.size, obj.strides))


OldPickler.dispatch[Name] = save_name
OldPickler.dispatch[Call] = save_call
OldPickler.dispatch[Tensor] = save_tensor


def old_pickle(what, storages=None, identify=None):
    out = io.BytesIO()
    pickler = OldPickler(out, protocol=2)
    pickler.storages = storages or {}
    pickler.persistent_id = lambda obj: identify(obj) if identify else None
    pickler.dump(what)
    return out.getvalue()


def write_legacy_of_python2():
    """Python 2 and PyTorch 0.2: storages that are parts of others."""
    storages = {"100": ramp(12), "200": ramp(3, start=50)}

    def identify(obj):
        if isinstance(obj, Storage):
            kind = Name("torch", "FloatStorage")
            return ("storage", kind, obj.key, "cpu", obj.elements, obj.part)
        return None

    state = collections.OrderedDict(
        [("module.a.weight", Tensor("100", 1, (2, 3), (3, 1))),
         ("module.a.bias", Tensor("200", 0, (3,), (1,))),
         ("module.b.weight", Tensor("100", 1, (2, 2), (1, 2), ("101", 6, 6)))])
    with open(HERE / "legacy_python2.pt", "wb") as out:
        for what in (MAGIC, 1001, SYSTEM):
            out.write(old_pickle(what))
        out.write(old_pickle({"epoch": 3, "state_dict": state}, storages, identify))
        out.write(old_pickle(sorted(storages)))
        for key in sorted(storages):
            out.write(struct.pack("<q", storages[key].numel()) + storages[key].numpy().tobytes())
    expect("legacy_python2", "PyTorch legacy", "state_dict", (), "module.")


def write_tar():
    """PyTorch before 0.1.10, as the reader that torch.load still has for it expects."""
    a, b = ramp(12), ramp(3, start=50)
    storages = b"".join([old_pickle(2)] + [
        old_pickle((key, "cpu", Name("torch", "FloatStorage"))) + struct.pack("<q", t.numel()) +
        t.numpy().tobytes() for key, t in ((11, a), (12, b))])
    storages += old_pickle([(13, 11, 6, 6)])  # a part of the first, known as 13
    tensors = old_pickle(3)
    views_of = ((21, 11, (2, 3), (1, 2), 1), (22, 12, (3,), (1,), 0), (23, 13, (2, 2), (2, 1), 1))
    for key, storage, size, strides, offset in views_of:
        tensors += old_pickle((key, storage, Name("torch", "FloatTensor")))
        tensors += struct.pack(f"<q{2 * len(size) + 1}q", len(size), *size, *strides, offset)

    class Key(int):
        pass

    OldPickler.dispatch[Key] = lambda self, obj: None
    pickled = old_pickle(
        collections.OrderedDict([("w", Key(21)), ("b", Key(22)), ("v", Key(23)), ("note", "x")]),
        identify=lambda obj: str(int(obj)) if isinstance(obj, Key) else None)
    with tarfile.open(HERE / "tar.pt", "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("storages", storages), ("tensors", tensors), ("pickle", pickled)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    expect("tar", "PyTorch tar", "", ("note",))


# --- what must be refused ---------------------------------------------------------------------
class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/this-must-never-be",)


def rezip(source, target, compression=zipfile.ZIP_STORED, replace=None, add=None):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            folder, member = name.split("/", 1)
            new.writestr(name, (replace or {}).get(member, old.read(name)))
        for member, content in (add or {}).items():
            new.writestr(f"{folder}/{member}", content)


def write_refused():
    refused = HERE / "refused"
    refused.mkdir(exist_ok=True)
    plain = refused / "plain.tmp"
    torch.save({"w": ramp(2)}, plain)
    rezip(plain, refused / "compressed.pt", zipfile.ZIP_DEFLATED)
    rezip(plain, refused / "zip_big_endian.pt", replace={"byteorder": b"big"})
    rezip(plain, refused / "torchscript.pt", add={"constants.pkl": b"\x80\x02)."})
    plain.unlink()
    old = {"_use_new_zipfile_serialization": False}
    torch.save({"w": ramp(2), "x": Evil()}, refused / "zip_code.pt")
    torch.save({"w": ramp(2), "x": Evil()}, refused / "legacy_code.pt", **old)
    torch.save(torch.nn.Linear(2, 1), refused / "whole_model.pt")
    torch.save({"generator": {"w": ramp(2)}, "critic": {"w": ramp(2)}}, refused / "ambiguous.pt")
    torch.save({"epoch": 1, "lr": 0.1}, refused / "no_weights.pt")
    torch.save({"w": torch.zeros(2, dtype=torch.complex64)}, refused / "complex.pt")
    torch.save([ramp(2)], refused / "list.pt")
    with open(refused / "legacy_big_endian.pt", "wb") as out:
        for what in (MAGIC, 1001, SYSTEM | {"little_endian": False}, {}, []):
            pickle.dump(what, out, protocol=2)
    with open(refused / "pickle_only.pt", "wb") as out:
        pickle.dump({"w": 1}, out, protocol=2)


def main():
    HERE.mkdir(exist_ok=True)
    write_torch_forms()
    write_legacy_of_python2()
    write_tar()
    write_refused()
    print(f"goldens of torch {torch.__version__} in {HERE}")


if __name__ == "__main__":
    sys.exit(main())
