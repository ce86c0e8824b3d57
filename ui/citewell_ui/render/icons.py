"""The few signs of the page, drawn in the colour of the text around them."""

from __future__ import annotations

_SHAPES = {
    "tick": '<path d="M3.5 8.5l3 3 6-7"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2"/>',  # noqa: E501
    "export": '<path d="M8 10V2.5M5 5l3-3 3 3M3 9.500v3a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1v-3"/>',
    "retry": '<path d="M13 8a5 5 0 1 1-1.500-3.600M13 2v3h-3"/>',
    "edit": '<path d="M3 13l.6-2.600L10.500 3.500l2 2-6.900 6.900z"/>',
    "up": '<path d="M5 7.500L7.500 2.500c1 0 1.700.8 1.500 1.800L8.600 6.500h3.600c.8 0 1.400.7 1.200 1.500l-.9 4c-.1.6-.6 1-1.200 1H5zM5 7.500H2.500V13H5"/>',  # noqa: E501
    "down": '<path d="M11 8.500L8.500 13.500c-1 0-1.700-.8-1.500-1.800l.4-2.200H3.800c-.8 0-1.400-.7-1.200-1.500l.9-4c.1-.6.6-1 1.200-1H11zM11 8.500h2.500V3H11"/>',  # noqa: E501
    "theme": '<path d="M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z"/>',
}


def icon(name: str) -> str:
    """Returns a sign as SVG; it says nothing to screen readers, so the button around it needs a label."""
    return f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">{_SHAPES[name]}</svg>'
