//! The locator of a service, in all its forms.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::{Error, Result};

/// First segments that are not the name of a folder. A folder of such a name needs the long form.
const RESERVED: [&str; 4] = ["folders", "service", "version", "proxy"];

/// The locator of a service, validated and in one normal form.
///
/// It is parsed from any of these forms. Leading, trailing and doubled slashes are ignored.
///
///
/// | text | means |
/// | --- | --- |
/// | `folder/service` | the latest version of a service |
/// | `folder/service[0.4.2]` | one version of it |
/// | `folders/folder/services/service[0.4.2]` | the same, long |
/// | `service/UUID` | the latest version of the service with that id |
/// | `version/UUID` | one version, by its id |
/// | `proxy/endpoint` | a service behind a custom endpoint |
///
/// Names may contain spaces, which are never percent-encoded. `Display` prints a text that parses
/// as the same locator.
///
/// ```
/// use cspark_batches::ServiceUri;
///
/// let uri: ServiceUri = "/folders/my-folder/services/volume cylinder[0.4.2]".parse()?;
/// assert_eq!(uri.to_string(), "my-folder/volume cylinder[0.4.2]");
/// assert_eq!(uri, ServiceUri::new("my-folder", "volume cylinder")?.with_version("0.4.2")?);
///
/// let wrong = "my-folder".parse::<ServiceUri>().unwrap_err();
/// assert!(wrong.to_string().contains("folder/service"));
/// # Ok::<(), cspark_batches::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "UriParams")]
pub struct ServiceUri(Target);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    Named {
        folder: String,
        service: String,
        version: Option<String>,
    },
    ServiceId(String),
    VersionId(String),
    Proxy(String),
}

/// The parts of a service locator, as in the other SDKs; see [`ServiceUri::from_parts`].
///
/// ```
/// use cspark_batches::{ServiceUri, UriParts};
///
/// let uri = ServiceUri::from_parts(UriParts {
///     folder: Some("my-folder"),
///     service: Some("my-service"),
///     version: Some("0.4.2"),
///     ..UriParts::default()
/// })?;
/// assert_eq!(uri.to_string(), "my-folder/my-service[0.4.2]");
/// # Ok::<(), cspark_batches::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UriParts<'a> {
    /// The folder, together with `service`.
    pub folder: Option<&'a str>,
    /// The service's name, together with `folder`.
    pub service: Option<&'a str>,
    /// The semantic version of the service that `folder` and `service` name.
    pub version: Option<&'a str>,
    /// The UUID of a version. It is enough: names given with it are not sent.
    pub version_id: Option<&'a str>,
    /// The UUID of a service, for its latest version.
    pub service_id: Option<&'a str>,
    /// A whole locator, without any other part.
    pub service_uri: Option<&'a str>,
}

impl ServiceUri {
    /// Creates a locator for the latest version of a service, by the names of folder and service.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if a name is empty, begins or ends with a
    /// space, or contains a slash, a square bracket or a control character.
    pub fn new(folder: impl Into<String>, service: impl Into<String>) -> Result<Self> {
        let folder = checked("folder", folder.into())?;
        let service = checked("service", service.into())?;
        Ok(Self(Target::Named {
            folder,
            service,
            version: None,
        }))
    }

    /// Selects one version of the service, such as `0.4.2`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the version contains what a name must not
    /// contain, or if this locator does not consist of names.
    pub fn with_version(self, version: impl Into<String>) -> Result<Self> {
        match self.0 {
            Target::Named {
                folder, service, ..
            } => {
                let version = Some(checked("version", version.into())?);
                Ok(Self(Target::Named {
                    folder,
                    service,
                    version,
                }))
            }
            other => Err(Error::input(format!(
                "a version needs a locator of the form folder/service, unlike `{}`",
                Self(other)
            ))),
        }
    }

    /// Creates a locator for the latest version of a service, by the service's UUID.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if it is not a UUID.
    pub fn from_service_id(id: &str) -> Result<Self> {
        uuid("service", id).map(Target::ServiceId).map(Self)
    }

    /// Creates a locator for one version of a service, by the version's UUID.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if it is not a UUID.
    pub fn from_version_id(id: &str) -> Result<Self> {
        uuid("version", id).map(Target::VersionId).map(Self)
    }

    /// Creates a locator for a service behind a custom endpoint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the endpoint is empty or has an empty
    /// segment.
    pub fn from_proxy(endpoint: &str) -> Result<Self> {
        let segments = endpoint.trim_matches('/').split('/');
        let segments = segments.map(|segment| checked("proxy", segment.to_owned()));
        Ok(Self(Target::Proxy(
            segments.collect::<Result<Vec<_>>>()?.join("/"),
        )))
    }

