//! The page's own files, built into the program.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// The path, media type and content of every file.
pub(super) const FILES: [(&str, &str, &str); 20] = [
    ("/", "text/html; charset=utf-8", include_str!("../../page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../../page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("../../page/icon.svg")),
    script("/actions.js", include_str!("../../page/actions.js")),
    script("/address.js", include_str!("../../page/address.js")),
    script("/answer.js", include_str!("../../page/answer.js")),
    script("/app.js", include_str!("../../page/app.js")),
    script("/audit.js", include_str!("../../page/audit.js")),
    script("/dom.js", include_str!("../../page/dom.js")),
    script("/flow.js", include_str!("../../page/flow.js")),
    script("/format.js", include_str!("../../page/format.js")),
    script("/guide.js", include_str!("../../page/guide.js")),
    script("/latency.js", include_str!("../../page/latency.js")),
    script("/list.js", include_str!("../../page/list.js")),
    script("/mail.js", include_str!("../../page/mail.js")),
    script("/outcomes.js", include_str!("../../page/outcomes.js")),
    script("/steps.js", include_str!("../../page/steps.js")),
    script("/store.js", include_str!("../../page/store.js")),
    script("/theme.js", include_str!("../../page/theme.js")),
    script("/timeline.js", include_str!("../../page/timeline.js")),
];

const fn script(path: &'static str, text: &'static str) -> (&'static str, &'static str, &'static str) {
    (path, "text/javascript; charset=utf-8", text)
}

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, media_type, text)| {
        router
            .route(path, get(move || async move { ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")], text) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_uses_no_other_host() {
        let size: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(size < 150 * 1024, "{size} bytes");
        for (path, _, text) in FILES {
            let foreign = text.match_indices("//").find(|(at, _)| {
                let before = &text[..*at];
                (before.ends_with("http:") || before.ends_with("https:"))
                    && !text[*at..].starts_with("//www.w3.org/2000/svg")
            });
            assert_eq!(foreign, None, "{path}");
        }
    }
}
