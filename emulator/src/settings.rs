//! The settings of an emulator, and how to start it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::auth::Credentials;
use crate::faults::RandomFaults;
use crate::service::Service;
use crate::shapes::Shapes;
use crate::strictness::Strictness;
use crate::{Emulator, services};

/// In which order a pull hands out results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultOrder {
    /// As they were completed.
    #[default]
    Completed,
    /// At random, from this seed.
    Shuffled(u64),
}

/// How a chunk is treated whose id was pushed to the batch before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedIds {
    /// It is computed again and delivered again.
    #[default]
    Compute,
    /// The whole push is refused with status 409.
    Refuse,
    /// That chunk is ignored; the rest of the push counts.
    Ignore,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    pub(crate) tenant: String,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) credentials: Credentials,
    pub(crate) token_lifetime: Duration,
    pub(crate) workers: usize,
    pub(crate) ramp_up: Option<Duration>,
    pub(crate) time_per_chunk: Duration,
    pub(crate) time_per_record: Duration,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) full_status: u16,
    pub(crate) idle_timeout: Duration,
    pub(crate) reading_keeps_alive: bool,
    pub(crate) order: ResultOrder,
    pub(crate) repeated_ids: RepeatedIds,
    pub(crate) strictness: Strictness,
    pub(crate) most_body_bytes: usize,
    pub(crate) gzip: bool,
    pub(crate) shapes: Shapes,
    pub(crate) time_scale: f64,
    pub(crate) recorded_requests: usize,
    pub(crate) recorded_bytes: usize,
    pub(crate) random_faults: Vec<RandomFaults>,
    pub(crate) seed: Option<u64>,
}

