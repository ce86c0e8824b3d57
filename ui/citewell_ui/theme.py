"""The theme of the components that are Gradio's own, in the colours of the style sheet."""

from __future__ import annotations

import gradio as gr

_SANS = (
    "ui-sans-serif",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Helvetica Neue",
    "Arial",
    "sans-serif",
)
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_ACCENT = gr.themes.Color(
    "#eff7fa", "#dceef4", "#b9dde9", "#8cc6d9", "#5aa9c4", "#2f87a6", "#1d6b89", "#175e7a", "#134b61", "#103d50",
    "#0b2a37",
)  # fmt: skip
_GREY = gr.themes.Color(
    "#fbfaf8", "#f4f2ee", "#e6e3dc", "#d2cec5", "#a09b91", "#78736a", "#5c5850", "#45423c", "#2b2a27", "#1e1d1b",
    "#161614",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Returns the theme: system fonts, warm greys, one accent; nothing is loaded from elsewhere."""
    made = gr.themes.Base(
        primary_hue=_ACCENT,
        secondary_hue=_ACCENT,
        neutral_hue=_GREY,
        font=_SANS,
        font_mono=_MONO,
        radius_size="md",
    )
    return made.set(
        color_accent="*primary_700",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="#e9e6df",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="#b4afa5",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        border_color_primary="*neutral_200",
        border_color_primary_dark="#3a3833",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_label_text_color_dark="#b4afa5",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="#b4afa5",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="#b4afa5",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_300",
        button_primary_background_fill_hover_dark="*primary_200",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        input_border_color="#8f897e",
        input_border_color_dark="#7d786e",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="#b4afa5",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