    /// Creates a locator from its parts, as in the other SDKs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if there are no parts, if parts are missing or
    /// contradict each other, or if one of them is malformed.
    pub fn from_parts(parts: UriParts<'_>) -> Result<Self> {
        let UriParts {
            folder,
            service,
            version,
            version_id,
            service_id,
            service_uri,
        } = parts;
        if let Some(uri) = service_uri {
            let others = [folder, service, version, version_id, service_id];
            if others.iter().any(Option::is_some) {
                return Err(Error::input(
                    "service_uri is a whole locator: remove the other parts",
                ));
            }
            return uri.parse();
        }
        if version.is_some() && version_id.is_some() {
            return Err(Error::input(
                "version and version_id both select a version: give only one of them",
            ));
        }
        let named = match (folder, service) {
            (Some(folder), Some(service)) => Some(Self::new(folder, service)?),
            (None, None) => None,
            (Some(_), None) => return Err(Error::input("folder is given without service")),
            (None, Some(_)) => return Err(Error::input("service is given without folder")),
        };
        match (version_id, service_id, named) {
            (Some(id), _, _) => Self::from_version_id(id),
            (None, Some(_), Some(_)) => Err(Error::input(
                "service_id and folder/service both select a service: give only one of them",
            )),
            (None, Some(_), None) if version.is_some() => Err(Error::input(
                "version needs folder and service; instead of service_id, give version_id",
            )),
            (None, Some(id), None) => Self::from_service_id(id),
            (None, None, Some(named)) => match version {
                Some(version) => named.with_version(version),
                None => Ok(named),
            },
            (None, None, None) => Err(Error::input(
                "there is no service: give folder and service, service_id, version_id or service_uri",
            )),
        }
    }

    /// Returns the folder, if the locator consists of names.
    pub fn folder(&self) -> Option<&str> {
        match &self.0 {
            Target::Named { folder, .. } => Some(folder),
            _ => None,
        }
    }

    /// Returns the service's name, if the locator consists of names.
    pub fn service(&self) -> Option<&str> {
        match &self.0 {
            Target::Named { service, .. } => Some(service),
            _ => None,
        }
    }

    /// Returns the version, if the locator selects one by name.
    pub fn version(&self) -> Option<&str> {
        match &self.0 {
            Target::Named { version, .. } => version.as_deref(),
            _ => None,
        }
    }

    /// Returns the service's UUID, if the locator consists of it.
    pub fn service_id(&self) -> Option<&str> {
        match &self.0 {
            Target::ServiceId(id) => Some(id),
            _ => None,
        }
    }

    /// Returns the version's UUID, if the locator consists of it.
    pub fn version_id(&self) -> Option<&str> {
        match &self.0 {
            Target::VersionId(id) => Some(id),
            _ => None,
        }
    }

    /// Returns the custom endpoint, if the locator consists of it.
    pub fn proxy(&self) -> Option<&str> {
        match &self.0 {
            Target::Proxy(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// The field `service` of the request that creates a batch; `None` if the version's id is
    /// enough.
    pub(crate) fn to_wire(&self) -> Option<String> {
        match &self.0 {
            Target::Named {
                folder,
                service,
                version,
            } => {
                let version = version.iter().map(|version| format!("[{version}]"));
                Some(format!("{folder}/{service}{}", version.collect::<String>()))
            }
            Target::ServiceId(id) => Some(id.clone()),
            Target::VersionId(_) => None,
            Target::Proxy(endpoint) => Some(format!("proxy/{endpoint}")),
        }
    }
}

impl FromStr for ServiceUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let segments: Vec<&str> = text
            .trim()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let wrong = |what: &str| {
            Error::input(format!(
                "`{text}` is not a service locator: {what}; expected folder/service, folder/service[version], \
                 service/UUID, version/UUID or proxy/endpoint"
            ))
        };
        match *segments.as_slice() {
            [] => Err(wrong("it is empty")),
            ["folders", folder, "services", service] => {
                named(folder, service).map_err(|it| wrong(&it))
            }
            ["folders", ..] => Err(wrong("the long form is folders/FOLDER/services/SERVICE")),
            ["service", id] => {
                Self::from_service_id(id).map_err(|_| wrong(&format!("`{id}` is not a UUID")))
            }
            ["version", id] => {
                Self::from_version_id(id).map_err(|_| wrong(&format!("`{id}` is not a UUID")))
            }
            ["proxy"] => Err(wrong("the endpoint is missing")),
            ["proxy", ref endpoint @ ..] => Self::from_proxy(&endpoint.join("/"))
                .map_err(|_| wrong("the endpoint is malformed")),
            [folder, service] => named(folder, service).map_err(|it| wrong(&it)),
            [_] => Err(wrong("it has only one segment")),
            _ => Err(wrong("it has more segments than a folder and a service")),
        }
    }
}

fn named(folder: &str, service: &str) -> std::result::Result<ServiceUri, String> {
    let (service, version) = match service.split_once('[') {
        None => (service, None),
        Some((service, rest)) => match rest.strip_suffix(']') {
            Some(version) => (service, Some(version)),
            None => {
                return Err("the version's closing bracket is missing or not at the end".to_owned());
            }
        },
    };
    let text = |error: Error| error.to_string();
    let uri = ServiceUri::new(folder, service).map_err(text)?;
    match version {
        Some(version) => uri.with_version(version).map_err(text),
        None => Ok(uri),
    }
}

fn checked(what: &str, name: String) -> Result<String> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.trim() != name {
        "begins or ends with a space"
    } else if name.contains(['/', '[', ']']) {
        "contains a slash or a square bracket"
    } else if name.contains(char::is_control) {
        "contains a control character"
    } else {
        return Ok(name);
    };
    Err(Error::input(format!("the {what} {name:?} {problem}")))
}

