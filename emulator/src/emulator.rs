//! The handle of a running emulator.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engine::{Batch, Phase};
use crate::faults::{Fault, RandomFaults};
use crate::http;
use crate::journal::{Operation, RecordedRequest, Traffic};
use crate::responses::batch_status;
use crate::service::Service;
use crate::settings::{Builder, Settings};
use crate::shapes::Shapes;
use crate::state::Shared;
use crate::strictness::Mistake;

/// A running emulator. It stops when this is dropped.
///
/// Its requests, faults and time can be inspected and changed while it runs.
#[derive(Debug)]
#[must_use = "the emulator stops when its handle is dropped"]
pub struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    runner: Runner,
}

#[derive(Debug)]
enum Runner {
    Task(JoinHandle<()>),
    Thread {
        stop: Option<oneshot::Sender<()>>,
        thread: Option<thread::JoinHandle<()>>,
    },
}

impl Emulator {
    /// Starts an emulator with the default settings: on a free port of 127.0.0.1, for `my-tenant`,
    /// open to everybody.
    ///
    /// It runs in the tokio runtime of the caller and has no threads of its own.
    ///
    /// # Errors
    ///
    /// If it can't listen on a port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) async fn start_here(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(settings));
        let serving = http::serve(listener, Arc::clone(&shared));
        let runner = Runner::Task(tokio::spawn(async move {
            serving.await;
        }));
        Ok(Self {
            shared,
            address,
            runner,
        })
    }

    pub(crate) fn start_on_thread(settings: Settings) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(settings.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(settings));
        let (stop, stopped) = oneshot::channel();
        let (started, outcome) = std::sync::mpsc::channel();
        let serve = {
            let shared = Arc::clone(&shared);
            // The runtime lives on the thread alone: the caller may be in another one, where it
            // must not be dropped.
            move || {
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                runtime.block_on(async {
                    match TcpListener::from_std(listener) {
                        Ok(listener) => {
                            let _ = started.send(Ok(()));
                            tokio::select! {
                                _ = http::serve(listener, shared) => {}
                                _ = stopped => {}
                            }
                        }
                        Err(error) => _ = started.send(Err(error)),
                    }
                });
            }
        };
        let thread = thread::Builder::new()
            .name("cspark-emulator".to_owned())
            .spawn(serve)?;
        outcome
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the emulator's thread ended at once")))?;
        Ok(Self {
            shared,
            address,
            runner: Runner::Thread {
                stop: Some(stop),
                thread: Some(thread),
            },
        })
    }

    /// Stops the emulator and waits until every connection is closed.
    pub async fn stop(mut self) {
        if let Runner::Task(task) = &mut self.runner {
            task.abort();
            // The error only reports the abort.
            let _ = task.await;
        }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port: `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL for a client: the origin and the tenant.
    pub fn base_url(&self) -> String {
        format!("http://{}/{}", self.address, self.shared.settings.tenant)
    }

    /// The tenant that it serves.
    pub fn tenant(&self) -> &str {
        &self.shared.settings.tenant
    }

    /// The token endpoint for client credentials.
    pub fn token_url(&self) -> String {
        format!(
            "{}/auth/realms/{}/protocol/openid-connect/token",
            self.origin(),
            self.tenant()
        )
    }

    /// Emulated time since the start.
    pub fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// Advances emulated time, and the age of tokens with it.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Lets the next request to an operation go wrong. Several for one operation happen one after
    /// the other, a request each.
    pub fn inject(&self, operation: Operation, fault: Fault) {
        self.shared.lock().faults.inject(operation, fault);
    }

    /// Lets the nth request to an operation go wrong, counted from 1 since the start.
    ///
    /// Several for the same request happen all together.
    pub fn inject_at(&self, operation: Operation, nth: u64, fault: Fault) {
        self.shared.lock().faults.inject_at(operation, nth, fault);
    }

    /// Lets every request to an operation go wrong, until [`clear_faults`](Self::clear_faults): a
    /// dead endpoint, for example, or one that always delivers twice.
    ///
    /// Several for one operation happen all together. A request with a fault of its own, injected
    /// for the next or the nth request, meets only that.
    pub fn inject_always(&self, operation: Operation, fault: Fault) {
        self.shared.lock().faults.inject_always(operation, fault);
    }

    /// Handles the next requests by this script, one fault a request, whatever they ask for and
    /// whether or not there is such a path. The last fault stays, until
    /// [`clear_faults`](Self::clear_faults) or another script. An empty script ends it.
    ///
    /// It makes the emulator a server that says exactly what a test wants, down to the last byte.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use cspark_emulator::{Emulator, Fault, Response};
    ///
    /// let emulator = Emulator::start().await?;
    /// emulator.script([
    ///     Response::status(503).into(),
    ///     Fault::CutBefore,
    ///     Response::json(200, "{}").header("x-more", "1").into(),
    /// ]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().faults.set_script(faults);
    }

    /// Lets requests go wrong by chance from now on, in place of all random faults so far; `None`
    /// ends that.
    ///
    /// Several sets are asked in their order, until one lets the request go wrong.
    pub fn set_random_faults(&self, faults: impl IntoIterator<Item = RandomFaults>) {
        self.shared.lock().faults.set_random(faults);
    }

    /// Number of faults injected for one request that have not happened yet.
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.pending()
    }

    /// Forgets all faults: those that have not happened yet, those of every request, and those by
    /// chance.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Adds a service, or replaces the one of that name and version, while the emulator runs.
    /// Batches that are already created keep theirs. Says whether the name is of the form
    /// `folder/service` or `folder/service[version]`.
    pub fn set_service(&self, name: &str, service: Service) -> bool {
        self.shared.lock().catalogue.set(name, service)
    }

    /// Changes the form of the responses. Results that are already computed keep theirs.
    pub fn set_shapes(&self, shapes: Shapes) {
        self.shared.lock().shapes = shapes;
    }

    /// Makes every token that was issued so far invalid.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.revoke_all();
    }

    /// The latest requests, oldest first, as many as are kept.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().journal.requests()
    }

    /// The mistakes in requests that were accepted all the same, see
    /// [`Strictness`](crate::Strictness); the first 1,000. The responses name them in the header
    /// `x-emulator-mistakes`.
    pub fn mistakes(&self) -> Vec<Mistake> {
        self.shared.lock().journal.mistakes()
    }

    /// Forgets the requests so far; the counters stay.
    pub fn clear_requests(&self) {
        self.shared.lock().journal.clear();
    }

    /// Requests and bytes of one operation since the start.
    pub fn traffic(&self, operation: Operation) -> Traffic {
        self.shared.lock().journal.traffic(operation)
    }

    /// Requests and bytes of all operations since the start, unknown paths included.
    pub fn total_traffic(&self) -> Traffic {
        self.shared.lock().journal.total()
    }

    /// The ids of all batches, in the order of their creation.
    pub fn batch_ids(&self) -> Vec<String> {
        self.shared.lock().order.clone()
    }

    /// The state of a batch; `None` if there is no such batch.
    pub fn batch(&self, id: &str) -> Option<BatchView> {
        self.with_batch(id, |batch| BatchView {
            status: batch_status(batch).to_owned(),
            submissions: batch.submissions().clone(),
            records_submitted: batch.counts().records_submitted,
            chunks_available: batch.chunks_available(),
            input_used_bytes: batch.input_used(),
            output_used_bytes: batch.output_used(),
            workers_in_use: batch.workers_in_use(),
        })
    }

    /// Closes a batch as the idle time-out does. Says whether there was such a batch and it had not
    /// ended.
    pub fn time_out(&self, id: &str) -> bool {
        self.with_batch(id, Batch::time_out).unwrap_or(false)
    }

    /// Closes a batch as if somebody else did. Says whether there was such a batch and it was open.
    pub fn close(&self, id: &str) -> bool {
        self.with_batch(id, Batch::close).unwrap_or(false)
    }

    /// Lets a batch fail. Says whether there was such a batch and it had not ended.
    pub fn fail(&self, id: &str) -> bool {
        self.with_batch(id, |batch| batch.end(Phase::Failed))
            .unwrap_or(false)
    }

    /// Cancels a batch as if somebody else did. Says whether there was such a batch and it had not
    /// ended.
    pub fn cancel(&self, id: &str) -> bool {
        self.with_batch(id, |batch| batch.end(Phase::Cancelled))
            .unwrap_or(false)
    }

    /// Lets the workers of a batch stand still for this long (emulated time). Says whether there
    /// was such a batch.
    pub fn stall_workers(&self, id: &str, time: Duration) -> bool {
        self.with_batch(id, |batch| batch.stall(time)).is_some()
    }

    fn with_batch<T>(&self, id: &str, act: impl FnOnce(&mut Batch) -> T) -> Option<T> {
        let now = self.shared.clock.now();
        self.shared
            .lock()
            .batch(id, now)
            .map(|entry| act(&mut entry.batch))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        match &mut self.runner {
            Runner::Task(task) => task.abort(),
            Runner::Thread { stop, thread } => {
                drop(stop.take());
                if let Some(thread) = thread.take() {
                    // An error means that it panicked, and then it has stopped.
                    let _ = thread.join();
                }
            }
        }
    }
}

/// The state of a batch, for the assertions of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchView {
    /// The batch's status, as in `batch_status`.
    pub status: String,
    /// How often each chunk id was accepted.
    pub submissions: BTreeMap<String, u32>,
    /// Records of all accepted chunks, repeated ones included.
    pub records_submitted: u64,
    /// Chunks whose results wait to be pulled.
    pub chunks_available: usize,
    /// Bytes in the input buffer.
    pub input_used_bytes: u64,
    /// Bytes in the output buffer.
    pub output_used_bytes: u64,
    /// Workers that compute, or that wait for room in the output buffer.
    pub workers_in_use: usize,
}
