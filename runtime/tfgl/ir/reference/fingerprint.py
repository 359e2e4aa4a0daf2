"""FarmHash's Fingerprint64 and SipHash, which TensorFlow's hash buckets are made with."""

from __future__ import annotations

# Constants and steps of farmhashna::Hash64 (Geoff Pike, FarmHash, https://github.com/google/farmhash).
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_MASK = (1 << 64) - 1


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _rotated(value: int, shift: int) -> int:
    value &= _MASK
    return (value >> shift | value << (64 - shift)) & _MASK


def _mixed(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _joined(u: int, v: int, factor: int) -> int:
    """One hash of two, over 16 bytes."""
    a = _mixed((u ^ v) * factor)
    return _mixed((v ^ a) * factor) * factor & _MASK


def _short(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    if size >= 8:
        a, b = _word(data, 0) + _K2, _word(data, size - 8)
        return _joined(_rotated(b, 37) * factor + a & _MASK, (_rotated(a, 25) + b) * factor & _MASK, factor)
    if size >= 4:
        return _joined(size + (_word(data, 0, 4) << 3), _word(data, size - 4, 4), factor)
    if size:
        y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
        return _mixed(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _medium(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    first = _K1 if size <= 32 else _K2
    a, b = _word(data, 0) * first, _word(data, 8)
    c, d = _word(data, size - 8) * factor, _word(data, size - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d & _MASK
    z = _joined(y, a + _rotated(b + _K2, 18) + c & _MASK, factor)
    if size <= 32:
        return z
    e, f = _word(data, 16) * factor, _word(data, 24)
    g, h = (y + _word(data, size - 32)) * factor, (z + _word(data, size - 24)) * factor
    return _joined(_rotated(e + f, 43) + _rotated(g, 30) + h & _MASK, e + _rotated(f + a, 18) + g & _MASK, factor)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Two words that stand for 32 bytes and two seeds."""
    w, x, y, z = (_word(data, at + step) for step in (0, 8, 16, 24))
    a += w
    b = _rotated(b + a + z, 21)
    return a + x + y + z & _MASK, b + _rotated(a + x + y, 44) + a & _MASK


def fingerprint64(data: bytes) -> int:
    """The 64-bit fingerprint of ``data``.

    >>> fingerprint64(b"") == 0x9AE16A3B2F90404F
    True
    """
    size = len(data)
    if size <= 16:
        return _short(data)
    if size <= 64:
        return _medium(data)
    x = 81 * _K2 + _word(data, 0) & _MASK
    y = 81 * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113) * _K2 & _MASK
    v = w = (0, 0)
    for at in (*range(0, (size - 1) // 64 * 64, 64), size - 64):
        last = at == size - 64
        factor, nine = _K1, 1
        if last:
            factor, nine = _K1 + ((z & 0xFF) << 1), 9
            w = (w[0] + (size - 1 & 63), w[1])
            v = (v[0] + w[0], v[1])
            w = (w[0] + v[0], w[1])
        x = _rotated(x + y + v[0] + _word(data, at + 8), 37) * factor
        y = _rotated(y + v[1] + _word(data, at + 48), 42) * factor
        x ^= w[1] * nine
        y += v[0] * nine + _word(data, at + 40)
        z = _rotated(z + w[0], 33) * factor
        v = _weak(data, at, v[1] * factor, x + w[0])
        w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
        z, x = x & _MASK, z & _MASK
    return _joined(
        _joined(v[0], w[0], factor) + _mixed(y) * _K0 + z & _MASK,
        _joined(v[1], w[1], factor) + x & _MASK,
        factor,
    )


# MurmurHash64A (Austin Appleby), with the seed that TensorFlow gives its Hash64.
_MURMUR, _SEED = 0xC6A4A7935BD1E995, 0xDECAFCAFFE


def plain_hash(data: bytes) -> int:
    """TensorFlow's Hash64 of ``data``, which its first hash buckets are made with.

    >>> plain_hash(b"") != plain_hash(b"a")
    True
    """
    value = _SEED ^ len(data) * _MURMUR & _MASK
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        word = _mixed(_word(data, at) * _MURMUR) * _MURMUR & _MASK
        value = (value ^ word) * _MURMUR & _MASK
    if len(data) > whole:
        value = (value ^ _word(data, whole)) * _MURMUR & _MASK
    return _mixed(_mixed(value) * _MURMUR)


def joined_fingerprint(one: int, other: int) -> int:
    """One fingerprint of two, TensorFlow's FingerprintCat64.

    >>> joined_fingerprint(1, 2) != joined_fingerprint(2, 1)
    True
    """
    value = one & _MASK ^ _MURMUR
    value ^= _mixed(other * _MURMUR) * _MURMUR & _MASK
    return _mixed(_mixed(value * _MURMUR) * _MURMUR)


def keyed_hash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 of ``data`` (Aumasson and Bernstein, 2012), 64 bits.

    >>> hex(keyed_hash(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    first, second = (part & _MASK for part in key)
    state = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = _word(padded, at)
        state[3] ^= word
        _stir(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _stir(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _stir(state: list[int], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a, c = a + b & _MASK, c + d & _MASK
        b, d = _rotated(b, 51) ^ a, _rotated(d, 48) ^ c
        a = _rotated(a, 32)
        c, a = c + b & _MASK, a + d & _MASK
        b, d = _rotated(b, 47) ^ c, _rotated(d, 43) ^ a
        c = _rotated(c, 32)
    state[:] = a, b, c, d
