"""Bar charts as SVG, by hand: no library, small files, readable on light and on
dark pages (the colours follow the reader's setting, the ground is left to the
page), with a title and a description for those who listen."""

from xml.sax.saxutils import escape

WIDTH, LABEL, VALUE = 720, 190, 110  # columns: labels to the left, values to the right of the bars
TOP, STEP, BAR = 62, 34, 20

STYLE = '''\
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 16px; }
.note { fill: #59636e; font-size: 13px; }
.bar { fill: #8c959f; }
.own { fill: #0969da; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .note { fill: #9198a1; } .bar { fill: #6e7681; } .own { fill: #4493f8; }
}'''


def bars(title, note, rows):
    """One chart. rows: (label, value, value as text, is it ours?)."""
    height = TOP + STEP * len(rows) + 6
    room = WIDTH - LABEL - VALUE
    largest = max(value for _, value, _, _ in rows) or 1
    said = '; '.join(f'{label}: {text}' for label, _, text, _ in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(note)}. {escape(said)}.</desc>',
        f'<style>{STYLE}</style>',
        f'<text class="title" x="0" y="20">{escape(title)}</text>',
        f'<text class="note" x="0" y="42">{escape(note)}</text>',
    ]
    for k, (label, value, text, own) in enumerate(rows):
        y = TOP + STEP * k
        width = max(2, round(room * value / largest))
        middle = y + BAR - 5
        lines += [
            f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{"own" if own else "bar"}" x="{LABEL}" y="{y}" width="{width}" height="{BAR}" rx="3"/>',
            f'<text x="{LABEL + width + 8}" y="{middle}">{escape(text)}</text>',
        ]
    return '\n'.join(lines + ['</svg>', ''])
