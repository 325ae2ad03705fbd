"""Draws runs a second against latency, for each client, with indented JSON. Where
nothing was measured with that, the drawing stays as it is.

Usage: python plot.py RESULTS_JSON SVG
"""

import json
import math
import sys
from pathlib import Path

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 504, 52, 366

# What one Actor's list gives at most: 60 requests a second of 1000 runs.
LIMIT = 60_000

# Colors that people tell apart who see fewer of them (after Okabe and Ito), and shapes for
# where lines meet.
STYLES = {
    ('ours', 16): ('this crate, 16 in flight', '#0072b2', 'circle'),
    ('ours', 8): ('this crate, 8 in flight', '#3d9bd6', 'square'),
    ('ours', 1): ('this crate, 1 in flight', '#8cc6ea', 'triangle'),
    ('by_hand', 1): ('a hand-written loop, reqwest', '#4d4d4d', 'diamond'),
    ('official', 1): ('Rust, apify-client', '#d55e00', 'square'),
    ('javascript', 1): ('JavaScript, apify-client', '#e69f00', 'circle'),
    ('python', 1): ('Python, apify-client', '#009e73', 'triangle'),
}


def curves(measured):
    """The points of each client by latency, in the order of the legend."""
    points = {}
    for row in measured:
        key = row['client'], row['in_flight']
        points.setdefault(key, []).append((row['latency_ms'], row['runs_per_second']))
    return [(key, sorted(points[key])) for key in STYLES if key in points]


def short(number):
    for size, letter in ((1_000_000, ' M'), (1000, ' k')):
        if number >= size:
            return f'{number / size:g}{letter}'
    return f'{number:g}'


def text(x, y, content, anchor='start', size=12, color='#24292f', more=''):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{color}"{more}>{content}</text>'
    )


def line(x1, y1, x2, y2, color, more=''):
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{more}/>'
    )


def marker(shape, x, y, color):
    attributes = f'fill="{color}" stroke="#ffffff"'
    if shape == 'circle':
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {attributes}/>'
    corners = {
        'square': ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        'triangle': ((0, -5.5), (5, 4), (-5, 4)),
        'diamond': ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
    }[shape]
    outline = ' '.join(f'{x + dx:.1f},{y + dy:.1f}' for dx, dy in corners)
    return f'<polygon points="{outline}" {attributes}/>'


def draw(measured):
    latencies = sorted({row['latency_ms'] for row in measured})
    rates = [row['runs_per_second'] for row in measured]
    low = 10 ** math.floor(math.log10(min(rates)))
    steps = [step * 10**power for power in range(10) for step in (1, 2, 5)]
    high = next(step for step in steps if step >= max(rates))

    def across(latency):
        return LEFT + 8 + (RIGHT - LEFT - 8) * latency / max(latencies[-1], 1)

    def up(rate):
        return BOTTOM - (BOTTOM - TOP) * math.log(rate / low) / math.log(high / low)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
    )
    yield '<title>Runs a second against the latency of a request, for each client</title>'
    # Its own background, so that it looks the same on light and dark pages.
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>'
    bold = ' font-weight="600"'
    yield text(LEFT, 28, 'Runs a second, by the latency of a request', size=15, more=bold)

    for step in steps:
        if low <= step <= high:
            is_power = math.log10(step).is_integer()
            yield line(LEFT, up(step), RIGHT, up(step), '#d0d7de' if is_power else '#eef1f4')
            color = '#24292f' if is_power else '#6e7781'
            yield text(LEFT - 8, up(step) + 4, short(step), 'end', 12 if is_power else 10, color)
    for latency in latencies:
        yield line(across(latency), TOP, across(latency), BOTTOM + 4, '#d0d7de')
        yield text(across(latency), BOTTOM + 19, latency, 'middle')
    yield text((LEFT + RIGHT) / 2, BOTTOM + 40, 'latency of a request, ms', 'middle')
    middle = (TOP + BOTTOM) / 2
    turned = f' transform="rotate(-90 18 {middle:.1f})"'
    yield text(18, middle, 'runs a second (log scale)', 'middle', more=turned)

    is_limit_seen = low <= LIMIT <= high
    dashes = ' stroke-width="1.5" stroke-dasharray="5 4"'
    if is_limit_seen:
        yield line(LEFT, up(LIMIT), RIGHT, up(LIMIT), '#cf222e', dashes)

    # The first in the legend is drawn last, over the others.
    drawn = curves(measured)
    for key, points in reversed(drawn):
        _, color, shape = STYLES[key]
        places = [(across(latency), up(rate)) for latency, rate in points]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield from (marker(shape, x, y, color) for x, y in places)

    x, y = RIGHT + 20, TOP + 30
    for key, _ in drawn:
        label, color, shape = STYLES[key]
        yield line(x, y, x + 26, y, color, ' stroke-width="2"')
        yield marker(shape, x + 13, y, color)
        yield text(x + 34, y + 4, label)
        y += 24
    if is_limit_seen:
        yield line(x, y + 12, x + 26, y + 12, '#cf222e', dashes)
        yield text(x + 34, y + 16, 'what Apify allows for')
        yield text(x + 34, y + 32, 'one Actor: 60 requests/s')
    yield '</svg>'


results = json.loads(Path(sys.argv[1]).read_text())
indented = [row for row in results['measured'] if row['form'] == 'indented']
if indented:
    Path(sys.argv[2]).write_text('\n'.join(draw(indented)) + '\n')
