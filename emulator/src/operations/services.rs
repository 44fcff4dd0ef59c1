//! The operations on services: their schemas, Swagger documents and versions.

use std::borrow::Cow;
use std::time::Duration;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;

use super::{Outcome, json};
use crate::catalogue::Entry;
use crate::documents;
use crate::http::{SwaggerOf, Which};
use crate::refusal::Refusal;
use crate::state::Shared;

/// How long a version stays in effect.
const IN_EFFECT: Duration = Duration::from_secs(20 * 365 * 86_400);

impl Shared {
    pub(crate) fn schema(&self, which: Which<'_>) -> Outcome {
        let entry = self.find_version(which)?;
        if let Some(document) = &entry.service.documents.schema {
            return json(document);
        }
        let columns = entry.service.documents.columns.as_ref();
        let columns = columns.ok_or_else(|| no_document(&entry, "schema"))?;
        json(&documents::schema(
            &entry,
            columns,
            &self.clock.stamp(self.clock.now()),
        ))
    }

    pub(crate) fn swagger(&self, asked: SwaggerOf<'_>, host: Option<&str>) -> Outcome {
        let entry = self.find_version(asked.which)?;
        if asked.subservice != "All" {
            let message = format!(
                "service {:?} has no subservice {:?}; All is the whole service",
                entry.uri, asked.subservice
            );
            return Err(Refusal::not_found(message));
        }
        if !["true", "false"].contains(&asked.download.to_ascii_lowercase().as_str()) {
            return Err(Refusal::invalid(format!(
                "the path: {:?} says neither True nor False to a download",
                asked.download
            )));
        }
        if let Some(document) = &entry.service.documents.swagger {
            return json(document);
        }
        let columns = entry.service.documents.columns.as_ref();
        let columns = columns.ok_or_else(|| no_document(&entry, "Swagger document"))?;
        json(&documents::swagger(
            &entry,
            columns,
            host.unwrap_or_default(),
            &self.settings.tenant,
        ))
    }

    pub(crate) fn versions(&self, folder: &str, service: &str) -> Outcome {
        let (folder, service) = (decoded(folder)?, decoded(service)?);
        let state = self.lock();
        let versions = state.catalogue.versions(&folder, &service);
        if versions.is_empty() {
            return Err(unknown(&format!("{folder}/{service}")));
        }
        json(&documents::versions(
            versions.into_iter(),
            &self.clock.stamp(Duration::ZERO),
            &self.clock.stamp(IN_EFFECT),
        ))
    }

    /// The version of a service that a path names: the latest, or the one with an id.
    fn find_version(&self, which: Which<'_>) -> Result<Entry, Refusal> {
        let Which {
            service,
            version_id,
        } = which;
        let state = self.lock();
        let service = match service {
            Some((folder, service)) => Some((decoded(folder)?, decoded(service)?)),
            None => None,
        };
        let entry = match (&service, version_id) {
            (_, Some(id)) => state
                .catalogue
                .find(None, Some(id))
                .ok()
                .filter(|entry| {
                    service.as_ref().is_none_or(|(folder, service)| {
                        *folder == entry.folder && *service == entry.name
                    })
                })
                .ok_or_else(|| {
                    let of = match &service {
                        Some((folder, service)) => format!(" of service {folder}/{service}"),
                        None => String::new(),
                    };
                    let message = format!("there is no version {id:?}{of}");
                    Refusal::new(StatusCode::NOT_FOUND, "version_not_found", message)
                })?,
            (Some((folder, service)), None) => state
                .catalogue
                .versions(folder, service)
                .first()
                .copied()
                .ok_or_else(|| unknown(&format!("{folder}/{service}")))?,
            (None, None) => return Err(Refusal::not_found("the path names no service")),
        };
        Ok(entry.clone())
    }
}

fn decoded(name: &str) -> Result<Cow<'_, str>, Refusal> {
    percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| Refusal::invalid(format!("the path: {name:?} is not UTF-8 when decoded")))
}

fn unknown(service: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "service_not_found",
        format!("there is no service {service:?}"),
    )
}

fn no_document(entry: &Entry, document: &str) -> Refusal {
    let message = format!(
        "the emulator knows no {document} of service {:?}; register it with Service::described, or give it one",
        entry.uri
    );
    Refusal::new(StatusCode::NOT_FOUND, "no_document", message)
}
