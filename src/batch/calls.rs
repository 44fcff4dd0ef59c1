//! The requests of the Batches API, one function an operation.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::batch_id::check_batch_id;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw;
use crate::raw::types::{
    Batch, BatchTransition, CreateRequest, DescribeResponse, ServiceVersions, Status, UpdateRequest,
};
use crate::transport::{CallContext, Idempotency, RawResult, ResponseBody, Transport};

/// Makes the requests of the Batches API. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    transport: Arc<Transport>,
    caller_retries: bool,
    /// Fields of create requests that the description lacks.
    create_fields: Map<String, Value>,
}

impl Calls {
    /// Calls that the transport retries where that is safe.
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self {
            transport,
            caller_retries: false,
            create_fields: Map::new(),
        }
    }

    /// The same calls, each made once: the caller decides about retries.
    pub(crate) fn without_retries(mut self) -> Self {
        self.caller_retries = true;
        self
    }

    /// The same calls, with one more field in create requests.
    pub(super) fn with_create_field(mut self, name: String, value: Value) -> Self {
        self.create_fields.insert(name, value);
        self
    }

    pub(super) async fn describe(&self) -> Result<DescribeResponse> {
        let context = self.context(Operation::Describe);
        self.transport
            .call(context, async |raw| raw.describe().await)
            .await
    }

    /// Creates a batch, and returns it with its id.
    pub(crate) async fn create(&self, request: &CreateRequest) -> Result<(String, Batch)> {
        let context = self.context(Operation::Create);
        let context = context.extra_fields(self.create_fields.clone());
        let batch: Batch = self
            .transport
            .call(context, async |raw| raw.create(request).await)
            .await?;
        match batch.id.clone().filter(|id| !id.is_empty()) {
            Some(id) => Ok((id, batch)),
            None => Err(
                Error::decode("id", "the response has no id of the new batch")
                    .with_operation(Operation::Create)
                    .with_may_have_been_processed(true),
            ),
        }
    }

    pub(super) async fn info(&self, id: &str) -> Result<Batch> {
        self.on_batch(Operation::Info, id, async |raw| raw.info(id).await)
            .await
    }

    pub(crate) async fn status(&self, id: &str) -> Result<Status> {
        self.on_batch(Operation::Status, id, async |raw| raw.status(id).await)
            .await
    }

    /// Pushes `body`, which is a [`PushRequest`](raw::types::PushRequest) as JSON.
    pub(crate) async fn push(&self, id: &str, body: Bytes) -> Result<Status> {
        self.on_batch(Operation::Push, id, async |raw| raw.push(id, body).await)
            .await
    }

    /// Pulls at most `max_chunks`, or as many as the service likes. The caller decodes the body.
    pub(crate) async fn pull(
        &self,
        id: &str,
        max_chunks: Option<NonZeroU32>,
    ) -> Result<ResponseBody> {
        let context = self.batch_context(Operation::Pull, id)?;
        self.transport
            .call_bytes(context, async |raw| {
                raw.pull(id, max_chunks, max_chunks).await
            })
            .await
    }

    /// Closes or cancels a batch.
    pub(crate) async fn update(&self, id: &str, batch_status: BatchTransition) -> Result<Batch> {
        let operation = match batch_status {
            BatchTransition::Closed => Operation::Close,
            BatchTransition::Cancelled => Operation::Cancel,
        };
        let request = UpdateRequest { batch_status };
        self.on_batch(operation, id, async |raw| raw.update(id, &request).await)
            .await
    }

    /// Reads the schema of a service's latest version.
    pub(crate) async fn service_schema(&self, folder: &str, service: &str) -> Result<ResponseBody> {
        let context = self.context(Operation::Schema);
        let send = async |raw: raw::Client| raw.service_schema(folder, service).await;
        self.transport.call_bytes(context, send).await
    }

    /// Reads the schema of one version of a service.
    pub(crate) async fn version_schema(&self, version_id: &str) -> Result<ResponseBody> {
        let context = self.context(Operation::Schema);
        let send = async |raw: raw::Client| raw.version_schema(version_id).await;
        self.transport.call_bytes(context, send).await
    }

    /// Reads the Swagger document of a service's latest version.
    pub(crate) async fn service_swagger(
        &self,
        folder: &str,
        service: &str,
    ) -> Result<ResponseBody> {
        let context = self.context(Operation::Swagger);
        let send = async |raw: raw::Client| raw.service_swagger(folder, service).await;
        self.transport.call_bytes(context, send).await
    }

    /// Reads the Swagger document of one version of a service.
    pub(crate) async fn version_swagger(&self, version_id: &str) -> Result<ResponseBody> {
        let context = self.context(Operation::Swagger);
        let send = async |raw: raw::Client| raw.version_swagger(version_id).await;
        self.transport.call_bytes(context, send).await
    }

    /// Lists the versions of a service.
    pub(crate) async fn service_versions(
        &self,
        folder: &str,
        service: &str,
    ) -> Result<ServiceVersions> {
        let context = self.context(Operation::Versions);
        let send = async |raw: raw::Client| raw.service_versions(folder, service).await;
        self.transport.call(context, send).await
    }

    async fn on_batch<T, F>(
        &self,
        operation: Operation,
        id: &str,
        send: impl FnOnce(raw::Client) -> F,
    ) -> Result<T>
    where
        T: DeserializeOwned,
        F: Future<Output = RawResult<T>>,
    {
        let context = self.batch_context(operation, id)?;
        self.transport.call(context, send).await
    }

    fn batch_context(&self, operation: Operation, id: &str) -> Result<CallContext> {
        check_batch_id(id).map_err(|error| error.with_operation(operation))?;
        Ok(self.context(operation).with_batch(id))
    }

    fn context(&self, operation: Operation) -> CallContext {
        let context = CallContext::new(operation);
        match self.caller_retries {
            true => context.with_idempotency(Idempotency::CallerRetries),
            false => context,
        }
    }
}
