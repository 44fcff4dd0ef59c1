//! Asks a service about itself.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Columns, Differences, Service};
use crate::batch::{Calls, ServiceUri};
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw::types::{ServiceSchema, ServiceVersion};
use crate::transport::ResponseBody;

/// The services of a tenant: their schemas, documents and versions. Cheap to clone.
///
/// A service is asked for by folder and name, with or without a version, or by the id of a version.
#[derive(Clone, Debug)]
pub struct Services {
    calls: Calls,
}

impl Services {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The schema of a service: its inputs and outputs as named ranges of the workbook.
    ///
    /// ```no_run
    /// # use std::error::Error;
    /// # async fn example(spark: cspark_batches::Client) -> Result<(), Box<dyn Error>> {
    /// let schema = spark.services().schema("my-folder/my-service").await?;
    /// std::fs::write("spark/my-service.json", schema.json())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such service or version,
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) for a locator without names or version id, and
    /// whatever keeps a response from coming, after retries.
    pub async fn schema<U>(&self, service: U) -> Result<Document<ServiceSchema>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let body = match self.target(Operation::Schema, service).await? {
            Target::Latest { folder, service } => {
                self.calls.service_schema(&folder, &service).await?
            }
            Target::Version(id) => self.calls.version_schema(&id).await?,
        };
        Document::new(&body)
    }

    /// The Swagger 2 document of a service.
    ///
    /// # Errors
    ///
    /// Those of [`schema`](Self::schema).
    pub async fn swagger<U>(&self, service: U) -> Result<Document<serde_json::Value>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let body = match self.target(Operation::Swagger, service).await? {
            Target::Latest { folder, service } => {
                self.calls.service_swagger(&folder, &service).await?
            }
            Target::Version(id) => self.calls.version_swagger(&id).await?,
        };
        Document::new(&body)
    }

    /// The versions of a service, in the order of the response.
    ///
    /// # Errors
    ///
    /// Those of [`schema`](Self::schema).
    pub async fn versions<U>(&self, service: U) -> Result<Vec<ServiceVersion>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let service = service.try_into().map_err(Error::from)?;
        let (Some(folder), Some(name)) = (service.folder(), service.service()) else {
            return Err(unnamed(Operation::Versions, &service));
        };
        let versions = self.calls.service_versions(folder, name).await?;
        Ok(versions.data.unwrap_or_default())
    }

    /// Compares the columns of a generated service with those that the service has now.
    ///
    /// # Errors
    ///
    /// Those of [`schema`](Self::schema). Differences are not an error.
    pub async fn compare<S: Service>(&self) -> Result<Differences> {
        self.compare_columns(S::LOCATOR, &S::columns()).await
    }

    /// Compares the columns that a program uses with those that a service has.
    ///
    /// # Errors
    ///
    /// Those of [`schema`](Self::schema). Differences are not an error.
    pub async fn compare_columns<U>(&self, service: U, used: &Columns) -> Result<Differences>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let schema = self.schema(service).await?;
        Ok(used.compare(&Columns::of_schema(schema.content())))
    }

    /// The names or the version id, by which a service can be asked about itself.
    async fn target<U>(&self, operation: Operation, service: U) -> Result<Target>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        let uri = service.try_into().map_err(Error::from)?;
        if let Some(id) = uri.version_id() {
            return Ok(Target::Version(id.to_owned()));
        }
        let (Some(folder), Some(service)) = (uri.folder(), uri.service()) else {
            return Err(unnamed(operation, &uri));
        };
        let Some(wanted) = uri.version() else {
            return Ok(Target::Latest {
                folder: folder.to_owned(),
                service: service.to_owned(),
            });
        };
        // A version is asked for by its id only.
        let versions = self.calls.service_versions(folder, service).await?;
        let versions = versions.data.unwrap_or_default();
        let version = versions
            .iter()
            .find(|version| version.revision.as_deref() == Some(wanted));
        match version.and_then(|version| version.id.clone()) {
            Some(id) => Ok(Target::Version(id)),
            None => {
                let known: Vec<&str> = versions
                    .iter()
                    .filter_map(|version| version.revision.as_deref())
                    .collect();
                let message = match known.is_empty() {
                    true => format!("`{folder}/{service}` has no version {wanted}"),
                    false => format!(
                        "`{folder}/{service}` has no version {wanted}, but {}",
                        known.join(", ")
                    ),
                };
                Err(Error::new(crate::error::ErrorKind::NotFound, message)
                    .with_operation(operation))
            }
        }
    }
}

enum Target {
    Latest { folder: String, service: String },
    Version(String),
}

fn unnamed(operation: Operation, service: &ServiceUri) -> Error {
    Error::input(format!(
        "`{service}` can't be asked about itself; use `folder/service`, \
         `folder/service[version]` or `version/UUID`"
    ))
    .with_operation(operation)
}

/// A document about a service: its text as it came, and the content that this crate reads.
#[derive(Clone, Debug)]
pub struct Document<T> {
    json: Bytes,
    content: T,
}

impl<T: DeserializeOwned> Document<T> {
    fn new(body: &ResponseBody) -> Result<Self> {
        Ok(Self {
            content: body.json()?,
            json: body.bytes().clone(),
        })
    }
}

impl<T> Document<T> {
    /// The JSON as the service sent it, to be kept in a file.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The content.
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    /// The content.
    #[must_use]
    pub fn into_content(self) -> T {
        self.content
    }
}
