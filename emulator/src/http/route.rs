//! From method and path to the operation.

use hyper::{Method, StatusCode};

use crate::refusal::Refusal;

/// What a request asks for; ids and realms as they stand in the path.
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
}

impl<'a> Route<'a> {
    /// Finds the operation.
    ///
    /// # Errors
    ///
    /// 404 for a path that there is not, 405 for a method that a path does not know.
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
                if given != tenant {
                    let message = format!("there is no tenant {given:?}");
                    return Err(Refusal::new(
                        StatusCode::NOT_FOUND,
                        "tenant_not_found",
                        message,
                    ));
                }
                found
            }
            _ => return Err(unknown()),
        };
        route.ok_or_else(|| Refusal::method(method, path, allow))
    }

    /// The batch that it is about.
    pub(super) fn batch_id(self) -> Option<&'a str> {
        let Self::Api(call) = self else { return None };
        match call {
            Call::Describe | Call::Create => None,
            Call::Info { id }
            | Call::Update { id }
            | Call::Status { id }
            | Call::Push { id }
            | Call::Pull { id } => Some(id),
        }
    }
}
