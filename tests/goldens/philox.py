"""The engine's random numbers, implemented a second time, in numpy.

Mirrors kernels/philox.h (Philox4x32-10), engine/rng.h (sequences, draws, permutation) and
tests/models/golden_values.h, so that goldens and twins in other frameworks start from the same
numbers without any of them being stored. Run it to check the known answers.
"""

import math

import numpy as np

INIT, SHUFFLE, AUGMENT, SPLIT, SYNTH, TEST = range(0x1001, 0x1007)  # RngStream of engine/rng.h

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(counter_low, step, layer, seed):
    """Words [n, 4] (uint32) for n 64-bit counters, as philox() of kernels/philox.h."""
    low = np.atleast_1d(np.asarray(counter_low, dtype=np.uint64))
    c0, c1 = low & _MASK, low >> _SHIFT
    c2, c3 = np.full_like(low, step), np.full_like(low, layer)
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        n0 = (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0)
        n2 = (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1)
        c0, c1, c2, c3 = n0, p1 & _MASK, n2, p0 & _MASK
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


class Rng:
    """Numbers 0, 1, 2... of the sequence (seed, stream, substream), as Rng of engine/rng.h."""

    def __init__(self, seed, stream, substream=0):
        self.seed, self.stream, self.substream = seed, stream, substream
        self.index = 0
        self._buffer, self._start = np.empty(0, np.uint32), 0  # words from number _start on

    def words(self, count):
        """The next `count` numbers, uint32."""
        first, last = self.index // 4, (self.index + count + 3) // 4
        counters = np.arange(first, last, dtype=np.uint64)
        flat = philox(counters, self.substream, self.stream, self.seed).reshape(-1)
        begin = self.index - 4 * first
        self.index += count
        return flat[begin : begin + count]

    def next(self):
        offset = self.index - self._start
        if offset >= len(self._buffer):
            self._start, count = self.index, 256
            self._buffer, offset = self.words(count), 0
            self.index -= count
        self.index += 1
        return int(self._buffer[offset])

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * ((self.next() + 0.5) * 2.0**-32)

    def uniforms(self, count, low=0.0, high=1.0):
        return low + (high - low) * ((self.words(count).astype(np.float64) + 0.5) * 2.0**-32)

    def normal(self):
        u1, u2 = self.uniform(), self.uniform()
        return math.sqrt(-2.0 * math.log(u1)) * math.cos(2.0 * math.pi * u2)

    def normals(self, count):
        u = self.uniforms(2 * count).reshape(count, 2)
        return np.sqrt(-2.0 * np.log(u[:, 0])) * np.cos(2.0 * np.pi * u[:, 1])

    def below(self, bound):
        return (self.next() * bound) >> 32


def permutation(count, rng):
    """0..count-1 shuffled: Fisher-Yates from the back."""
    order = list(range(count))
    for i in range(count, 1, -1):
        j = rng.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def kaiming_normal(count, fan_in, rng):
    return (math.sqrt(2.0 / fan_in) * rng.normals(count)).astype(np.float32)


def kaiming_uniform(count, fan_in, rng):
    bound = math.sqrt(6.0 / fan_in)
    return rng.uniforms(count, -bound, bound).astype(np.float32)


def glorot_uniform(count, fan_in, fan_out, rng):
    return kaiming_uniform(count, fan_in + fan_out, rng)


def glorot_normal(count, fan_in, fan_out, rng):
    return kaiming_normal(count, fan_in + fan_out, rng)


def truncated_normal(count, mean, std, rng):
    values = np.empty(count, np.float32)
    for i in range(count):
        z = rng.normal()
        while abs(z) > 2.0:
            z = rng.normal()
        values[i] = mean + std * z
    return values


def dropout_mask(shape, p, seed, step, layer):
    """Kept elements of an NHWC tensor, as DropoutKey of kernels/shapes.h addresses them."""
    count = math.prod(shape)
    words = philox(np.arange((count + 3) // 4, dtype=np.uint64), step, layer, seed).reshape(-1)
    keep = 1.0 - float(np.float32(p))  # p is a float in ops.h
    keep_below = min(round(keep * 2.0**32), 2**32 - 1)
    return (words[:count] < np.uint32(keep_below)).reshape(shape)


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def golden_values(name, count, low, high):
    """float32 [count], uniform in (low, high), addressed by the name alone."""
    return Rng(fnv1a64(name), TEST).uniforms(count, low, high).astype(np.float32)


def sketch(values, width=32):
    """`width` sums of all values, each with its own random signs (bit j of word e for sum j and
    element e). Its relative L2 error estimates that of the whole tensor."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    words = Rng(fnv1a64("sketch"), TEST).words(flat.size)
    sums = np.empty(width)
    for j in range(width):
        positive = ((words >> np.uint32(j)) & np.uint32(1)).astype(bool)
        sums[j] = flat[positive].sum() - flat[~positive].sum()
    return sums


def _check():
    # The first three are the known answers of the Random123 library (kat_vectors, philox4x32 10).
    assert [hex(w) for w in philox(0, 0, 0, 0)[0]] == [
        "0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    ones = 0xFFFFFFFF
    assert [hex(w) for w in philox(2**64 - 1, ones, ones, 2**64 - 1)[0]] == [
        "0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]
    pi = philox(0x85A308D3243F6A88, 0x13198A2E, 0x03707344, 0x299F31D0A4093822)[0]
    assert [hex(w) for w in pi] == ["0xd16cfe09", "0x94fdcceb", "0x5001e420", "0x24126ea1"]
    assert fnv1a64("") == 0xCBF29CE484222325 and fnv1a64("a") == 0xAF63DC4C8601EC8C
    one, many = Rng(3, TEST, 5), Rng(3, TEST, 5)
    assert [one.next() for _ in range(1000)] == many.words(1000).tolist()
    assert one.next() == many.words(1)[0]
    assert Rng(1, TEST).normals(2)[1] == [n.normal() for n in [Rng(1, TEST)] for _ in range(2)][1]
    order = permutation(1000, Rng(0, SHUFFLE, 1))
    assert sorted(order) == list(range(1000)) and order != sorted(order)
    kept = dropout_mask((10, 10, 1001), 0.25, 1, 2, 3).mean()
    assert abs(kept - 0.75) < 0.005, kept
    x = Rng(9, TEST).normals(5000)
    assert 0.5 < np.sum(sketch(x) ** 2) / 32 / np.sum(x**2) < 1.6
    print("permutation(8, Rng(0, SHUFFLE, 0)) =", permutation(8, Rng(0, SHUFFLE, 0)))
    print("golden_values('lamella', 4, -1, 1) =", golden_values("lamella", 4, -1.0, 1.0).tolist())
    print("sketch(0..4) =", sketch(np.arange(5.0), 4).tolist())
    print("philox.py: all known answers right")


if __name__ == "__main__":
    _check()
