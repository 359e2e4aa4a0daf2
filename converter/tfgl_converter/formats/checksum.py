"""CRC-32C as TensorFlow and LevelDB store it: masked, so that data holding checksums can be checksummed."""

from __future__ import annotations

import google_crc32c


def extend(crc: int, data: bytes) -> int:
    """The CRC-32C of what gave ``crc``, followed by ``data``.

    >>> hex(extend(extend(0, b"1234"), b"56789"))
    '0xe3069283'
    """
    return int(google_crc32c.extend(crc, data))


def masked(crc: int) -> int:
    """The form in which a checksum is stored (LevelDB's table format).

    >>> hex(masked(0xe3069283))
    '0xc78ab0e5'
    """
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
