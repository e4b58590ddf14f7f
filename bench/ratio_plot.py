"""Ratios with their intervals as an SVG: a dot a call on a logarithmic axis, grouped by kernel."""

import math
from xml.sax.saxutils import escape

COLOURS = {"FASTER": "#1a7f37", "SLOWER": "#c62828", "SAME": "#1f5fa8", "AMBIGUOUS": "#8a8a8a"}
LABELS, WIDTH, ROW, TOP = 330, 900, 15, 64  # pixels; the first of what stands left of the axis


def axis_limits(rows):
    """Powers of two that hold all intervals and 1/2 to 2, at most 1/32 to 32."""
    ends = [math.log2(row["ratio"][end]) for row in rows for end in ("lower", "upper")]
    return (max(-5, math.floor(min(ends + [-1]))), min(5, math.ceil(max(ends + [1]))))


def ratio_plot(rows, title, sides):
    """`rows` have name, verdict and ratio {median, lower, upper}; `sides` are ours and the peer."""
    groups = {}
    for row in rows:
        layer, _, entry = row["name"].rpartition("/")
        groups.setdefault(entry, []).append((layer, row))
    low, high = axis_limits(rows)
    bottom = TOP + ROW * (len(rows) + 2 * len(groups))

    def x(ratio):
        share = (min(max(math.log2(ratio), low), high) - low) / (high - low)
        return LABELS + share * (WIDTH - LABELS - 20)

    body = [f'<text x="10" y="20" font-size="15">{escape(title)}</text>',
            f'<text x="10" y="40">{escape(sides[1])}\'s time / {escape(sides[0])}\'s: right of 1 '
            f"{escape(sides[0])} is faster; bars are 95 % intervals of the median</text>"]
    body += [f'<text x="{WIDTH - 340 + 85 * at}" y="20" fill="{colour}">{word}</text>'
             for at, (word, colour) in enumerate(COLOURS.items())]
    for power in range(low, high + 1):
        at, label = x(2.0**power), f"{2**power}" if power >= 0 else f"1/{2**-power}"
        colour = "#000" if power == 0 else "#ddd"
        body.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}" '
                    f'stroke="{colour}"/><text x="{at:.1f}" y="{TOP - 6}" '
                    f'text-anchor="middle">{label}</text>')
    y = TOP
    for entry, members in groups.items():
        y += 2 * ROW
        body.append(f'<text x="10" y="{y - 2}" font-weight="bold">{escape(entry)}</text>')
        for layer, row in members:
            y += ROW
            body.append(_dot(layer, row, x, y - ROW / 3))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 20}" '
            f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" '
            f'fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


def _dot(layer, row, x, y):
    ratio, colour = row["ratio"], COLOURS[row["verdict"]]
    words = (f"{row['name']}: {row['verdict']}, {ratio['median']:.2f} "
             f"({ratio['lower']:.2f} to {ratio['upper']:.2f})")
    return (f'<g><title>{escape(words)}</title><text x="{LABELS - 8}" y="{y + 4:.1f}" '
            f'text-anchor="end">{escape(layer)}</text><line x1="{x(ratio["lower"]):.1f}" '
            f'x2="{x(ratio["upper"]):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
            f'stroke-width="2"/><circle cx="{x(ratio["median"]):.1f}" cy="{y:.1f}" r="3.5" '
            f'fill="{colour}"/></g>')
