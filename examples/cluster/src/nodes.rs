//! The scheduler and the executors: those of Apache Ballista, with the codecs of
//! `cspark-batches-datafusion`.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use cspark_batches_datafusion::{SparkLogicalCodec, SparkPhysicalCodec};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;

pub(crate) const HOST: &str = "127.0.0.1";
/// Linux gives ports from here on to those who ask for any.
const EPHEMERAL: u16 = 32768;
/// The lowest port of an executor.
const LOWEST: u16 = 20000;
/// Between the signs of life of an executor, and of how many an executor may miss.
const HEARTBEAT_SECONDS: u64 = 1;
const MISSED_HEARTBEATS: u64 = 5;
/// Small chunks, so that a partition takes some.
const CHUNK_SIZE: usize = 50;

/// Schedules queries until the process ends. Prints its port. Its `GET /readyz` succeeds once there
/// are so many executors.
///
/// # Errors
///
/// If it cannot listen, or loses its socket.
pub async fn scheduler(executors: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((HOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let config = SchedulerConfig {
        bind_host: HOST.to_owned(),
        bind_port: port,
        external_host: HOST.to_owned(),
        min_ready_executors: executors,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: HEARTBEAT_SECONDS * MISSED_HEARTBEATS,
        no_executors_grace_period_seconds: HEARTBEAT_SECONDS * MISSED_HEARTBEATS,
        expire_dead_executor_interval_seconds: HEARTBEAT_SECONDS,
        override_logical_codec: Some(Arc::new(logical_codec())),
        override_physical_codec: Some(Arc::new(physical_codec())),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler =
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await?;
    writeln!(std::io::stdout(), "{port}")?;
    Ok(start_grpc_service_with_listener(listener, scheduler).await?)
}

/// Works for the scheduler at this port until the process ends, with so many cores.
///
/// The environment has to have the credentials of the services in its queries (`CSPARK_BASE_URL`
/// and `CSPARK_BEARER_TOKEN` or `CSPARK_API_KEY`).
///
/// # Errors
///
/// If no port is free, or the scheduler cannot be reached within 30 seconds.
pub async fn executor(scheduler_port: u16, vcores: usize) -> Result<(), Box<dyn Error>> {
    let (port, grpc_port) = free_ports().await?;
    let config = ExecutorProcessConfig {
        bind_host: HOST.to_owned(),
        external_host: Some(HOST.to_owned()),
        port,
        grpc_port,
        scheduler_host: HOST.to_owned(),
        scheduler_port,
        scheduler_connect_timeout_seconds: 30,
        vcores,
        executor_heartbeat_interval_seconds: HEARTBEAT_SECONDS,
        override_logical_codec: Some(Arc::new(logical_codec())),
        override_physical_codec: Some(Arc::new(physical_codec())),
        ..ExecutorProcessConfig::default()
    };
    Ok(start_executor_process(Arc::new(config)).await?)
}

/// The codec of plans, for the scheduler and for clients.
pub(crate) fn logical_codec() -> SparkLogicalCodec {
    SparkLogicalCodec::new(Arc::new(BallistaLogicalExtensionCodec::default()))
}

fn physical_codec() -> SparkPhysicalCodec {
    SparkPhysicalCodec::new(Arc::new(BallistaPhysicalExtensionCodec::default()))
        .options(|run| run.chunk_size(CHUNK_SIZE))
}

/// Two ports that are free. Executors cannot take port 0, since they tell the scheduler their ports
/// before they bind them. These are below those that the system gives to others meanwhile, and
/// processes start to search in different places.
async fn free_ports() -> Result<(u16, u16), std::io::Error> {
    let places = (EPHEMERAL - LOWEST) / 2;
    let place = u16::try_from(std::process::id() % u32::from(places)).unwrap_or_default();
    let pairs = (0..places).map(|nth| LOWEST + (place + nth) % places * 2);
    for port in pairs {
        let first = TcpListener::bind((HOST, port)).await;
        if first.is_ok() && TcpListener::bind((HOST, port + 1)).await.is_ok() {
            return Ok((port, port + 1));
        }
    }
    Err(std::io::ErrorKind::AddrInUse.into())
}
