//! A whole cluster on this machine.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ballista::prelude::{SessionConfigExt as _, SessionContextExt as _};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::nodes::{HOST, logical_codec};

/// The variables that credentials come from.
const CREDENTIALS: [&str; 3] = ["CSPARK_BASE_URL", "CSPARK_BEARER_TOKEN", "CSPARK_API_KEY"];
const CORES_OF_AN_EXECUTOR: &str = "2";
/// For each step of a request to the scheduler, which is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A scheduler and executors, each a process that is killed when this is dropped.
#[derive(Debug)]
pub struct LocalCluster {
    port: u16,
    executors: Vec<Process>,
    scheduler: Process,
}

impl LocalCluster {
    /// Starts the processes, without waiting until they are ready.
    ///
    /// `program` is the program of this package. Executors keep their shuffle files in `folder`.
    /// They alone get the credentials.
    ///
    /// # Errors
    ///
    /// If a process does not start.
    pub fn start(
        program: &Path,
        folder: &Path,
        executors: usize,
        credentials: &[(&str, &str)],
    ) -> io::Result<Self> {
        let start = |arguments: &[&str], credentials: &[(&str, &str)], output: Stdio| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(folder);
            command.env("TMPDIR", folder).stdout(output);
            for name in CREDENTIALS {
                command.env_remove(name);
            }
            command.envs(credentials.iter().copied());
            command.spawn().map(Process)
        };
        let executors_wanted = executors.to_string();
        let mut scheduler = start(&["scheduler", &executors_wanted], &[], Stdio::piped())?;
        let mut port = String::new();
        if let Some(output) = scheduler.0.stdout.take() {
            BufReader::new(output.take(16)).read_line(&mut port)?;
        }
        if port.is_empty() {
            let status = scheduler.0.wait()?;
            return Err(ended("the scheduler", status));
        }
        let port = port.trim();
        let arguments = ["executor", port, CORES_OF_AN_EXECUTOR];
        let executor = || start(&arguments, credentials, Stdio::null());
        Ok(Self {
            port: port.parse().map_err(io::Error::other)?,
            executors: (0..executors)
                .map(|_| executor())
                .collect::<io::Result<_>>()?,
            scheduler,
        })
    }

    /// A session whose queries run on the cluster, once all executors are there.
    ///
    /// # Errors
    ///
    /// If a process has ended, or the scheduler refuses it.
    pub async fn session(&mut self, partitions: usize) -> Result<SessionContext, Box<dyn Error>> {
        loop {
            // Nobody else would say that there is nothing to wait for.
            self.check_processes()?;
            if self.is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let config = SessionConfig::new_with_ballista()
            .with_target_partitions(partitions)
            .with_ballista_logical_extension_codec(Arc::new(logical_codec()));
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .build();
        let url = format!("df://{HOST}:{}", self.port);
        Ok(SessionContext::remote_with_state(&url, state).await?)
    }

    fn check_processes(&mut self) -> io::Result<()> {
        if let Some(status) = self.scheduler.0.try_wait()? {
            return Err(ended("the scheduler", status));
        }
        for (number, executor) in self.executors.iter_mut().enumerate() {
            if let Some(status) = executor.0.try_wait()? {
                return Err(ended(&format!("executor {number}"), status));
            }
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let ask = || -> io::Result<String> {
            let scheduler = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            let mut stream = TcpStream::connect_timeout(&scheduler, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            let request = "GET /readyz HTTP/1.1\r\nhost: scheduler\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes())?;
            let mut response = String::new();
            stream.read_to_string(&mut response)?;
            Ok(response)
        };
        ask().is_ok_and(|response| response.starts_with("HTTP/1.1 200"))
    }

    /// Kills an executor as `kill -9` does: it cannot say goodbye.
    ///
    /// # Errors
    ///
    /// If there is no such executor, or the system refuses.
    pub fn kill_executor(&mut self, number: usize) -> io::Result<()> {
        let executor = self.executors.get_mut(number);
        executor.ok_or(io::ErrorKind::NotFound)?.kill()
    }
}

fn ended(process: &str, status: ExitStatus) -> io::Error {
    io::Error::other(format!("{process} has ended: {status}"))
}

#[derive(Debug)]
struct Process(Child);

impl Process {
    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.kill());
    }
}
