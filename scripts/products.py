#!/usr/bin/env python3
"""Draws public/products/*.png: plain products for the mockups of the template flux-portrait.

The boxes that the template puts a portrait into fit these pictures. Nothing needs this script but
whoever changes them: the pictures are committed. The same bytes each time.
"""

import math
import pathlib
import struct
import zlib

SIDE = 1024
LEVELS = 4  # shades along an edge
WALL, FLOOR, SHADOW = (233, 229, 222), (214, 207, 197), (190, 183, 173)
WHITE, SHADE, LINE = (250, 249, 246), (228, 226, 221), (196, 193, 187)
CANVAS, CANVAS_DARK = (232, 220, 196), (204, 190, 162)
WOOD, WOOD_DARK, INK = (164, 122, 84), (132, 96, 64), (46, 48, 54)


class Picture:
    def __init__(self, colour):
        self.palette, self.places, self.mixed = [], {}, {}
        self.rows = [bytearray([self.place(colour)]) * SIDE for _ in range(SIDE)]

    def place(self, colour):
        if colour not in self.places:
            self.places[colour] = len(self.palette)
            self.palette.append(colour)
        return self.places[colour]

    def mix(self, under, colour, level):
        key = under, colour, level
        if key not in self.mixed:
            share = level / LEVELS
            pairs = zip(self.palette[under], colour)
            self.mixed[key] = self.place(tuple(round(a + (b - a) * share) for a, b in pairs))
        return self.mixed[key]

    def paint(self, colour, distance, box=(0, 0, SIDE, SIDE)):
        """Fills where `distance` to the edge is negative, inside a box (x, y, width, height)."""
        left, top, width, height = box
        for y in range(max(top, 0), min(top + height, SIDE)):
            row = self.rows[y]
            for x in range(max(left, 0), min(left + width, SIDE)):
                covered = 0.5 - distance(x + 0.5, y + 0.5)
                if covered > 0:
                    level = min(LEVELS, math.ceil(covered * LEVELS))
                    row[x] = self.mix(row[x], colour, level)

    def rounded(self, colour, x, y, width, height, radius):
        def distance(px, py):
            dx = abs(px - x - width / 2) - width / 2 + radius
            dy = abs(py - y - height / 2) - height / 2 + radius
            outside = math.hypot(max(dx, 0), max(dy, 0))
            return outside + min(max(dx, dy), 0) - radius

        self.paint(colour, distance, (x - 1, y - 1, width + 2, height + 2))

    def ellipse(self, colour, x, y, a, b, hole=0.0):
        def distance(px, py):
            away = (math.hypot((px - x) / a, (py - y) / b) - 1) * min(a, b)
            return max(away, -hole - away) if hole else away

        self.paint(colour, distance, (x - a - 1, y - b - 1, 2 * a + 2, 2 * b + 2))

    def polygon(self, colour, *points):
        """Points in either direction; edges within it may be concave."""
        edges = list(zip(points, points[1:] + points[:1]))

        def distance(px, py):
            near, inside = math.inf, False
            for (ax, ay), (bx, by) in edges:
                along = ((px - ax) * (bx - ax) + (py - ay) * (by - ay))
                along = min(1, max(0, along / ((bx - ax) ** 2 + (by - ay) ** 2)))
                away = math.hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay))
                near = min(near, away)
                if (ay > py) != (by > py) and px < (bx - ax) * (py - ay) / (by - ay) + ax:
                    inside = not inside
            return -near if inside else near

        xs, ys = [p[0] for p in points], [p[1] for p in points]
        box = min(xs) - 1, min(ys) - 1, max(xs) - min(xs) + 2, max(ys) - min(ys) + 2
        self.paint(colour, distance, box)

    def png(self):
        assert len(self.palette) <= 256, len(self.palette)
        colours = b"".join(bytes(colour) for colour in self.palette)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self.rows), 9)
        header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0)
        chunks = (b"IHDR", header), (b"PLTE", colours), (b"IDAT", pixels), (b"IEND", b"")
        packed = (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def on_a_table():
    picture = Picture(WALL)
    picture.paint(FLOOR, lambda _, y: 760 - y, (0, 758, SIDE, SIDE - 758))
    return picture


def mug():
    picture = on_a_table()
    picture.ellipse(SHADOW, 520, 856, 300, 44)
    picture.ellipse(WHITE, 740, 540, 136, 160, hole=44)
    picture.rounded(WHITE, 250, 220, 500, 640, 60)
    picture.rounded(SHADE, 706, 280, 30, 540, 15)
    picture.ellipse(LINE, 500, 246, 244, 34)
    picture.ellipse(SHADE, 500, 252, 228, 24)
    return picture


def t_shirt():
    picture = Picture(WALL)
    outline = (
        (370, 130), (430, 176), (512, 190), (594, 176), (654, 130), (800, 196), (936, 420),
        (812, 500), (748, 424), (748, 906), (276, 906), (276, 424), (212, 500), (88, 420), (224, 196),
    )
    picture.polygon(SHADOW, *((x + 8, y + 12) for x, y in outline))
    picture.polygon(WHITE, *outline)
    picture.polygon(SHADE, (370, 130), (430, 176), (512, 190), (594, 176), (654, 130), (632, 124),
                    (584, 158), (512, 170), (440, 158), (392, 124))
    for x in (276, 744):
        picture.polygon(LINE, (x, 424), (x + 4, 424), (x + 4, 640), (x, 640))
    return picture


def poster():
    picture = Picture(WALL)
    picture.rounded(SHADOW, 206, 86, 640, 880, 8)
    picture.rounded(WOOD, 192, 72, 640, 880, 6)
    picture.rounded(WOOD_DARK, 216, 96, 592, 832, 2)
    picture.rounded(WHITE, 222, 102, 580, 820, 2)
    return picture


def phone_case():
    picture = Picture(FLOOR)
    picture.rounded(SHADOW, 296, 70, 464, 912, 76)
    picture.rounded(INK, 280, 56, 464, 912, 76)
    picture.rounded(WHITE, 290, 66, 444, 892, 68)
    picture.rounded(SHADE, 318, 94, 190, 190, 52)
    for x, y in ((366, 142), (460, 142), (366, 236)):
        picture.ellipse(INK, x, y, 36, 36)
    picture.ellipse(LINE, 460, 236, 16, 16)
    return picture


def tote_bag():
    picture = Picture(WALL)
    picture.ellipse(CANVAS_DARK, 512, 330, 150, 250, hole=22)
    picture.polygon(SHADOW, (238, 352), (806, 352), (842, 956), (206, 956))
    picture.polygon(CANVAS, (228, 340), (796, 340), (828, 944), (196, 944))
    picture.polygon(CANVAS_DARK, (227, 366), (797, 366), (797, 372), (227, 372))
    for x in (356, 632):
        picture.rounded(CANVAS_DARK, x, 330, 36, 76, 4)
    return picture


def cushion():
    picture = Picture(FLOOR)
    picture.paint((150, 156, 166), lambda _, y: y - 700, (0, 0, SIDE, 702))
    picture.rounded(SHADOW, 166, 176, 712, 712, 96)
    outline = (
        (140, 140), (512, 172), (884, 140), (852, 512), (884, 884), (512, 852), (140, 884),
        (172, 512),
    )
    picture.polygon(LINE, *((x + (6 if x > 512 else -6), y + (6 if y > 512 else -6)) for x, y in outline))
    picture.polygon(WHITE, *outline)
    picture.rounded(SHADE, 205, 205, 614, 614, 20)
    picture.rounded(WHITE, 209, 209, 606, 606, 18)
    return picture


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "public" / "products"
    folder.mkdir(exist_ok=True)
    for draw in (mug, t_shirt, poster, phone_case, tote_bag, cushion):
        file = folder / f"{draw.__name__}.png"
        file.write_bytes(draw().png())
        print(file.name, file.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
