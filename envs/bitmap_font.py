"""A small font of dots, for pictures drawn without a drawing library."""

import numpy as np

from rlrec.arrays import Bools

WIDTH, HEIGHT = 5, 7  # dots of a character
_SPACING = 1

# Seven rows a character, of two hexadecimal digits each: bits 4..0 are the dots from the left.
_ROWS = {
    " ": "00000000000000",
    "!": "04040404040004",
    '"': "0a0a0000000000",
    "#": "0a0a1f0a1f0a0a",
    "%": "18190204081303",
    "&": "0c12140815120d",
    "'": "04040000000000",
    "(": "02040808080402",
    ")": "08040202020408",
    "*": "0004150e150400",
    "+": "0004041f040400",
    ",": "00000000040408",
    "-": "0000001f000000",
    ".": "00000000000c0c",
    "/": "01010204081010",
    "0": "0e11131519110e",
    "1": "040c040404040e",
    "2": "0e11010204081f",
    "3": "1f02040201110e",
    "4": "02060a121f0202",
    "5": "1f101e0101110e",
    "6": "0608101e11110e",
    "7": "1f010204080808",
    "8": "0e11110e11110e",
    "9": "0e11110f01020c",
    ":": "000c0c000c0c00",
    ";": "000c0c000c0408",
    "<": "02040810080402",
    "=": "00001f001f0000",
    ">": "08040201020408",
    "?": "0e110102040004",
    "A": "0e11111f111111",
    "B": "1e11111e11111e",
    "C": "0e11101010110e",
    "D": "1c12111111121c",
    "E": "1f10101e10101f",
    "F": "1f10101e101010",
    "G": "0e11101711110f",
    "H": "1111111f111111",
    "I": "0e04040404040e",
    "J": "0702020202120c",
    "K": "11121418141211",
    "L": "1010101010101f",
    "M": "111b1515111111",
    "N": "11111915131111",
    "O": "0e11111111110e",
    "P": "1e11111e101010",
    "Q": "0e11111115120d",
    "R": "1e11111e141211",
    "S": "0f10100e01011e",
    "T": "1f040404040404",
    "U": "1111111111110e",
    "V": "11111111110a04",
    "W": "11111115151b11",
    "X": "11110a040a1111",
    "Y": "1111110a040404",
    "Z": "1f01020408101f",
    "[": "0e08080808080e",
    "]": "0e02020202020e",
    "_": "0000000000001f",
    "a": "00000e010f110f",
    "b": "10101e1111111e",
    "c": "00000e1110110e",
    "d": "01010f1111110f",
    "e": "00000e111f100e",
    "f": "0609081c080808",
    "g": "000f11110f010e",
    "h": "10101619111111",
    "i": "04000c0404040e",
    "j": "0200060202120c",
    "k": "10101214181412",
    "l": "0c04040404040e",
    "m": "00001a15151111",
    "n": "00001619111111",
    "o": "00000e1111110e",
    "p": "00001e111e1010",
    "q": "00000d130f0101",
    "r": "00001619101010",
    "s": "00000e100e011e",
    "t": "08081c08080906",
    "u": "0000111111130d",
    "v": "00001111110a04",
    "w": "0000111115150a",
    "x": "0000110a040a11",
    "y": "000011110f010e",
    "z": "00001f0204081f",
    "|": "04040404040404",
    "~": "00000815020000",
}


def _dots(rows: str) -> Bools:
    numbers = np.frombuffer(bytes.fromhex(rows), np.uint8)
    return (numbers[:, None] >> np.arange(WIDTH - 1, -1, -1)) & 1 > 0


_GLYPHS = {character: _dots(rows) for character, rows in _ROWS.items()}


def text_dots(text: str, scale: int = 1) -> Bools:
    """Return which dots of a line of text are set, (7 * scale, 6 * scale * len(text)).

    Characters that the font lacks are shown as a question mark.
    """
    dots = np.zeros((HEIGHT, (WIDTH + _SPACING) * len(text)), bool)
    for place, character in enumerate(text):
        left = place * (WIDTH + _SPACING)
        dots[:, left : left + WIDTH] = _GLYPHS.get(character, _GLYPHS["?"])
    return dots.repeat(scale, axis=0).repeat(scale, axis=1)
