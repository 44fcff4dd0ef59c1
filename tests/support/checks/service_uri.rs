use cspark_batches::{ErrorKind, ServiceUri, UriParts};

/// Checks that a locator is read again as the same one: printed, written carelessly, or from its
/// parts.
pub(crate) fn service_uri(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let uri = match text.parse::<ServiceUri>() {
        Ok(uri) => uri,
        Err(error) => return super::refused(&error, ErrorKind::Input),
    };
    let same = |text: &str| assert_eq!(text.parse().ok().as_ref(), Some(&uri), "{text:?}");
    same(&uri.to_string());
    same(&format!(" //{}/ ", text.trim().replace('/', "///")));

    if let Some(endpoint) = uri.proxy() {
        assert_eq!(ServiceUri::from_proxy(endpoint).ok().as_ref(), Some(&uri));
        return;
    }
    let parts = UriParts {
        folder: uri.folder(),
        service: uri.service(),
        version: uri.version(),
        version_id: uri.version_id(),
        service_id: uri.service_id(),
        service_uri: None,
    };
    assert_eq!(ServiceUri::from_parts(parts).ok().as_ref(), Some(&uri));
    for name in [parts.folder, parts.service, parts.version]
        .into_iter()
        .flatten()
    {
        assert!(!name.contains(['/', '[', ']']) && !name.contains(char::is_control));
        assert_eq!(name.trim(), name);
    }
}