/// Settings of an emulator, to be started with [`start`](Self::start).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
/// use cspark_emulator::Emulator;
///
/// let emulator = Emulator::builder()
///     .api_key("my-key")
///     .workers(4)
///     .time_per_record(Duration::from_millis(5))
///     .time_scale(1000.0)
///     .input_buffer(1_000_000)
///     .start()
///     .await?;
/// assert!(emulator.base_url().ends_with("/my-tenant"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs until it is started"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                tenant: "my-tenant".to_owned(),
                services: services::all()
                    .into_iter()
                    .map(|(name, service)| (name.to_owned(), service))
                    .collect(),
                credentials: Credentials::default(),
                token_lifetime: Duration::from_secs(300),
                workers: 100,
                ramp_up: None,
                time_per_chunk: Duration::ZERO,
                time_per_record: Duration::ZERO,
                input_bytes: 100_000_000,
                output_bytes: 100_000_000,
                full_status: 422,
                idle_timeout: Duration::from_secs(30 * 60),
                reading_keeps_alive: false,
                order: ResultOrder::Completed,
                repeated_ids: RepeatedIds::Compute,
                strictness: Strictness::default(),
                most_body_bytes: 1 << 29,
                gzip: false,
                shapes: Shapes::default(),
                time_scale: 1.0,
                recorded_requests: 1000,
                recorded_bytes: 8 << 20,
                random_faults: Vec::new(),
                seed: None,
            },
        }
    }

    /// The address to listen on. Default: `127.0.0.1` on a free port.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.settings.address = address;
        self
    }

    /// The one tenant that it serves; the first segment of every path. Default: `my-tenant`.
    ///
    /// Letters, digits, `-`, `_` and `.` only.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.settings.tenant = tenant.into();
        self
    }

    /// Adds a service, or replaces the one of that name.
    ///
    /// The name is `folder/service`, or `folder/service[version]` for one that is to be found under
    /// exactly that version; without one, the version is `0.4.2`. `my-folder/volume-cylinder`,
    /// `my-folder/echo` and `my-folder/term-life` are there from the start.
    pub fn service(mut self, name: impl Into<String>, service: Service) -> Self {
        self.settings.services.insert(name.into(), service);
        self
    }

    /// Accepts this API key in `x-synthetic-key`. Without any credentials set, everybody may call.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.settings.credentials.api_keys.push(key.into());
        self
    }

    /// Accepts this bearer token.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.settings.credentials.bearer_tokens.push(token.into());
        self
    }

    /// Issues tokens against these client credentials, and accepts them.
    pub fn oauth_client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings
            .credentials
            .clients
            .push((id.into(), secret.into()));
        self
    }

    /// How long an issued token is valid. Default: 5 minutes.
    ///
    /// The time is real (tokio's clock), as the client counts it on a clock that is not scaled
    /// either.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Most workers of a batch (at least 1), each of which computes one chunk at a time. Default:
    /// 100.
    ///
    /// A batch that asks for fewer with `max_workers` gets fewer.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers.max(1);
        self
    }

    /// Starts a batch with its `initial_workers` (by default 10) and doubles them each time this
    /// (emulated) time has passed since the first push. Default: all workers are there at once.
    pub fn ramp_up(mut self, period: Duration) -> Self {
        self.settings.ramp_up = Some(period);
        self
    }

    /// Emulated time that a worker needs for a chunk, apart from its records. Default: none.
    pub fn time_per_chunk(mut self, time: Duration) -> Self {
        self.settings.time_per_chunk = time;
        self
    }

    /// Emulated time that a worker needs for each record. Default: none, so that results are there
    /// as soon as they are pushed.
    pub fn time_per_record(mut self, time: Duration) -> Self {
        self.settings.time_per_record = time;
        self
    }

    /// Size of the input buffer in bytes, for batches that don't ask for one. Default: 100 MB.
    pub fn input_buffer(mut self, bytes: u64) -> Self {
        self.settings.input_bytes = bytes;
        self
    }

    /// Size of the output buffer in bytes, for batches that don't ask for one. Default: 100 MB.
    pub fn output_buffer(mut self, bytes: u64) -> Self {
        self.settings.output_bytes = bytes;
        self
    }

    /// Status of the response to a push that does not fit. Default: 422. The status of the real
    /// service is not published.
    pub fn full_status(mut self, status: u16) -> Self {
        self.settings.full_status = status;
        self
    }

    /// Emulated time without use after which the system closes a batch. Default: 30 minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// Whether info and status count as use of a batch. Default: no; only create, push and pull do,
    /// and workers at work.
    pub fn reading_keeps_alive(mut self, counts: bool) -> Self {
        self.settings.reading_keeps_alive = counts;
        self
    }

    /// In which order a pull hands out results. Default: as they were completed.
    pub fn result_order(mut self, order: ResultOrder) -> Self {
        self.settings.order = order;
        self
    }

    /// How a chunk is treated whose id was pushed before. Default: it is computed again.
    pub fn repeated_ids(mut self, policy: RepeatedIds) -> Self {
        self.settings.repeated_ids = policy;
        self
    }

    /// Which mistakes in requests are refused. Default: all but those that the official SDKs make
    /// day by day, which it accepts from these SDKs only.
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.settings.strictness = strictness;
        self
    }

    /// Largest request body in bytes, counted after decompression; a larger one is refused with
    /// 413. Default: 512 MiB.
    pub fn most_body_bytes(mut self, bytes: usize) -> Self {
        self.settings.most_body_bytes = bytes;
        self
    }

    /// Whether responses are compressed for clients that accept gzip. Default: no, since that costs
    /// more than the rest of a request.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.settings.gzip = gzip;
        self
    }

    /// The form of the responses. Default: that of the API document.
    pub fn shapes(mut self, shapes: Shapes) -> Self {
        self.settings.shapes = shapes;
        self
    }

    /// Emulated seconds a real second. Default: 1. With 0, time moves by [`Emulator::advance`]
    /// alone.
    ///
    /// Real time is tokio's: in a runtime with paused time, it moves as that does.
    pub fn time_scale(mut self, scale: f64) -> Self {
        self.settings.time_scale = scale;
        self
    }

    /// How many of the latest requests are kept for [`Emulator::requests`], and how many bytes of
    /// bodies at most; the oldest go first. Default: 1,000 requests and 8 MiB. 0 keeps none.
    pub fn record(mut self, requests: usize, bytes: usize) -> Self {
        self.settings.recorded_requests = requests;
        self.settings.recorded_bytes = bytes;
        self
    }

    /// Lets requests go wrong by chance from the start. Several sets are asked in their order,
    /// until one lets the request go wrong.
    pub fn random_faults(mut self, faults: RandomFaults) -> Self {
        self.settings.random_faults.push(faults);
        self
    }

    /// Makes the ids of batches repeatable. Default: they are random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Starts the emulator in the tokio runtime of the caller. It stops when the handle is dropped.
    ///
    /// # Errors
    ///
    /// If it can't listen on the address, or if the tenant or the name of a service is invalid.
    pub async fn start(self) -> io::Result<Emulator> {
        Emulator::start_here(self.checked()?).await
    }

    /// Starts the emulator on a thread of its own, for callers without a tokio runtime. It stops
    /// when the handle is dropped.
    ///
    /// # Errors
    ///
    /// Like [`start`](Self::start), and if it can't start a thread.
    pub fn start_on_thread(self) -> io::Result<Emulator> {
        Emulator::start_on_thread(self.checked()?)
    }

    fn checked(self) -> io::Result<Settings> {
        let invalid = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        let settings = self.settings;
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if settings.tenant.is_empty()
            || settings.tenant.starts_with('.')
            || !settings.tenant.bytes().all(fit)
        {
            return invalid(format!(
                "the tenant {:?} must consist of letters, digits, '-', '_' and '.'",
                settings.tenant
            ));
        }
        if let Some(name) = settings
            .services
            .keys()
            .find(|name| crate::catalogue::parse(name).is_none())
        {
            return invalid(format!(
                "the service name {name:?} must be of the form folder/service or folder/service[version]"
            ));
        }
        if !settings.time_scale.is_finite() || settings.time_scale < 0.0 {
            return invalid(format!(
                "the time scale {} must be 0 or more",
                settings.time_scale
            ));
        }
        if hyper::StatusCode::from_u16(settings.full_status)
            .map_or(true, |status| status.is_success())
        {
            return invalid(format!(
                "the status {} is not that of a refusal",
                settings.full_status
            ));
        }
        Ok(settings)
    }
}
