//! From method and path to the operation.

use hyper::{Method, StatusCode};

use crate::refusal::Refusal;

/// The operation that a request asks for. Ids and realms are those of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Health,
    Token { realm: &'a str },
    Api(Call<'a>),
}

/// A call of the tenant's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    Describe,
    Create,
    Info {
        id: &'a str,
    },
    /// Close or cancel, as the body says.
    Update {
        id: &'a str,
    },
    Status {
        id: &'a str,
    },
    Push {
        id: &'a str,
    },
    Pull {
        id: &'a str,
    },
    Schema(Which<'a>),
    Swagger(SwaggerOf<'a>),
    Versions {
        folder: &'a str,
        service: &'a str,
    },
}

/// The version of a service that a path names: one with an id, or else the latest. Names are still
/// percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which<'a> {
    /// Folder and name.
    pub(crate) service: Option<(&'a str, &'a str)>,
    pub(crate) version_id: Option<&'a str>,
}

/// Which Swagger document a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SwaggerOf<'a> {
    pub(crate) which: Which<'a>,
    pub(crate) subservice: &'a str,
    /// Whether it is to come as a download: `True` or `False`.
    pub(crate) download: &'a str,
}

impl<'a> Which<'a> {
    fn latest(folder: &'a str, service: &'a str) -> Self {
        Self {
            service: Some((folder, service)),
            version_id: None,
        }
    }

    fn version(id: &'a str) -> Self {
        Self {
            service: None,
            version_id: Some(id),
        }
    }
}

impl<'a> Route<'a> {
    /// Finds the operation.
    ///
    /// # Errors
    ///
    /// 404 for an unknown path, 405 for a method that the path does not have.
    pub(super) fn find(method: &Method, path: &'a str, tenant: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let unknown = || Refusal::not_found(format!("there is no path {path}"));
        let with = |wanted: Method, route: Self| (*method == wanted).then_some(route);
        let api = |wanted: Method, call: Call<'a>| with(wanted, Self::Api(call));
        let (route, allow) = match parts[..] {
            ["health"] => (with(Method::GET, Self::Health), "GET"),
            [
                "auth",
                "realms",
                realm,
                "protocol",
                "openid-connect",
                "token",
            ] => (with(Method::POST, Self::Token { realm }), "POST"),
            // An official SDK leaves the tenant out of these paths.
            ["api", "v1", ref rest @ ..] => product(method, rest).ok_or_else(unknown)?,
            [given, "api", "v1", ref rest @ ..] => {
                let found = product(method, rest).ok_or_else(unknown)?;
                check_tenant(given, tenant)?;
                found
            }
            [given, "api", "v3", ref rest @ ..] => {
                let found = engine(method, rest).ok_or_else(unknown)?;
                check_tenant(given, tenant)?;
                found
            }
            [given, "api", "v4", ref rest @ ..] => {
                let found = match *rest {
                    ["batch"] => (api(Method::POST, Call::Create), "POST"),
                    ["batch", "status"] => (api(Method::GET, Call::Describe), "GET"),
                    ["batch", id] if !id.is_empty() => {
                        let route = api(Method::GET, Call::Info { id })
                            .or(api(Method::PATCH, Call::Update { id }));
                        (route, "GET, PATCH")
                    }
                    ["batch", id, "status"] => (api(Method::GET, Call::Status { id }), "GET"),
                    ["batch", id, "chunks"] => (api(Method::POST, Call::Push { id }), "POST"),
                    ["batch", id, "chunkresults"] => (api(Method::GET, Call::Pull { id }), "GET"),
                    _ => return Err(unknown()),
                };
                check_tenant(given, tenant)?;
                found
            }
            _ => return Err(unknown()),
        };
        route.ok_or_else(|| Refusal::method(method, path, allow))
    }

    /// The batch in the path.
    pub(super) fn batch_id(self) -> Option<&'a str> {
        let Self::Api(call) = self else { return None };
        match call {
            Call::Describe
            | Call::Create
            | Call::Schema(_)
            | Call::Swagger(_)
            | Call::Versions { .. } => None,
            Call::Info { id }
            | Call::Update { id }
            | Call::Status { id }
            | Call::Push { id }
            | Call::Pull { id } => Some(id),
        }
    }
}

/// A route with the methods that its path knows; no route if the method is another one.
type Found<'a> = (Option<Route<'a>>, &'static str);

/// The route of a path after `api/v1`.
fn product<'a>(method: &Method, path: &[&'a str]) -> Option<Found<'a>> {
    let call = match *path {
        ["product", folder, "engines", "get", service] => {
            Call::Schema(Which::latest(folder, service))
        }
        ["product", folder, "engines", "getversions", service] => {
            Call::Versions { folder, service }
        }
        _ => return None,
    };
    Some(((*method == Method::GET).then_some(Route::Api(call)), "GET"))
}

/// The route of a path after `api/v3`.
fn engine<'a>(method: &Method, path: &[&'a str]) -> Option<Found<'a>> {
    let (which, subservice, download) = match *path {
        ["GetEngineDetailByVersionId", "versionid", id] => {
            let route = Route::Api(Call::Schema(Which::version(id)));
            return Some(((*method == Method::POST).then_some(route), "POST"));
        }
        [
            "folders",
            folder,
            "services",
            service,
            "downloadswagger",
            subservice,
            download,
            ref rest @ ..,
        ] => {
            let version_id = match *rest {
                [] | [""] => None,
                [id] => Some(id),
                _ => return None,
            };
            let which = Which {
                version_id,
                ..Which::latest(folder, service)
            };
            (which, subservice, download)
        }
        [
            "version",
            id,
            "downloadswagger",
            subservice,
            download,
            ref rest @ ..,
        ] if matches!(*rest, [] | [""]) => (Which::version(id), subservice, download),
        _ => return None,
    };
    let call = Call::Swagger(SwaggerOf {
        which,
        subservice,
        download,
    });
    Some(((*method == Method::GET).then_some(Route::Api(call)), "GET"))
}

fn check_tenant(given: &str, tenant: &str) -> Result<(), Refusal> {
    if given == tenant {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::NOT_FOUND,
        "tenant_not_found",
        format!("there is no tenant {given:?}"),
    ))
}
