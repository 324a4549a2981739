//! The HTML of the pages: a head, a bar and an empty main part, which the scripts fill.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;

/// A page.
struct Shell {
    /// Its name in `data-page`.
    page: &'static str,
    title: &'static str,
    script: Option<&'static str>,
    /// Its own style sheets.
    styles: &'static [&'static str],
    /// The address of the page in the bar that is marked as the present one.
    current: Option<&'static str>,
    /// Whether there is a bar, and the other pages are in it.
    bar: Bar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    None,
    Brand,
    Full,
}

/// The pages in the bar.
const PAGES: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/verdicts", "Verdicts"),
    ("/tuning", "Tuning"),
    ("/recipes", "Recipes"),
    ("/models", "Models"),
    ("/cameras", "Cameras"),
    ("/report", "Report"),
];

impl Shell {
    fn render(&self, main: &Markup) -> Html<String> {
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " - inspectd" }
                    link rel="stylesheet" href="/assets/page.css";
                    @for style in self.styles {
                        link rel="stylesheet" href=(format!("/assets/{style}"));
                    }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    @if let Some(script) = self.script {
                        script type="module" src=(format!("/assets/{script}")) {}
                        // They are needed as well: the browser need not read one to know the next.
                        @for module in assets::imports(script) {
                            link rel="modulepreload" href=(format!("/assets/{module}"));
                        }
                    }
                }
                body data-page=(self.page) {
                    @if self.bar != Bar::None {
                        a class="skip" href="#main" { "Skip to content" }
                        header class="bar" {
                            a class="brand" href="/" { "inspectd" }
                            @if self.bar == Bar::Full {
                                nav aria-label="Pages" {
                                    @for (address, name) in PAGES {
                                        a href=(address)
                                            aria-current=[(self.current == Some(address)).then_some("page")]
                                            { (name) }
                                    }
                                }
                                div id="line" class="line" {}
                                div id="session" class="session" {}
                            }
                        }
                    }
                    div id="banner" role="status" aria-live="polite" {}
                    main id="main" tabindex="-1" { (main) }
                }
            }
        };
        Html(markup.into_string())
    }

    /// The page, whose main part a script fills.
    fn scripted(&self) -> Html<String> {
        self.render(&html! {
            noscript { p { "This page needs JavaScript." } }
        })
    }
}

/// A page of the bar, named as its script.
fn page(
    name: &'static str,
    title: &'static str,
    script: &'static str,
    current: &'static str,
    styles: &'static [&'static str],
) -> Html<String> {
    let shell = Shell {
        page: name,
        title,
        script: Some(script),
        styles,
        current: Some(current),
        bar: Bar::Full,
    };
    shell.scripted()
}

/// The cameras, live.
pub(super) async fn overview() -> Html<String> {
    page("overview", "Overview", "overview.js", "/", &[])
}

/// The cameras, live, for a wall display.
pub(super) async fn wall() -> Html<String> {
    let shell = Shell {
        page: "wall",
        title: "Wall",
        script: Some("overview.js"),
        styles: &[],
        current: None,
        bar: Bar::None,
    };
    shell.scripted()
}

/// The table of verdicts.
pub(super) async fn verdicts() -> Html<String> {
    page("verdicts", "Verdicts", "verdicts.js", "/verdicts", &[])
}

/// A verdict with its evidence.
pub(super) async fn verdict() -> Html<String> {
    page("verdict", "Verdict", "verdict.js", "/verdicts", &[])
}

/// Scores and thresholds.
pub(super) async fn tuning() -> Html<String> {
    let styles = &["uplot.css", "tuning.css"];
    page("tuning", "Tuning", "tuning.js", "/tuning", styles)
}

/// The list of recipes.
pub(super) async fn recipes() -> Html<String> {
    page(
        "recipes",
        "Recipes",
        "recipes.js",
        "/recipes",
        &["recipes.css"],
    )
}

/// The editor of a recipe.
pub(super) async fn recipe() -> Html<String> {
    page(
        "recipe",
        "Recipe",
        "recipe.js",
        "/recipes",
        &["recipes.css"],
    )
}

/// The active model, its installation, and the shadow.
pub(super) async fn models() -> Html<String> {
    page("models", "Models", "models.js", "/models", &["models.css"])
}

/// Setting cameras up.
pub(super) async fn cameras() -> Html<String> {
    page(
        "cameras",
        "Cameras",
        "cameras.js",
        "/cameras",
        &["cameras.css"],
    )
}

/// The report of a period.
pub(super) async fn report() -> Html<String> {
    page("report", "Report", "report.js", "/report", &["report.css"])
}

/// The form for the token.
pub(super) async fn sign_in() -> Html<String> {
    let shell = Shell {
        page: "sign-in",
        title: "Sign in",
        script: Some("sign-in.js"),
        styles: &[],
        current: None,
        bar: Bar::Brand,
    };
    shell.scripted()
}

/// The answer for an unknown address.
pub(super) async fn not_found() -> Response {
    let shell = Shell {
        page: "not-found",
        title: "Not found",
        script: None,
        styles: &[],
        current: None,
        bar: Bar::Brand,
    };
    let main = html! {
        h1 { "Not found" }
        p { "This address has no page. " a href="/" { "Overview" } }
    };
    (StatusCode::NOT_FOUND, shell.render(&main)).into_response()
}
