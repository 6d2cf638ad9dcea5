"""CRC-32C (Castagnoli), the checksum of the journal: the compiled one where the core is built, else this one.

The standard library has no CRC-32C, and a table look-up for each byte costs 60 ns. Python's integers are as good as a
polynomial over GF(2), though, and shifting and adding long ones takes a fraction of a nanosecond a byte: a long
message is first folded, with a multiple of the CRC's polynomial that has six terms only, to some 40 bytes of the
same remainder. Squaring keeps a multiple a multiple and doubles its exponents, so that each step folds a good part of
what is left.

Source: Castagnoli, Bräuer, Herrmann, "Optimization of cyclic redundancy-check codes with 24 and 32 parity bits",
IEEE Transactions on Communications 41 (1993); parameters and check value as in RFC 3720, appendix B.4.
"""

from __future__ import annotations

from vedette.capture.core import core

__all__ = ["check_word", "crc32c", "table"]

_POLYNOMIAL = 0x82F63B78  # reflected
# x^290 + x^136 + x^113 + x^107 + x^32 + 1 is a multiple of the polynomial: the test divides it
_DEGREE, _TERMS = 290, (136, 113, 107, 32, 0)
_STEP = _DEGREE - max(_TERMS)
_FOLD_BITS_MIN = 512
_ONES = 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    values = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        values.append(value)
    return tuple(values)


table = _table()


def _remainder(state: int, data: bytes) -> int:
    look_up = table
    for byte in data:
        state = look_up[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state


def python_crc32c(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """The CRC-32C of ``data``, going on from ``value``, in Python alone.

    >>> hex(python_crc32c(b"123456789"))
    '0xe3069283'
    """
    state, n_bits = value ^ _ONES, 8 * len(data)
    if n_bits < _FOLD_BITS_MIN:
        return _remainder(state, bytes(data)) ^ _ONES
    # the first bit of the message is its highest power, and the lowest bit of the integer
    message = int.from_bytes(data, "little") ^ state
    while n_bits >= _FOLD_BITS_MIN:
        scale = 1 << ((n_bits // (_DEGREE + _STEP)).bit_length() - 1)
        step = _STEP * scale // 8 * 8
        lowest = message & ((1 << step) - 1)
        message >>= step
        for term in _TERMS:
            message ^= lowest << ((_DEGREE - term) * scale - step)
        n_bits -= step
    return _remainder(0, message.to_bytes(n_bits // 8, "little")) ^ _ONES


if core is None:
    crc32c = python_crc32c
else:
    crc32c = core.crc32c


def check_word(crc: int) -> int:
    """A checksum beside its complement: never zero, so that zero can say that none was taken yet.

    >>> hex(check_word(0))
    '0xffffffff00000000'
    """
    return crc | (crc ^ _ONES) << 32
