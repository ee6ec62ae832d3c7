"""How the app looks: Gradio's variables in our colours, our style sheets, and our script.

The colours themselves stand in ``assets/app.css``, once for light and once for dark; here Gradio's names for them are
pointed there. Fonts are those of the system: nothing is loaded from elsewhere.
"""

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).parent / "assets"
_FRAME = ".gradio-container, .gradio-container :is(.main, main) { padding: 0 !important; max-width: none !important; }"
"""Not in a sheet: Gradio's scripts ask for those, and the page would move to its edges when they have come."""
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_COLOURS = {
    "body_background_fill": "var(--page)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--soft)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--sunken)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--accent-soft)",
    "link_text_color": "var(--accent)",
    "link_text_color_hover": "var(--accent)",
    "link_text_color_active": "var(--accent)",
    "link_text_color_visited": "var(--accent)",
    "block_background_fill": "var(--surface)",
    "block_border_color": "var(--line)",
    "block_label_background_fill": "var(--surface)",
    "block_label_text_color": "var(--soft)",
    "block_title_text_color": "var(--ink)",
    "block_info_text_color": "var(--soft)",
    "panel_background_fill": "var(--page)",
    "input_background_fill": "var(--surface)",
    "input_border_color": "var(--line)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--soft)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--soft)",
    "checkbox_border_color_selected": "var(--accent)",
    "checkbox_border_color_focus": "var(--accent)",
    "checkbox_label_background_fill": "var(--surface)",
    "checkbox_label_background_fill_selected": "var(--accent-soft)",
    "checkbox_label_text_color_selected": "var(--ink)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-strong)",
    "button_primary_text_color": "var(--accent-ink)",
    "button_primary_border_color": "var(--accent)",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--sunken)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_border_color": "var(--line)",
    "button_cancel_background_fill": "var(--danger-soft)",
    "button_cancel_background_fill_hover": "var(--danger-soft)",
    "button_cancel_text_color": "var(--danger)",
    "button_cancel_border_color": "var(--danger)",
    "slider_color": "var(--accent)",
    "table_border_color": "var(--line)",
    "table_even_background_fill": "var(--surface)",
    "table_odd_background_fill": "var(--sunken)",
    "table_text_color": "var(--ink)",
    "error_background_fill": "var(--danger-soft)",
    "error_text_color": "var(--danger)",
    "error_border_color": "var(--danger)",
}
_SHAPES = {
    "block_shadow": "none",
    "block_border_width": "1px",
    "block_radius": "12px",
    "container_radius": "12px",
    "input_radius": "10px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_large_radius": "10px",
    "button_medium_radius": "10px",
    "button_small_radius": "8px",
    "button_large_text_weight": "550",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "block_title_text_weight": "550",
    "layout_gap": "16px",
    "form_gap_width": "0px",
}


def make_theme() -> gr.themes.Base:
    """The theme; what Gradio has a second colour for in the dark is the same variable."""
    theme = gr.themes.Base(font=_FONT, font_mono=_MONO, primary_hue="teal", neutral_hue="stone", radius_size="md")
    known = set(gr.themes.Base.set.__code__.co_varnames)
    dark = {f"{name}_dark": value for name, value in _COLOURS.items() if f"{name}_dark" in known}
    return theme.set(**_COLOURS, **dark, **_SHAPES)


def head() -> str:
    """What stands in the page's head."""
    names = ("app.css", "work.css", "teaching.css")
    sheets = "".join(f'<link rel="stylesheet" href="/assets/{name}">' for name in names)
    scripts = "".join(
        f'<script src="/assets/{name}.js" defer></script>' for name in ("app", "focus", "drafts", "address", "jobs")
    )
    icon = '<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">'
    return f"<style>{_FRAME}</style>{icon}{sheets}{scripts}"