fn uuid(what: &str, id: &str) -> Result<String> {
    match Uuid::try_parse(id) {
        // The service does not accept other spellings (with braces, without hyphens).
        Ok(_) if id.len() == 36 => Ok(id.to_owned()),
        _ => Err(Error::input(format!("the {what} id {id:?} is not a UUID"))),
    }
}

impl fmt::Display for ServiceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Named {
                folder,
                service,
                version,
            } => {
                match RESERVED.contains(&folder.as_str()) {
                    true => write!(f, "folders/{folder}/services/{service}")?,
                    false => write!(f, "{folder}/{service}")?,
                }
                version
                    .iter()
                    .try_for_each(|version| write!(f, "[{version}]"))
            }
            Target::ServiceId(id) => write!(f, "service/{id}"),
            Target::VersionId(id) => write!(f, "version/{id}"),
            Target::Proxy(endpoint) => write!(f, "proxy/{endpoint}"),
        }
    }
}

impl TryFrom<&str> for ServiceUri {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for ServiceUri {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<UriParts<'_>> for ServiceUri {
    type Error = Error;

    fn try_from(parts: UriParts<'_>) -> Result<Self> {
        Self::from_parts(parts)
    }
}

impl From<Infallible> for Error {
    /// A [`ServiceUri`] converts into itself, so that functions accept it along with text.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "6c6fe5ba-9c38-4a4e-a1ea-b56e8f0d7a5b";

    #[test]
    fn every_form_is_read() {
        let table = [
            ("my-folder/my-service", "my-folder/my-service"),
            ("my-folder/my-service[0.4.2]", "my-folder/my-service[0.4.2]"),
            ("//my-folder///my service/", "my-folder/my service"),
            (
                "folders/my folder/services/my-service[1]",
                "my folder/my-service[1]",
            ),
            ("/folders/service/services/x", "folders/service/services/x"),
            (
                "folders/version/services/x[2]",
                "folders/version/services/x[2]",
            ),
            ("a%20b/c", "a%20b/c"),
            (&format!("service/{ID}"), &format!("service/{ID}")),
            (&format!("/version/{ID}/"), &format!("version/{ID}")),
            ("proxy/my-endpoint", "proxy/my-endpoint"),
            ("proxy//a/b", "proxy/a/b"),
        ];
        for (text, printed) in table {
            let uri: ServiceUri = text.parse().unwrap();
            assert_eq!(uri.to_string(), printed, "{text}");
            assert_eq!(printed.parse::<ServiceUri>().unwrap(), uri, "{text}");
        }
    }

