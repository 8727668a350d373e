"""A layout as an SVG document."""

from html import escape

from .layout import CHARACTER_WIDTH, LINE_HEIGHT, MARGIN, Box, Layout, Point

ROUND_RADIUS, SQUARE_RADIUS = 18, 2  # of the corners of round and square nodes


def svg_of(drawing: Layout, *, title: str, caption: str) -> str:
    """Return the SVG document of a layout, with escaped text in a monospaced font and a caption below."""
    width, height = max(drawing.width, CHARACTER_WIDTH * len(caption) + 2 * MARGIN), drawing.height + LINE_HEIGHT
    start = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
        'font-size="12" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#333333"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({(width - drawing.width) / 2:.1f} 0)">',
    ]
    arrows = [_svg_arrow(arrow) for arrow in drawing.arrows]
    boxes = [_svg_box(box) for box in drawing.boxes.values()]
    place = f'x="{width / 2:.1f}" y="{height - MARGIN / 2:.1f}"'
    below = f'<text {place} font-size="11" fill="#333333">{escape(caption)}</text>'
    return "\n".join([*start, *arrows, *boxes, "</g>", below, "</svg>", ""])


def _svg_arrow(arrow: tuple[Point, ...]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in arrow)
    return (
        f'<polyline class="arrow" points="{points}" fill="none" stroke="#333333" stroke-width="1.1" '
        'stroke-linejoin="round" marker-end="url(#head)"/>'
    )


def _svg_box(box: Box) -> str:
    look, lines = box.node
    radius, dashes = (
        ROUND_RADIUS if look.is_round else SQUARE_RADIUS,
        ' stroke-dasharray="4 3"' if look.is_dashed else "",
    )
    rectangle = (
        f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{radius}" fill="{look.fill}" stroke="{look.line}" '
        f'stroke-width="{look.thickness}"{dashes}/>'
    )
    texts = []
    for at, text in enumerate(lines):
        weight = ' font-weight="bold"' if at == 0 and look.is_round else ""
        baseline = box.y + LINE_HEIGHT * (at - (len(lines) - 1) / 2) + 4
        texts.append(f'<text x="{box.x:.1f}" y="{baseline:.1f}"{weight}>{escape(text, quote=False)}</text>')
    return "\n".join([f'<g class="{look.kind}">{rectangle}', *texts, "</g>"])
