//! The pages that people open in a browser, and the client for programs: files that the binary carries inside itself.
//!
//! They are served as they stand in `static/`; nothing is built. `server.static_dir` serves them from disk instead, so
//! that an edit shows at the next reload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, IF_NONE_MATCH, VARY,
};
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::api::read_only;

/// What a page may load and do: files and sockets of this hub, pictures from anywhere safe, and no script or style
/// that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// Shorter files are sent as they are: there is little to gain.
const WORTH_COMPRESSING: usize = 512;

#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "vendor/rapidoc/*"]
struct Embedded;

/// Every file that is served, by its path.
pub struct Pages(Source);

enum Source {
    Embedded(HashMap<String, Arc<Page>>),
    Folder(PathBuf),
}

struct Page {
    content_type: &'static str,
    body: Bytes,
    /// Weak, as one and the same stands for the plain and the compressed bytes.
    etag: String,
    /// Made when it is first asked for.
    gzip: OnceLock<Option<Bytes>>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Embedded(pages) => write!(f, "{} embedded pages", pages.len()),
            Source::Folder(folder) => write!(f, "pages in {}", folder.display()),
        }
    }
}

impl Pages {
    /// What the binary carries.
    pub fn embedded() -> Self {
        let read = |path: Cow<'static, str>| {
            let file = Embedded::get(&path)?;
            let hash = file.metadata.sha256_hash();
            let hash = u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
            let body = match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            };
            Some((path.to_string(), Arc::new(Page::new(&path, body, hash))))
        };
        Self(Source::Embedded(Embedded::iter().filter_map(read).collect()))
    }

    /// What stands in `folder` at the moment it is asked for.
    pub fn from_folder(folder: &Path) -> std::io::Result<Self> {
        Ok(Self(Source::Folder(folder.canonicalize()?)))
    }

    /// The page at the path of a URL. `None`: there is none.
    fn find(&self, path: &str) -> Option<Arc<Page>> {
        let name = match path.strip_prefix('/')? {
            "" => "index.html",
            "index.html" => return None,
            name => name,
        };
        match &self.0 {
            Source::Embedded(pages) => pages.get(name).cloned(),
            Source::Folder(folder) => read_within(folder, name).map(Arc::new),
        }
    }
}

/// Only plain names below the folder count, and only what is really there once links are followed.
fn read_within(folder: &Path, name: &str) -> Option<Page> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', ':']);
    if !name.split('/').all(is_plain) {
        return None;
    }
    let file = folder.join(name).canonicalize().ok()?;
    if !file.starts_with(folder) || !file.is_file() {
        return None;
    }
    let body = fs::read(file).ok()?;
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    Some(Page::new(name, body.into(), hasher.finish()))
}

impl Page {
    fn new(path: &str, body: Bytes, hash: u64) -> Self {
        Self { content_type: content_type(path), body, etag: format!("W/\"{hash:016x}\""), gzip: OnceLock::new() }
    }

    fn is_html(&self) -> bool {
        self.content_type.starts_with("text/html")
    }

    /// The compressed bytes, where they are fewer.
    fn gzip(&self) -> Option<Bytes> {
        let is_picture = self.content_type.starts_with("image/") && !self.content_type.contains("svg");
        if self.body.len() < WORTH_COMPRESSING || is_picture {
            return None;
        }
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.body).ok()?;
            encoder.finish().ok().map(Bytes::from).filter(|packed| packed.len() < self.body.len())
        };
        self.gzip.get_or_init(compress).clone()
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "ts" | "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Adds the pages to what is served; a path that names none of them is left to whoever answers the rest.
pub fn configure(routes: &mut ServiceConfig, pages: &Arc<Pages>) {
    let there = pages.clone();
    let pages = web::Data::from(pages.clone());
    routes.service(
        web::resource("/{page:.*}")
            .guard(guard::fn_guard(move |request| there.find(request.head().uri.path()).is_some()))
            .app_data(pages)
            .route(web::get().to(serve))
            .route(web::head().to(serve))
            .default_service(web::to(read_only)),
    );
}