    #[test]
    fn every_way_to_be_wrong_has_its_message() {
        let table = [
            ("", "it is empty"),
            (" / ", "it is empty"),
            ("//", "it is empty"),
            ("my-service", "only one segment"),
            ("a/b/c", "more segments"),
            ("folders/a/b", "the long form"),
            ("folders/a/services", "the long form"),
            ("service/my-service", "`my-service` is not a UUID"),
            ("version/1.2.3", "`1.2.3` is not a UUID"),
            (
                "version/{6c6fe5ba-9c38-4a4e-a1ea-b56e8f0d7a5b}",
                "is not a UUID",
            ),
            ("proxy", "the endpoint is missing"),
            ("a/b[1", "closing bracket"),
            ("a/b[1]c", "closing bracket"),
            ("a/b[]", "the version \"\" is empty"),
            ("a/[1]", "the service \"\" is empty"),
            ("a/b]", "square bracket"),
            ("a/b[1][2]", "square bracket"),
            ("a[1]/b", "square bracket"),
            ("a/b\u{7}", "control character"),
            ("a /b", "the folder \"a \" begins or ends with a space"),
        ];
        for (text, message) in table {
            let error = text.parse::<ServiceUri>().unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Input);
            assert!(error.to_string().contains(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn parts_are_taken_together_or_refused() {
        let parts = UriParts::default();
        let named = UriParts {
            folder: Some("f"),
            service: Some("s"),
            ..parts
        };
        let good = [
            (named, "f/s"),
            (
                UriParts {
                    version: Some("1"),
                    ..named
                },
                "f/s[1]",
            ),
            (
                UriParts {
                    version_id: Some(ID),
                    ..named
                },
                &format!("version/{ID}"),
            ),
            (
                UriParts {
                    version_id: Some(ID),
                    ..parts
                },
                &format!("version/{ID}"),
            ),
            (
                UriParts {
                    service_id: Some(ID),
                    ..parts
                },
                &format!("service/{ID}"),
            ),
            (
                UriParts {
                    version_id: Some(ID),
                    service_id: Some(ID),
                    ..parts
                },
                &format!("version/{ID}"),
            ),
            (
                UriParts {
                    service_uri: Some("f/s[2]"),
                    ..parts
                },
                "f/s[2]",
            ),
        ];
        for (parts, printed) in good {
            assert_eq!(ServiceUri::from_parts(parts).unwrap().to_string(), printed);
        }
        let bad = [
            (parts, "there is no service"),
            (
                UriParts {
                    version: Some("1"),
                    ..parts
                },
                "there is no service",
            ),
            (
                UriParts {
                    folder: Some("f"),
                    ..parts
                },
                "without service",
            ),
            (
                UriParts {
                    service: Some("s"),
                    ..parts
                },
                "without folder",
            ),
            (
                UriParts {
                    version: Some("1"),
                    version_id: Some(ID),
                    ..named
                },
                "both select a version",
            ),
            (
                UriParts {
                    service_id: Some(ID),
                    ..named
                },
                "both select a service",
            ),
            (
                UriParts {
                    service_id: Some(ID),
                    version: Some("1"),
                    ..parts
                },
                "give version_id",
            ),
            (
                UriParts {
                    service_id: Some("x"),
                    ..parts
                },
                "not a UUID",
            ),
            (
                UriParts {
                    service_uri: Some("f/s"),
                    ..named
                },
                "is a whole locator",
            ),
            (
                UriParts {
                    folder: Some("a/b"),
                    service: Some("s"),
                    ..parts
                },
                "a slash",
            ),
        ];
        for (parts, message) in bad {
            let error = ServiceUri::from_parts(parts).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn the_wire_has_names_or_the_id() {
        let wire = |text: &str| text.parse::<ServiceUri>().unwrap().to_wire();
        assert_eq!(
            wire("folders/service/services/s[1]").as_deref(),
            Some("service/s[1]")
        );
        assert_eq!(wire(&format!("service/{ID}")).as_deref(), Some(ID));
        assert_eq!(wire(&format!("version/{ID}")), None);
        assert_eq!(wire("proxy/x").as_deref(), Some("proxy/x"));
    }

    fn name() -> impl Strategy<Value = String> {
        let odd =
            prop::sample::select(RESERVED.iter().map(|it| it.to_string()).collect::<Vec<_>>());
        prop_oneof![4 => r"[^/\[\]\p{C}\s]([^/\[\]\p{C}]{0,8}[^/\[\]\p{C}\s])?", 1 => odd]
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same(
            folder in name(),
            service in name(),
            version in prop::option::of(name()),
            endpoint in name(),
        ) {
            let mut uri = ServiceUri::new(folder, service).unwrap();
            if let Some(version) = version {
                uri = uri.with_version(version).unwrap();
            }
            prop_assert_eq!(&uri.to_string().parse::<ServiceUri>().unwrap(), &uri);
            let proxy = ServiceUri::from_proxy(&endpoint).unwrap();
            prop_assert_eq!(&proxy.to_string().parse::<ServiceUri>().unwrap(), &proxy);
        }

        #[test]
        fn any_text_is_read_or_refused(text in r"(folders|service|proxy|[\[\]/a \x00é])*") {
            if let Ok(uri) = text.parse::<ServiceUri>() {
                prop_assert_eq!(&uri.to_string().parse::<ServiceUri>().unwrap(), &uri);
            }
        }
    }
}
