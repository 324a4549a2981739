//! A figure with its caption as HTML.

use maud::{Markup, PreEscaped, html};

use super::Figure;

pub(super) fn figure(figure: &Figure) -> Markup {
    html! {
        figure.chart {
            (PreEscaped(figure.drawing.svg_element()))
            figcaption { (figure.caption) }
        }
    }
}
