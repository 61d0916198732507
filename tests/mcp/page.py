"""What envoy/MCP.md shows: the tests run its snippets, not copies of them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "envoy/MCP.md"


def snippet(marker):
    """The text of the only snippet below this comment."""
    parts = PAGE.read_text().split(f"<!-- {marker} -->\n```")
    if len(parts) != 2:
        raise ValueError(f"{PAGE}: {len(parts) - 1} snippets are marked {marker!r}")
    _, text = parts[1].split("\n", 1)
    return text.split("\n```\n", 1)[0] + "\n"
