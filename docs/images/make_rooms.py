"""Draw `rooms.svg`, the picture of docs/architecture.md: `python docs/images/make_rooms.py`.

Rooms stand on what they may import; the numbers are the steps of a click on that page.
"""

from html import escape
from pathlib import Path

WIDTH, ROW, GAP, LEFT = 860, 46, 10, 20
SKY, SAND, GREEN, GREY = "#cfe3f5", "#f5e6c8", "#d3ead2", "#e4e4e4"
# each row: boxes of (name, what it holds, share of the width, colour)
ROWS = (
    (("testing", "models for tests, the contract of models", 1.0, GREY),),
    (
        ("ui", "napari and Qt · 1 2 4 7", 0.5, SKY),
        ("cli", "one file a sub-command", 0.5, GREY),
    ),
    (("remote", "work on another machine", 0.5, GREY), ("training", "torch", 0.5, SAND)),
    (("evaluation", "robot user, metrics, reports", 1.0, GREY),),
    (("session", "objects, prompts, masks, undo, journal · 3 6", 1.0, GREEN),),
    (("propagation", "from a plane's mask to its neighbours", 1.0, GREEN),),
    (
        ("models", "torch · 5", 0.34, SAND),
        ("inference", "one slice, any model · 5", 0.33, GREEN),
        ("io", "formats, SimpleITK", 0.33, SAND),
    ),
    (("core", "prompts, planes, volumes, contracts · numpy alone", 1.0, GREEN),),
    (("errors", "what can go wrong", 1.0, GREY),),
)


def render(rooms: set[str]) -> str:
    """Return the picture as SVG, with those rooms alone that exist."""
    rows = [tuple(box for box in row if box[0] in rooms) for row in ROWS]
    rows = [row for row in rows if row]
    height = len(rows) * (ROW + GAP) + 2 * LEFT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' font-family="sans-serif" aria-labelledby="t">',
        '<title id="t">The rooms of the package; each imports only what stands below it</title>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for i, row in enumerate(rows):
        parts += _boxes(row, LEFT + i * (ROW + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _boxes(row: tuple[tuple[str, str, float, str], ...], top: int) -> list[str]:
    parts, left = [], float(LEFT)
    whole = sum(box[2] for box in row)
    space = WIDTH - 2 * LEFT - GAP * (len(row) - 1)
    for name, holds, share, colour in row:
        width = space * share / whole
        middle = left + width / 2
        parts.append(
            f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{ROW}" rx="5"'
            f' fill="{colour}" stroke="#555555"/>'
        )
        for text, size, weight, down in ((name, 15, "bold", 19), (holds, 12, "normal", 36)):
            parts.append(
                f'<text x="{middle:.0f}" y="{top + down}" font-size="{size}"'
                f' font-weight="{weight}" text-anchor="middle" fill="#111111">{escape(text)}</text>'
            )
        left += width + GAP
    return parts


def rooms_of(checkout: Path) -> set[str]:
    """Return the names of the rooms of the package."""
    package = checkout / "src" / "napari_intseg"
    inside = [path for path in package.iterdir() if path.is_dir() or path.suffix == ".py"]
    return {path.stem for path in inside if not path.name.startswith("_")}


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    (here / "rooms.svg").write_text(render(rooms_of(here.parents[1])), "utf-8")
