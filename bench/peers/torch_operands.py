"""Operands for the PyTorch side, by the same formula as lamella's: bench/formula_values.h."""

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
PERIOD = 1048571


def formula_table():
    j = torch.arange(PERIOD, dtype=torch.int64)
    return ((j * j % PERIOD * j % PERIOD - PERIOD // 2).double() * 2.0**-19).float()


class Operands:
    """Makes the operands of a line by the names that lamella's have."""

    table = formula_table()

    def __init__(self, line, device):
        self.line, self.device = line, torch.device(device)
        self.dtype = DTYPES[line.dtype()]

    def values(self, name, count, around=0.0):
        seed = 0
        for letter in name.encode():
            seed = (seed * 31 + letter) % PERIOD
        seed = seed * 7919 % PERIOD
        values = self.table.repeat((seed + count) // PERIOD + 1)[seed:seed + count]
        return (around + values / 2 if around else values + 0.25).to(self.device)

    def vector(self, name, count, around=0.0):
        return self.values(name, count, around)

    def matrix(self, name, rows, columns):
        return self.values(name, rows * columns).to(self.dtype).reshape(rows, columns)

    def images(self, name, N, H, W, C):
        """[N,C,H,W] whose memory is [N,H,W,C]."""
        return self.matrix(name, N * H * W, C).reshape(N, H, W, C).permute(0, 3, 1, 2)

    def sizes(self, *keys):
        return [self.line.get(key) for key in keys]

    def pair(self, key, otherwise):
        return [self.line.get(f"{key}_h", otherwise), self.line.get(f"{key}_w", otherwise)]


def amounts(tensor):
    """Norm and projection of the values in the order in which lamella holds them."""
    if tensor.dim() == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    norm, projection = 0.0, 0.0
    for part in tensor.reshape(-1).split(PERIOD):
        values = part.cpu().double()
        norm += torch.dot(values, values).item()
        projection += torch.dot(values, Operands.table[:len(values)].double()).item()
    return [norm**0.5, projection]