async fn serve(request: HttpRequest, pages: web::Data<Pages>) -> HttpResponse {
    // It was there when the guard looked; a file on disk may be gone by now.
    let Some(page) = pages.find(request.path()) else { return HttpResponse::NotFound().finish() };
    let is_known = request.headers().get_all(IF_NONE_MATCH).any(|tags| names(tags.to_str().unwrap_or(""), &page.etag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Every visit asks whether there is a newer one; with the ETag the answer is mostly empty.
    response.insert_header((ETAG, page.etag.as_str())).insert_header((CACHE_CONTROL, "no-cache"));
    response.insert_header((VARY, "Accept-Encoding"));
    if page.is_html() {
        response.insert_header((CONTENT_SECURITY_POLICY, POLICY));
        response.insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"));
    }
    if is_known {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, page.content_type));
    match page.gzip().filter(|_| takes_gzip(request.headers())) {
        Some(packed) => response.insert_header((CONTENT_ENCODING, "gzip")).body(packed),
        None => response.body(page.body.clone()),
    }
}

/// Whether a list of entity tags (`If-None-Match`) names this one, compared weakly.
fn names(tags: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepts = |coding: &str| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let refused =
            |part: &str| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
        is_named && !parts.any(refused)
    };
    headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(',')).any(accepts)
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, dev::ServiceResponse};

    use super::*;

    async fn ask(pages: Pages, request: TestRequest) -> ServiceResponse {
        let pages = Arc::new(pages);
        let rest = || async { HttpResponse::ImATeapot().finish() };
        let app = App::new().configure(|routes| configure(routes, &pages)).default_service(web::to(rest));
        call_service(&init_service(app).await, request.to_request()).await
    }

    fn header(response: &ServiceResponse, name: HeaderName) -> &str {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[actix::test]
    async fn the_page_is_there_and_what_it_names_is_there_too() {
        let response = ask(Pages::embedded(), TestRequest::get().uri("/")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert!(header(&response, CONTENT_SECURITY_POLICY).contains("script-src 'self';"));
        let body = read_body(response).await;
        let text = String::from_utf8(body.to_vec()).expect("text");
        let named: Vec<&str> = text
            .split(['"', '\''])
            .filter(|part| part.starts_with('/') && part.rsplit('/').next().is_some_and(|name| name.contains('.')))
            .collect();
        assert!(named.len() > 5, "{named:?}");
        for path in named {
            let response = ask(Pages::embedded(), TestRequest::get().uri(path)).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_ne!(header(&response, CONTENT_TYPE), "application/octet-stream", "{path}");
        }
        assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("onload="), "nothing inline");
    }

    #[actix::test]
    async fn the_rest_is_left_to_others() {
        for path in ["/nothing", "/index.html", "/js/", "/js", "//", "/../Cargo.toml", "/js/%2e%2e/index.html"] {
            let response = ask(Pages::embedded(), TestRequest::get().uri(path)).await;
            assert_eq!(response.status(), StatusCode::IM_A_TEAPOT, "{path}");
        }
        let response = ask(Pages::embedded(), TestRequest::post().uri("/")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let response =
            ask(Pages::embedded(), TestRequest::default().method(actix_web::http::Method::HEAD).uri("/")).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[actix::test]
    async fn what_is_known_is_not_sent_again() {
        let first = ask(Pages::embedded(), TestRequest::get().uri("/sdk/tertulia.js")).await;
        let etag = header(&first, ETAG).to_owned();
        assert!(etag.starts_with("W/\"") && header(&first, CACHE_CONTROL) == "no-cache");
        let again = |tags: String| TestRequest::get().uri("/sdk/tertulia.js").insert_header((IF_NONE_MATCH, tags));
        let second = ask(Pages::embedded(), again(format!("\"other\", {etag}"))).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(header(&second, ETAG) == etag && read_body(second).await.is_empty());
        let third = ask(Pages::embedded(), again("\"other\"".to_owned())).await;
        assert_eq!(third.status(), StatusCode::OK);
    }

    #[actix::test]
    async fn who_takes_gzip_gets_it() {
        let get =
            |coding: &'static str| TestRequest::get().uri("/sdk/tertulia.js").insert_header((ACCEPT_ENCODING, coding));
        let packed = ask(Pages::embedded(), get("br, gzip;q=0.5")).await;
        assert!(header(&packed, CONTENT_ENCODING) == "gzip" && header(&packed, VARY) == "Accept-Encoding");
        let plain = ask(Pages::embedded(), get("gzip;q=0, br")).await;
        assert_eq!(header(&plain, CONTENT_ENCODING), "");
        assert!(read_body(packed).await.len() * 2 < read_body(plain).await.len());
    }

    #[actix::test]
    async fn a_folder_serves_what_is_in_it_and_nothing_else() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("static");
        fs::create_dir(&folder).expect("a folder");
        fs::write(outer.path().join("secret.txt"), "secret").expect("a file");
        fs::write(folder.join("index.html"), "<p>hello").expect("a file");
        fs::write(folder.join(".hidden"), "hidden").expect("a file");
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), folder.join("link.txt")).expect("a link");
        let get = async |path: &str| {
            ask(Pages::from_folder(&folder).expect("a folder"), TestRequest::get().uri(path)).await.status()
        };
        assert_eq!(get("/").await, StatusCode::OK);
        for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/.hidden", "/nothing.js"] {
            assert_eq!(get(path).await, StatusCode::IM_A_TEAPOT, "{path}");
        }
    }
}
