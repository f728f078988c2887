//! Style sheet, modules and icon, embedded in the binary. Their address carries a hash of all of them,
//! so browsers may keep them for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::web::{
    Error,
    routes::{Access, Route},
};

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Assets;

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/assets/{version}/{name}",
    Access::Public,
    || get(asset),
)];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        if let Some(file) = Assets::get(&name) {
            hash.update(&file.data);
        }
    }
    hex::encode(&hash.finalize()[..8])
});

/// The address of an asset.
pub fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// An old version in the address gets the file of today: a page from before an update stays usable.
async fn asset(Path((version, name)): Path<(String, String)>) -> Result<Response, Error> {
    let file = Assets::get(&name).ok_or(Error::NotFound)?;
    let keep = if version == *VERSION {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let kind = file.metadata.mimetype().to_owned();
    Ok((
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, keep.to_owned()),
        ],
        file.data.into_owned(),
    )
        .into_response())
}
