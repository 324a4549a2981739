//! The page's files, which are part of the program.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

/// All files.
#[derive(RustEmbed)]
#[folder = "src/http/page/assets"]
struct Assets;

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "txt")) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The modules that a script imports, directly or not, without itself.
pub(super) fn imports(script: &str) -> Vec<String> {
    let mut found = vec![script.to_owned()];
    let mut next = 0;
    while let Some(module) = found.get(next).cloned() {
        next += 1;
        let file = Assets::get(&module)
            .map(|file| file.data)
            .unwrap_or_default();
        for line in String::from_utf8_lossy(&file).lines() {
            let path = line
                .split_once(" from \"./")
                .and_then(|(_, rest)| rest.split_once('"'));
            let imported = path.map(|(name, _)| name.to_owned());
            found.extend(imported.filter(|name| !found.contains(name)));
        }
    }
    found.split_off(1)
}

/// Serves a file.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = Assets::get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let hash = asset.metadata.sha256_hash();
    let [
        beginning @ ..,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
    ] = hash;
    let tag = format!("\"{:032x}\"", u128::from_be_bytes(beginning));
    let known = headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes);
    // Another version of the program has other files under the same names.
    let common = [(ETAG, tag.clone()), (CACHE_CONTROL, "no-cache".to_owned())];
    if known == Some(tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, content_type(&name))], asset.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_is_a_file_and_every_module_is_imported() {
        let pages = [
            "overview.js",
            "verdicts.js",
            "verdict.js",
            "tuning.js",
            "recipes.js",
            "recipe.js",
            "models.js",
            "cameras.js",
            "report.js",
            "sign-in.js",
        ];
        let mut used: Vec<String> = pages.map(str::to_owned).to_vec();
        for page in pages {
            used.extend(imports(page));
        }
        for name in &used {
            assert!(Assets::get(name).is_some(), "{name}");
        }
        let worker = ["live-worker.js", "live-source.js"];
        let unused: Vec<_> = Assets::iter()
            .filter(|name| name.ends_with(".js") && !worker.contains(&&**name))
            .filter(|name| !used.iter().any(|used| used == name))
            .collect();
        assert_eq!(unused, [""; 0]);
    }

    #[test]
    fn files_contain_nothing_of_other_servers() {
        // A library's comments name its home page.
        let library = ["uplot.js", "uplot.css", "uplot-license.txt"];
        for name in Assets::iter().filter(|name| !library.contains(&&**name)) {
            let file = Assets::get(&name).expect("it is listed");
            let text = String::from_utf8_lossy(&file.data);
            let foreign = text.matches("http").count() - text.matches("http://www.w3.org/").count();
            assert_eq!(foreign, 0, "{name}");
        }
    }
}
