"""The result as a picture: horizontal bars, each group with a scale of its own."""

from html import escape

WIDTH, LABEL, BAR, LINE = 860, 330, 420, 24
STYLE = """
text{font:13px system-ui,sans-serif;fill:#24292f}
.head{font-weight:600}.note{font-size:11px;fill:#57606a}
.bar{fill:#8c959f}.ours{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.bar{fill:#6e7681}.ours{fill:#4493f8}}
"""


def svg(about, results):
    groups = {}
    for result in results:
        groups.setdefault(result["group"], []).append(result)
    parts, y = [], 20
    parts.append(text(0, y, "CPU time per request, whole Envoy process, median of rounds", "head"))
    for group, members in groups.items():
        y += LINE + 8
        millis = members[0]["cpu_us"] > 2000
        unit, scale = ("ms", 1e3) if millis else ("µs", 1)
        parts.append(text(0, y, f"{group} ({unit})", "head"))
        longest = max(member["cpu_us"] for member in members)
        for member in members:
            y += LINE
            width = member["cpu_us"] / longest * BAR
            kind = "bar ours" if member["title"].startswith("this filter") else "bar"
            parts.append(text(12, y, member["title"]))
            parts.append(
                f'<rect class="{kind}" x="{LABEL}" y="{y - 12}" width="{width:.1f}" height="15" rx="2"/>'
            )
            parts.append(text(LABEL + width + 6, y, f"{member['cpu_us'] / scale:.1f}"))
    y += LINE + 8
    machine = f"{about['cpu']}, {about['cores']} cores"
    rounds = f"{about['rounds']} rounds of {about['seconds']} s"
    note = f"Envoy {about['envoy']}, 1 worker; {machine}; {rounds}"
    parts.append(text(0, y, note, "note"))
    height = y + 12
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def text(x, y, words, kind=""):
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y}"{attribute}>{escape(words)}</text>'
