//! The services by their names, and how a request's locator finds one.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::service::Service;

/// The version of a service that was registered without one.
const DEFAULT_VERSION: &str = "0.4.2";

/// One version of a service.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) service: Service,
    pub(crate) service_id: Uuid,
    pub(crate) version_id: Uuid,
    /// `folder/service[version]`.
    pub(crate) uri: String,
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

/// All services; of each, the latest version comes last.
#[derive(Debug)]
pub(crate) struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    pub(crate) fn new(services: BTreeMap<String, Service>) -> Self {
        let mut catalogue = Self {
            entries: Vec::new(),
        };
        for (name, service) in services {
            catalogue.set(&name, service);
        }
        catalogue
    }

    /// Adds a service, or replaces the one of that name and version. Says whether the name is one.
    pub(crate) fn set(&mut self, given: &str, service: Service) -> bool {
        let Some(locator) = parse(given) else {
            return false;
        };
        let Locator { folder, name, .. } = locator;
        let version = locator.version.unwrap_or(DEFAULT_VERSION);
        let uri = format!("{folder}/{name}[{version}]");
        let entry = Entry {
            service,
            service_id: id_of(&format!("service {folder}/{name}")),
            version_id: id_of(&format!("version {uri}")),
            folder: folder.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            uri,
        };
        self.entries.retain(|other| other.uri != entry.uri);
        self.entries.push(entry);
        self.entries
            .sort_by_cached_key(|entry| version_order(&entry.version));
        true
    }

    /// The versions of a service, latest first.
    pub(crate) fn versions(&self, folder: &str, name: &str) -> Vec<&Entry> {
        let entries = self.entries.iter().rev();
        entries
            .filter(|entry| entry.folder == folder && entry.name == name)
            .collect()
    }

    /// Finds the service for a create request.
    ///
    /// # Errors
    ///
    /// Names the service or version that does not exist.
    pub(crate) fn find(
        &self,
        service: Option<&str>,
        version_id: Option<&str>,
    ) -> Result<&Entry, String> {
        // The last one counts, so that the latest version is found where none is asked for.
        let found =
            |test: &dyn Fn(&Entry) -> bool| self.entries.iter().rev().find(|entry| test(entry));
        if let Some(id) = version_id {
            return found(&|entry| is_id(id, entry.version_id))
                .ok_or_else(|| format!("there is no version {id:?}"));
        }
        let Some(service) = service else {
            return Err("there is no service without a name".to_owned());
        };
        let missing = || format!("there is no service {service:?}");
        let trimmed = service.trim_matches('/');
        if let Some(id) = trimmed
            .strip_prefix("service/")
            .or(Some(trimmed))
            .filter(|id| id.parse::<Uuid>().is_ok())
        {
            return found(&|entry| is_id(id, entry.service_id)).ok_or_else(missing);
        }
        if let Some(id) = trimmed
            .strip_prefix("version/")
            .filter(|id| id.parse::<Uuid>().is_ok())
        {
            return found(&|entry| is_id(id, entry.version_id)).ok_or_else(missing);
        }
        let locator = parse(trimmed).ok_or_else(missing)?;
        found(&|entry| {
            entry.folder == locator.folder
                && entry.name == locator.name
                && locator
                    .version
                    .is_none_or(|version| version == entry.version)
        })
        .ok_or_else(missing)
    }
}

/// Orders versions by their numbers, so that 0.10.0 comes after 0.9.0, and 0.9.0-beta before 0.9.0.
fn version_order(version: &str) -> (Vec<u64>, bool, String) {
    let (numbers, suffix) = version.split_once('-').unwrap_or((version, ""));
    let numbers = numbers
        .split('.')
        .map(|part| part.parse().unwrap_or_default())
        .collect();
    (numbers, suffix.is_empty(), version.to_owned())
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Locator<'a> {
    pub(crate) folder: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// Reads `folder/service`, `folder/service[version]` or `folders/F/services/S[version]`.
pub(crate) fn parse(locator: &str) -> Option<Locator<'_>> {
    let (path, version) = match locator
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['))
    {
        Some((path, version)) if !version.is_empty() => (path, Some(version)),
        Some(_) => return None,
        None => (locator, None),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (folder, name) = match parts[..] {
        ["folders", folder, "services", name] | [folder, name] => (folder, name),
        _ => return None,
    };
    Some(Locator {
        folder,
        name,
        version,
    })
}

fn is_id(text: &str, id: Uuid) -> bool {
    text.parse::<Uuid>().is_ok_and(|parsed| parsed == id)
}

/// An id that is the same in every run: the FNV-1a hash of the text, dressed as a random UUID.
fn id_of(text: &str) -> Uuid {
    let hash = text.bytes().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_locator_finds_its_service() {
        let service = || Service::raw(|_, _| Ok(()));
        let services = [
            ("f/s[1.0]", service()),
            ("f/s[10.0]", service()),
            ("f/with space", service()),
        ];
        let catalogue = Catalogue::new(
            services
                .into_iter()
                .map(|(name, service)| (name.to_owned(), service))
                .collect(),
        );
        let uri = |locator: &str| {
            catalogue
                .find(Some(locator), None)
                .map(|entry| entry.uri.clone())
        };
        assert_eq!(uri("f/s").unwrap(), "f/s[10.0]");
        assert_eq!(uri("/f//s/").unwrap(), "f/s[10.0]");
        assert_eq!(uri("f/s[1.0]").unwrap(), "f/s[1.0]");
        assert_eq!(uri("folders/f/services/s[1.0]").unwrap(), "f/s[1.0]");
        assert_eq!(uri("f/with space").unwrap(), "f/with space[0.4.2]");
        let entry = catalogue.find(Some("f/s[1.0]"), None).unwrap();
        assert_eq!(
            uri(&format!("service/{}", entry.service_id)).unwrap(),
            "f/s[10.0]"
        );
        assert_eq!(uri(&entry.service_id.to_string()).unwrap(), "f/s[10.0]");
        assert_eq!(
            uri(&format!("version/{}", entry.version_id)).unwrap(),
            "f/s[1.0]"
        );
        assert_eq!(
            catalogue
                .find(None, Some(&entry.version_id.to_string()))
                .unwrap()
                .uri,
            "f/s[1.0]"
        );
        for wrong in [
            "",
            "f",
            "f/s[]",
            "f/s[3.0]",
            "f/g/h",
            "proxy/f",
            "service/no-uuid",
            "x/s",
        ] {
            assert!(uri(wrong).is_err(), "{wrong:?}");
        }
    }
}
